//! The IKEv2 daemon: its configuration language, its control protocol, and — with the feature
//! `daemon` — the privilege-separated processes around the engine of `ike-sa` and the data planes
//! of `ike-kernel`.
//!
//! `ikectl` shares the first two. The daemon proper is one binary that runs itself once per
//! process ([`privsep::Role`]); the processes speak typed messages ([`ipc`]) and each waits in a
//! poll(2) loop of its own ([`event_loop`]). It refuses to let the process that reads the network
//! hold a long-term secret or a privilege.
#![cfg_attr(
    feature = "daemon",
    doc = r#"
The parts are usable alone, for instance the process that holds the secrets:

```
use iked::ca::KeyStore;
use ike_crypto::Secret;
use ike_sa::{Answer, Request};
use ike_wire::{AuthMethod, PrfId};

let mut ca = KeyStore::default();
ca.add_psk("office".into(), Secret::new(b"correct horse".to_vec()));
let request = Request::MakeAuth {
    policy: "office".into(),
    prf: PrfId::HMAC_SHA2_256,
    octets: b"what both ends sign".to_vec(),
};
let Some(Answer::AuthMade(Ok((method, auth)))) = ca.answer(&request) else {
    panic!("there is a key");
};
assert_eq!(method, AuthMethod::SHARED_KEY_MIC);
assert_eq!(auth.len(), 32);
```
"#
)]
#![forbid(unsafe_code)]

pub mod config;
pub mod control;

#[cfg(feature = "daemon")]
mod allowed;
#[cfg(feature = "daemon")]
pub mod ca;
#[cfg(feature = "daemon")]
mod check;
#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
mod daemonize;
#[cfg(feature = "daemon")]
mod esp;
#[cfg(feature = "daemon")]
pub mod event_loop;
#[cfg(feature = "daemon")]
mod ikev2;
#[cfg(feature = "daemon")]
pub mod ipc;
#[cfg(feature = "daemon")]
mod kernel;
#[cfg(feature = "daemon")]
mod load;
#[cfg(feature = "daemon")]
pub mod log;
#[cfg(feature = "daemon")]
mod parent;
#[cfg(feature = "daemon")]
pub mod privsep;
#[cfg(feature = "daemon")]
pub mod role;
