//! libFuzzer calls `panthera_fuzz::service::operations` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::service::operations(data));
