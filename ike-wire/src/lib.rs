//! IKEv2 wire format (RFC 7296 §3): registries, header, payloads, fragments
//! (RFC 7383) and the demultiplexing of NAT traversal (RFC 3948).
//!
//! Decoding borrows from the datagram; encoding takes the same types. This crate
//! refuses to judge: it shows what is on the wire, policy is elsewhere. It does no
//! cryptography, no I/O and never panics on input.
//!
//! ```
//! use ike_wire::payload::{Body, Notify, Payloads};
//! use ike_wire::{ExchangeType, Flags, Header, Message, MessageId, NotifyType, Spi};
//!
//! let flags = Flags { initiator: true, ..Flags::default() };
//! let header = Header::new(Spi([1; 8]), Spi::ZERO, ExchangeType::IKE_SA_INIT, flags, MessageId(0));
//! let cookie = Notify::new(NotifyType::COOKIE, &b"from the responder"[..]);
//! let nonce = Body::Nonce(vec![7; 32].into());
//! let message = Message { header, payloads: vec![cookie.into(), nonce.into()] };
//!
//! let mut octets = Vec::new();
//! message.encode(&mut octets);
//! let decoded = Message::decode(&octets)?;
//! assert_eq!(decoded.payloads, message.payloads);
//! assert_eq!(decoded.header.length, 90);
//! assert_eq!(*decoded.notify(NotifyType::COOKIE).unwrap().data, *b"from the responder");
//!
//! let error = Message::decode(&octets[..50]).unwrap_err();
//! assert_eq!(error.to_string(), "length field differs from the message's size at octet 24 in NONE");
//! # Ok::<(), ike_wire::DecodeError>(())
//! ```
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::std_instead_of_core
    )
)]

extern crate alloc;

mod decode;
mod encode;
mod fragment;
#[doc(hidden)]
pub mod fuzz;
mod header;
mod iana;
#[cfg(test)]
mod malformed;
pub mod message;
mod natt;
pub mod payload;
mod pretty;
mod registry;
mod spi;
#[cfg(feature = "serde")]
pub mod tree;

pub use decode::{DecodeError, DecodeErrorKind};
pub use encode::EncodeError;
pub use fragment::{Added, FragmentLimits, Fragments};
pub use header::{Flags, HEADER_LEN, Header};
pub use iana::*;
pub use message::{Chain, Message, SkKind, encode_sk_prefix};
pub use natt::{Datagram, NON_ESP_MARKER, classify};
pub use payload::Payload;
pub use pretty::Pretty;
pub use spi::{ChildSpi, MessageId, Spi};
