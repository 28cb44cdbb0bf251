//! libFuzzer calls `panthera_fuzz::signing::signature` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::signing::signature(data));
