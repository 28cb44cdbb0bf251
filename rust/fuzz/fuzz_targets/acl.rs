//! libFuzzer calls `panthera_fuzz::rights::grants` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::rights::grants(data));
