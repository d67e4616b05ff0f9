//! IKEv2 wire format (RFC 7296 §3): registries, header, payloads, fragments
//! (RFC 7383) and the demultiplexing of NAT traversal (RFC 3948).
//!
//! Decoding borrows from the datagram; encoding takes the same types. This crate
//! refuses to judge: it shows what is on the wire, policy is elsewhere. It does no
//! cryptography, no I/O and never panics on input.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod decode;
mod encode;
mod header;
mod iana;
pub mod message;
mod natt;
pub mod payload;
mod registry;
mod spi;

pub use decode::{DecodeError, DecodeErrorKind};
pub use encode::EncodeError;
pub use header::{Flags, HEADER_LEN, Header};
pub use iana::*;
pub use message::{Chain, Message, SkKind, encode_sk_prefix};
pub use natt::{Datagram, NON_ESP_MARKER, classify};
pub use payload::Payload;
pub use spi::{ChildSpi, MessageId, Spi};
