#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tower_didt_fuzz::original_url(data));
