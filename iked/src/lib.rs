//! iked
#![forbid(unsafe_code)]

pub mod control;
