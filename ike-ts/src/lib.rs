//! IKEv2 traffic selectors (RFC 7296 §2.9, §3.13): ranges of addresses, ports and
//! protocols, their set algebra, narrowing and conversion to prefixes.
//!
//! Pure data and pure functions: this crate refuses to know about wire octets,
//! sockets or policy.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod narrow;
mod prefix;
mod range;
mod selector;
mod text;

pub use narrow::{Narrowed, narrow};
pub use prefix::Prefix;
pub use range::{AddrRange, InvalidRange, PortRange};
pub use selector::TrafficSelector;
pub use text::ParseSelectorError;
