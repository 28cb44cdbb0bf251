//! libFuzzer calls `panthera_fuzz::chunked::signed` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::chunked::signed(data));
