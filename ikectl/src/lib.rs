//! What `ikectl` does without a daemon, for its own binary, tests and fuzz targets.
#![forbid(unsafe_code)]

pub mod decode;
