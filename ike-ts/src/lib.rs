//! IKEv2 traffic selectors (RFC 7296 §2.9, §3.13): ranges of addresses, ports and
//! protocols, their set algebra, narrowing and conversion to prefixes.
//!
//! Pure data and pure functions: this crate refuses to know about wire octets,
//! sockets or policy.
//!
//! ```
//! use ike_ts::{TrafficSelector, narrow};
//!
//! let offered: TrafficSelector = "10.0.0.0/16".parse()?;
//! let configured: TrafficSelector = "10.0.1.0/24[tcp/443]".parse()?;
//! let narrowed = narrow(&[offered], &[configured]);
//! assert_eq!(narrowed.selectors, [configured]);
//! assert!(narrowed.is_subset);
//! let prefixes: Vec<_> = offered.prefixes().map(|p| p.to_string()).collect();
//! assert_eq!(prefixes, ["10.0.0.0/16"]);
//! # Ok::<(), ike_ts::ParseSelectorError>(())
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
