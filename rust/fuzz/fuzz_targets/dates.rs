//! libFuzzer calls `panthera_fuzz::dates::run` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::dates::run(data));
