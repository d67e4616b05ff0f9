//! What a data plane is asked to do: child SAs and blocks, as plain data.
use std::net::SocketAddr;

use ike_crypto::{ChildSuite, Secret};
use ike_ts::TrafficSelector;
use ike_wire::ChildSpi;
use serde::{Deserialize, Serialize};

/// A pair of selectors: (local, peer). Outbound packets go from the first to the second.
pub type Flow = (TrafficSelector, TrafficSelector);

/// Tunnel or transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Whole packets inside.
    Tunnel,
    /// Payload only; outer addresses are the inner ones. The userspace plane refuses it.
    Transport,
}

/// When a new child starts to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outbound {
    /// At once.
    Now,
    /// At [`ChildRequest::ActivateOutbound`].
    Deferred,
}

/// A child SA: both directions and what may pass.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChildSa {
    /// Name for its life.
    pub id: u64,
    /// Policy it belongs to.
    pub policy: String,
    /// Child name in the policy.
    pub child: String,
    /// Algorithms.
    pub suite: ChildSuite,
    /// Mode.
    pub mode: Mode,
    /// We receive with this.
    pub spi_in: ChildSpi,
    /// We send with this.
    pub spi_out: ChildSpi,
    /// Encryption and integrity keying material, inbound.
    pub keys_in: (Secret, Secret),
    /// The same, outbound.
    pub keys_out: (Secret, Secret),
    /// Our outer address, and port with `udp_encap`.
    pub local: SocketAddr,
    /// The peer's.
    pub peer: SocketAddr,
    /// ESP in UDP (RFC 3948).
    pub udp_encap: bool,
    /// What may pass.
    pub flows: Vec<Flow>,
    /// The child whose flows move here when this one starts to send.
    pub replaces: Option<u64>,
    /// When to start sending.
    pub outbound: Outbound,
}

impl ChildSa {
    /// A second copy, keys included.
    pub fn duplicate(&self) -> Self {
        let pair = |keys: &(Secret, Secret)| (keys.0.duplicate(), keys.1.duplicate());
        Self {
            id: self.id,
            policy: self.policy.clone(),
            child: self.child.clone(),
            suite: self.suite,
            mode: self.mode,
            spi_in: self.spi_in,
            spi_out: self.spi_out,
            keys_in: pair(&self.keys_in),
            keys_out: pair(&self.keys_out),
            local: self.local,
            peer: self.peer,
            udp_encap: self.udp_encap,
            flows: self.flows.clone(),
            replaces: self.replaces,
            outbound: self.outbound,
        }
    }
}

/// Requests about child SAs, for a channel between processes; see [`crate::DataPlane::handle`].
#[derive(Debug, Serialize, Deserialize)]
pub enum ChildRequest {
    /// Install both directions, then the flows.
    Install(Box<ChildSa>),
    /// Start sending with a child installed as [`Outbound::Deferred`].
    ActivateOutbound(u64),
    /// Addresses or encapsulation changed.
    Update {
        /// Which.
        id: u64,
        /// Our new outer address.
        local: SocketAddr,
        /// The peer's.
        peer: SocketAddr,
        /// ESP in UDP.
        udp_encap: bool,
    },
    /// Remove both directions; the flows too unless another child or a block has them.
    Remove(u64),
}

/// Flows of a policy that must never leave in clear while no child SA carries them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Policy; a block of the same policy and child replaces the one before.
    pub policy: String,
    /// Child name in the policy, for [`crate::Event::Acquire`].
    pub child: String,
    /// What is dropped; nothing takes the block away.
    pub flows: Vec<Flow>,
}
