//! libFuzzer calls `panthera_fuzz::headers::tagging` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::headers::tagging(data));
