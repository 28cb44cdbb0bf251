//! libFuzzer calls `panthera_fuzz::uri::run` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::uri::run(data));
