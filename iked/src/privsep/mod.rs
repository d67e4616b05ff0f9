//! Privilege separation: one process per task, made by running our own binary again (`iked
//! --process ROLE`), so that each has a fresh address space and inherits nothing but its channel
//! on descriptor 0. Further descriptors and everything else come over that channel.
pub mod channel;
pub mod sandbox;
pub mod spawn;

use serde::{Deserialize, Serialize};

/// The processes besides the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Long-term secrets; no network.
    Ca,
    /// IKE; no privilege, no long-term secret.
    Ikev2,
    /// CAP_NET_ADMIN; reads nothing from the network.
    Kernel,
    /// The userspace data plane; no privilege.
    Esp,
    /// The control socket; no privilege.
    Control,
}

impl Role {
    /// All, in the order they are started.
    pub const ALL: [Self; 5] = [
        Self::Ca,
        Self::Kernel,
        Self::Esp,
        Self::Ikev2,
        Self::Control,
    ];

    /// The name on the command line and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Ikev2 => "ikev2",
            Self::Kernel => "kernel",
            Self::Esp => "esp",
            Self::Control => "control",
        }
    }

    /// What it may do, in one line, for the debug log.
    pub fn pledge(self) -> &'static str {
        match self {
            Self::Ca => "holds long-term secrets, sees --etc only, no network",
            Self::Ikev2 => "speaks IKE on sockets it was given, no capability, no files",
            Self::Kernel => "CAP_NET_ADMIN and netlink, no packets, no files",
            Self::Esp => "moves packets between descriptors it was given, no capability, no files",
            Self::Control => "answers ikectl on a socket it was given, no capability, no files",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|r| r.name() == s)
            .ok_or_else(|| format!("no process is called {s:?}"))
    }
}
