//! Certificates for IKEv2 (RFC 5280, RFC 4945): not built yet, this crate is empty.
//!
//! Meant for key files, path validation, revocation, matching of identities with certificates, and
//! the small certificate authority of `ikectl ca`. It is here so that the workspace has its final shape; there
//! is no example because there is nothing to show.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
