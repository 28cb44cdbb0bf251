//! libFuzzer calls `panthera_fuzz::chunked::raw` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::chunked::raw(data));
