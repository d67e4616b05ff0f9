//! IKEv2 transforms and everything made of them: PRF and prf+ (RFC 7296 §2.13), integrity,
//! encryption, AEAD (RFC 5282), key exchange, the key schedule (§2.14, §2.17, §2.18), the SK
//! payload (§3.14), AUTH (§2.15).
//!
//! This crate assembles RustCrypto primitives; it refuses to read the clock, the operating
//! system's randomness or configuration, and never prints a secret.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod auth;
mod cipher;
mod error;
pub mod ke;
mod prf;
pub mod schedule;
mod secret;
mod sk;
mod suite;

pub use cipher::{Cipher, CipherKeys, Integ};
pub use error::{AuthenticationFailed, CryptoError};
pub use prf::Prf;
pub use secret::Secret;
pub use sk::{SkCipher, SkDirection};
pub use suite::{ChildSuite, IkeSuite};
