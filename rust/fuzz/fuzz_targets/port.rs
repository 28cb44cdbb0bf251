//! libFuzzer calls `panthera_fuzz::port::raw` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::port::raw(data));
