//! EAP methods for IKEv2 (RFC 7296 §2.16): not built yet, this crate is empty.
//!
//! Meant for servers and clients of EAP-Identity, EAP-MSCHAPv2, EAP-MD5 and EAP-TLS (RFC 3748, 2759,
//! 5216) as state machines without I/O. It is here so that the workspace has its final shape; there is no
//! example because there is nothing to show.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
