#![no_main]

libfuzzer_sys::fuzz_target!(|case: tower_didt_fuzz::ClaimCase| tower_didt_fuzz::claim(&case));
