//! IPsec data planes for Linux: the kernel's own (XFRM over netlink), a userspace one (ESP,
//! RFC 4303, over a TUN device), their sockets, routes and the probe that chooses between them.
//!
//! Three processes share the work, so nothing here assumes one address space: whoever is root opens
//! descriptors ([`socket::open`], [`tun::Tun::open`]); whoever has `CAP_NET_ADMIN` talks netlink
//! ([`xfrm::Xfrm`], [`route::Router`]) and reads no packet; whoever has no privilege at all moves
//! packets ([`userspace::Plane`], [`socket::IkeSocket`]). Requests and events are plain data that
//! serde can carry. This crate refuses to negotiate, to hold long-term secrets, and to start threads.
//!
//! ```
//! use ike_crypto::{ChildSuite, Cipher, Secret};
//! use ike_kernel::{ChildSa, DataPlane, Mock, Mode, Outbound};
//! use ike_ts::{AddrRange, TrafficSelector};
//! use ike_wire::{ChildSpi, ProtocolId};
//!
//! let host = |a: &str| TrafficSelector::any_protocol(AddrRange::host(a.parse().unwrap()));
//! let key = || (Secret::new(vec![7; 20]), Secret::new(vec![]));
//! let child = ChildSa {
//!     id: 1,
//!     policy: "gw2".into(),
//!     child: "gw2".into(),
//!     suite: ChildSuite { protocol: ProtocolId::ESP, cipher: Cipher::AesGcm16 { key_bits: 128 }, esn: false },
//!     mode: Mode::Tunnel,
//!     spi_in: ChildSpi(0x1001),
//!     spi_out: ChildSpi(0x2002),
//!     keys_in: key(),
//!     keys_out: key(),
//!     local: "192.0.2.1:4500".parse().unwrap(),
//!     peer: "192.0.2.2:4500".parse().unwrap(),
//!     udp_encap: true,
//!     flows: vec![(host("10.1.0.1"), host("10.2.0.1"))],
//!     replaces: None,
//!     outbound: Outbound::Now,
//! };
//! let mut plane = Mock::new();
//! plane.install(child)?;
//! assert_eq!(plane.children().count(), 1);
//! plane.remove(1)?;
//! assert_eq!(plane.children().count(), 0);
//! # Ok::<(), ike_kernel::KernelError>(())
//! ```
#![deny(unsafe_code)]

mod child;
mod error;
mod event;
mod mock;
mod netlink;
mod plane;
pub mod probe;
pub mod route;
pub mod socket;
mod sys;
pub mod tun;
pub mod userspace;
pub mod xfrm;

pub use child::{Block, ChildRequest, ChildSa, Flow, Mode, Outbound};
pub use error::KernelError;
pub use event::{Counters, Event, Packet};
pub use mock::Mock;
pub use plane::{DataPlane, PlaneKind};
