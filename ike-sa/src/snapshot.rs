//! What `ikectl show sa` sees; field names are those of its JSON.
use crate::{Id, Mode};
use core::net::SocketAddr;
use ike_crypto::ChildSuite;
use ike_ts::TrafficSelector;
use ike_wire::{ChildSpi, EncrId, IntegId, KeMethod, PrfId, Spi};
use serde::{Deserialize, Serialize};

/// An IKE SA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IkeSaSnapshot {
    /// Number that identifies it in logs and commands.
    pub id: u64,
    /// Policy.
    pub name: String,
    /// State in capitals: "CONNECTING", "ESTABLISHED", "REKEYING", "DELETING"…
    pub state: String,
    /// Whether we are the original initiator.
    pub initiator: bool,
    /// SPIs.
    pub spi_i: Spi,
    /// Responder's, zero while unknown.
    pub spi_r: Spi,
    /// Our end.
    pub local: (Option<Id>, SocketAddr),
    /// The other.
    pub peer: (Option<Id>, SocketAddr),
    /// Algorithms once negotiated: encryption, key bits, integrity, PRF, key exchange.
    pub ike: Option<(EncrId, Option<u16>, IntegId, PrfId, KeMethod)>,
    /// Seconds since IKE_AUTH was done.
    pub established_s: Option<u64>,
    /// Seconds until rekeying.
    pub rekey_in_s: Option<u64>,
    /// Whether there is a NAT before us, before the peer.
    pub nat: (bool, bool),
    /// Children.
    pub children: Vec<ChildSaSnapshot>,
}

/// A child SA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildSaSnapshot {
    /// Child name in the policy.
    pub name: String,
    /// "INSTALLED", "REKEYING", "REKEYED", "DELETING"…
    pub state: String,
    /// Tunnel or transport.
    pub mode: Mode,
    /// Whether ESP is in UDP.
    pub udp_encap: bool,
    /// We receive with this.
    pub spi_in: ChildSpi,
    /// We send with this.
    pub spi_out: ChildSpi,
    /// Algorithms.
    pub suite: ChildSuite,
    /// Key exchange of its own (PFS), if any.
    pub ke: Option<KeMethod>,
    /// Ours.
    pub ts_local: Vec<TrafficSelector>,
    /// Theirs.
    pub ts_peer: Vec<TrafficSelector>,
    /// Last known traffic.
    pub counters: Counters,
    /// Seconds until rekeying.
    pub rekey_in_s: Option<u64>,
}

/// Traffic of a child SA, inner octets and packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Counters {
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub packets_in: u64,
    pub packets_out: u64,
}
