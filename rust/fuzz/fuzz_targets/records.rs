//! libFuzzer calls `panthera_fuzz::records::run` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::records::run(data));
