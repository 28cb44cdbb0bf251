//! libFuzzer calls `panthera_fuzz::rights::compiled_policy` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::rights::compiled_policy(data));
