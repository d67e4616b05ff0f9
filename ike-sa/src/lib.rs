//! The sans-IO IKEv2 engine (RFC 7296): datagrams, answers, commands and time go in;
//! datagrams, requests and events come out. Both roles, any number of SAs.
//!
//! It refuses to touch sockets, clocks, files, the operating system's randomness and long-term
//! secrets: time and randomness are passed in, everything that needs a secret or the kernel is
//! a [`Request`] answered later with an [`Answer`].
#![forbid(unsafe_code)]

mod api;
mod child;
mod cookie;

mod exchange;
mod id;
mod keeper;
mod keylog;
mod lookup;
mod message;
mod natd;
mod negotiate;
mod policy;
mod reason;
mod sa;
mod shared;
mod snapshot;
mod stats;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod timer;

pub use api::*;
pub use id::*;
pub use policy::*;
pub use reason::*;
pub use snapshot::*;
pub use time::*;
mod endpoint;
pub use endpoint::{Config, Endpoint};
