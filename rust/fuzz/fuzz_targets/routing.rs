//! libFuzzer calls `panthera_fuzz::port::routing` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::port::routing(data));
