//! libFuzzer calls `panthera_fuzz::volume::run` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::volume::run(data));
