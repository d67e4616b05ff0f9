//! Fragments in any order, number and total: what a plain model says, within the limits.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ike_wire::fuzz::reassemble(data));
