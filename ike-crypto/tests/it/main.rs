//! Tests of the public interface, against vectors that others made and an independent oracle.
mod auth;
mod cipher;
mod ke;
mod prf;
mod schedule;
mod sk;
mod support;
