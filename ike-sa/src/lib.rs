//! ike-sa
