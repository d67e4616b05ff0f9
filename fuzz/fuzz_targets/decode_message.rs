//! Octets as a message: no panic, and what decodes is written as what reads the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ike_wire::fuzz::decode_message(data));
