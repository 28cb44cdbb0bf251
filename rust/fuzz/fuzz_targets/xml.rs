//! libFuzzer calls `panthera_fuzz::xml::run` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::xml::run(data));
