//! libFuzzer calls `panthera_fuzz::form::policy` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::form::policy(data));
