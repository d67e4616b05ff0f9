//! Octets as a capture: no panic, nothing that steers a terminal, counters that agree.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ikectl::decode::fuzz::decode_capture(data));
