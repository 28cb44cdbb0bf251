//! libFuzzer calls `panthera_fuzz::signing::claim` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::signing::claim(data));
