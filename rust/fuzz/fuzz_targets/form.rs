//! libFuzzer calls `panthera_fuzz::form::raw` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::form::raw(data));
