//! Tests of the public interface, against vectors that others made and an independent oracle.
#![allow(clippy::unwrap_used, reason = "tests")]

mod auth;
mod cipher;
mod ke;
mod mac;
mod prf;
mod schedule;
mod secret;
mod sign;
mod sk;
mod support;
