//! iked
