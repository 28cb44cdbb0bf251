//! libFuzzer calls `panthera_fuzz::volume::format` with each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| panthera_fuzz::volume::format(data));
