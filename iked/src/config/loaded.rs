//! What a configuration means, ready to be handed to the processes.
use super::Diagnostics;
use ike_crypto::Secret;
use ike_sa::PolicySet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A configuration without errors.
#[derive(Debug)]
pub struct Loaded {
    /// For the engine.
    pub policies: PolicySet,
    /// For the `ca` process only.
    pub secrets: Secrets,
    /// For the daemon itself.
    pub daemon: DaemonSettings,
    /// What should be shown, but does not stop.
    pub warnings: Diagnostics,
}

/// Long-term secrets. Wiped on drop; `Debug` shows lengths only.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    /// Pre-shared keys by policy name. A policy whose key stands as `<hidden>` in the text (the
    /// output of `iked -nv`) has none here.
    pub psk: BTreeMap<String, Secret>,
    /// Passwords by user name (`user NAME PASSWORD`).
    pub users: BTreeMap<String, Secret>,
}

/// What carries the packets (`set dataplane`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Dataplane {
    /// Whatever the kernel can really do: XFRM, else userspace.
    #[default]
    Auto,
    /// ESP in our own process over a TUN device.
    Userspace,
    /// The kernel's.
    Xfrm,
    /// None: keys are negotiated and go nowhere.
    None,
}

/// Settings that do not concern the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DaemonSettings {
    /// What carries the packets.
    pub dataplane: Dataplane,
    /// Let packets of an active policy out in clear while it has no child SA (`set leak`).
    pub leak: bool,
    /// Leave the data plane alone (`set decouple`); the engine's settings say the same.
    pub decouple: bool,
}
