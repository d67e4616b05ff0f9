//! The sans-IO IKEv2 engine (RFC 7296): datagrams, answers, commands and time go in;
//! datagrams, requests and events come out. Both roles, any number of SAs.
//!
//! It refuses to touch sockets, clocks, files, the operating system's randomness and long-term
//! secrets: time and randomness are passed in, everything that needs a secret or the kernel is
//! a [`Request`] answered later with an [`Answer`].
//!
//! The driver gives every input to an [`Endpoint`], then takes outputs with
//! [`Endpoint::poll_output`] until there are none, then waits until
//! [`Endpoint::next_timeout`] or the next input. Two endpoints that establish a tunnel in
//! memory, with nothing but this crate:
//!
//! ```
//! use ike_crypto::{Prf, Secret, auth};
//! use ike_sa::*;
//! use ike_ts::{AddrRange, TrafficSelector};
//! use ike_wire::{AuthMethod, EncrId, IdType, KeMethod, PrfId, ProtocolId};
//! use rand_core::SeedableRng;
//! use std::{collections::VecDeque, net::IpAddr};
//!
//! fn policy(local: (&str, &str, &str), peer: (&str, &str, &str)) -> Policy {
//!     let id = |name: &str| Id { kind: IdType::FQDN, data: name.as_bytes().to_vec() };
//!     let host = |addr: &str| AddrRange::host(addr.parse::<IpAddr>().unwrap());
//!     Policy {
//!         name: "tunnel".into(),
//!         initiation: Initiation::Passive,
//!         quick: false,
//!         skip: false,
//!         default: false,
//!         local: Some(host(local.1)),
//!         peer: Some(host(peer.1)),
//!         ike: vec![IkeProposal {
//!             encr: vec![(EncrId::AES_GCM_16, Some(256))],
//!             integ: vec![],
//!             prf: vec![PrfId::HMAC_SHA2_256],
//!             ke: vec![KeMethod::CURVE25519],
//!             additional_ke: vec![],
//!         }],
//!         local_id: id(local.0),
//!         peer_id: IdMatch::Exact(id(peer.0)),
//!         auth: AuthPolicy::Psk,
//!         children: vec![ChildPolicy {
//!             name: "tunnel".into(),
//!             protocol: ProtocolId::ESP,
//!             mode: Mode::Tunnel,
//!             flows: vec![(
//!                 TrafficSelector::any_protocol(host(local.2)),
//!                 TrafficSelector::any_protocol(host(peer.2)),
//!             )],
//!             proposals: vec![ChildProposal {
//!                 encr: vec![(EncrId::AES_GCM_16, Some(256))],
//!                 integ: vec![],
//!                 ke: vec![],
//!                 additional_ke: vec![],
//!                 esn: vec![false],
//!             }],
//!             lifetime_s: 3600,
//!             lifetime_bytes: 0,
//!         }],
//!         ike_lifetime_s: 14400,
//!     }
//! }
//!
//! /// What the process with the secrets and the data plane would do.
//! fn serve(request: Request) -> Option<Answer> {
//!     let psk = Secret::new(b"correct horse battery staple".to_vec());
//!     Some(match request {
//!         Request::MakeAuth { prf, octets, .. } => {
//!             let mac = auth::shared_key_mac(Prf::from_id(prf)?, &psk, &octets);
//!             Answer::AuthMade(Ok((AuthMethod::SHARED_KEY_MIC, mac)))
//!         }
//!         Request::VerifyAuth { peer_id, prf, octets, data, .. } => Answer::AuthVerified(
//!             auth::verify_shared_key(Prf::from_id(prf)?, &psk, &octets, &data)
//!                 .map(|()| PeerAuthenticated::attest(peer_id))
//!                 .map_err(|e| e.to_string()),
//!         ),
//!         _ => Answer::DataPlane(Ok(())),
//!     })
//! }
//!
//! let ends = [("a.example", "192.0.2.1", "10.1.0.1"), ("b.example", "192.0.2.2", "10.2.0.1")];
//! let now = Instant::from_micros(0);
//! let mut peers: Vec<Endpoint> = (0..2)
//!     .map(|n| {
//!         let rng = Box::new(rand_chacha::ChaCha20Rng::seed_from_u64(n as u64));
//!         let mut endpoint = Endpoint::new(Config::default(), rng, now);
//!         let settings = Settings::default();
//!         let policies = vec![policy(ends[n], ends[1 - n])];
//!         endpoint.set_policies(now, PolicySet { policies, settings });
//!         endpoint
//!     })
//!     .collect();
//!
//! peers[0].command(now, CommandId(1), Command::Up("tunnel".into()));
//! let mut up = None;
//! let mut wire = VecDeque::new();
//! loop {
//!     for n in 0..2 {
//!         while let Some(output) = peers[n].poll_output() {
//!             match output {
//!                 Output::Transmit { path, datagrams } => {
//!                     let back = Path { local: path.peer, peer: path.local };
//!                     wire.extend(datagrams.into_iter().map(|d| (1 - n, back, d)));
//!                 }
//!                 Output::Request(id, request) => {
//!                     if let Some(answer) = serve(request) {
//!                         peers[n].answer(now, id, answer);
//!                     }
//!                 }
//!                 Output::CommandDone(_, result) => up = Some(result),
//!                 Output::Event(_) => {}
//!             }
//!         }
//!     }
//!     match wire.pop_front() {
//!         Some((to, path, datagram)) => peers[to].handle_datagram(now, path, &datagram),
//!         None => break,
//!     }
//! }
//! assert_eq!(up, Some(Ok(())));
//! let (a, b) = (peers[0].snapshot(now), peers[1].snapshot(now));
//! assert_eq!(a[0].children[0].spi_in, b[0].children[0].spi_out);
//! ```
#![forbid(unsafe_code)]

mod api;
mod child;
mod cookie;
mod demux;

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
