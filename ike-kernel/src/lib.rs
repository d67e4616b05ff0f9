//! ike-kernel
