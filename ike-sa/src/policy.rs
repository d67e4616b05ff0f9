//! Policies: what the configuration means to the engine. Immutable once handed over; a reload
//! hands over a whole new [`PolicySet`].
use crate::{Id, IdMatch};
use core::net::IpAddr;
use ike_ts::{AddrRange, TrafficSelector};
use ike_wire::{EncrId, IntegId, KeMethod, PrfId, ProtocolId};
use serde::{Deserialize, Serialize};

/// All policies in the order of the file, and what applies to all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PolicySet {
    /// Policies; the last match wins unless an earlier one is `quick`.
    pub policies: Vec<Policy>,
    /// Global settings.
    pub settings: Settings,
}

/// Global settings (`set …`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Never initiate (`set passive`, `-s`).
    pub passive: bool,
    /// Do not install anything into a data plane (`set decouple`).
    pub decouple: bool,
    /// No NAT traversal at all (`-T`).
    pub no_nat_traversal: bool,
    /// Liveness check after this many silent seconds (`set dpd_check_interval`); 0 is off.
    pub dpd_check_interval_s: u32,
    /// Close older IKE SAs of the same peer identity (`set enforcesingleikesa`).
    pub enforce_single_ike_sa: bool,
    /// Half-open IKE SAs above which COOKIE is demanded (RFC 7296 §2.6); 0 demands it always.
    pub cookie_threshold: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            passive: false,
            decouple: false,
            no_nat_traversal: false,
            dpd_check_interval_s: 60,
            enforce_single_ike_sa: false,
            cookie_threshold: 30,
        }
    }
}

/// Who starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Initiation {
    /// Started at once and kept up.
    Active,
    /// Waits for the peer, a packet or a command.
    Passive,
}

/// One `ikev2` policy: an IKE SA and its children.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Unique name.
    pub name: String,
    /// Who starts.
    pub initiation: Initiation,
    /// Stop looking when this one matches.
    pub quick: bool,
    /// Refuse what matches.
    pub skip: bool,
    /// The fallback if nothing else matches.
    pub default: bool,
    /// Local addresses it applies to; `None` is any.
    pub local: Option<AddrRange>,
    /// Peer addresses it applies to; `None` is any. One address is also where `active` connects to.
    pub peer: Option<AddrRange>,
    /// IKE proposals in order of preference.
    pub ike: Vec<IkeProposal>,
    /// Our identity.
    pub local_id: Id,
    /// The peer's.
    pub peer_id: IdMatch,
    /// How we prove ours, and what we demand of the peer. The secrets are in the `ca` process under the policy's name.
    pub auth: AuthPolicy,
    /// Child SAs; the first is negotiated in IKE_AUTH.
    pub children: Vec<ChildPolicy>,
    /// IKE SA lifetime in seconds; 0 is for ever.
    pub ike_lifetime_s: u64,
}

impl Policy {
    /// The one address to connect to, if there is one.
    pub fn peer_addr(&self) -> Option<IpAddr> {
        self.peer
            .filter(|r| r.start() == r.end())
            .map(|r| r.start())
    }
}

/// Authentication of one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AuthPolicy {
    /// Pre-shared key, both ways.
    Psk,
}

/// A set of acceptable IKE SA transforms: any of each list, in order of preference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IkeProposal {
    /// Ciphers with key length attribute in bits. All AEAD, or none.
    pub encr: Vec<(EncrId, Option<u16>)>,
    /// MACs; empty for AEAD.
    pub integ: Vec<IntegId>,
    /// PRFs.
    pub prf: Vec<PrfId>,
    /// Key exchange methods.
    pub ke: Vec<KeMethod>,
    /// Additional key exchanges 1 to 7 (RFC 9370); each list may hold NONE.
    pub additional_ke: Vec<Vec<KeMethod>>,
}

/// The same for child SAs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildProposal {
    /// Ciphers; empty for AH.
    pub encr: Vec<(EncrId, Option<u16>)>,
    /// MACs; empty for AEAD.
    pub integ: Vec<IntegId>,
    /// Key exchange methods for PFS in CREATE_CHILD_SA; empty or NONE: without.
    pub ke: Vec<KeMethod>,
    /// Additional key exchanges (RFC 9370).
    pub additional_ke: Vec<Vec<KeMethod>>,
    /// Extended sequence numbers acceptable, in order of preference.
    pub esn: Vec<bool>,
}

/// Tunnel or transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Whole packets inside.
    Tunnel,
    /// Payload only; outer addresses are the inner ones.
    Transport,
}

/// One child SA of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildPolicy {
    /// Name; the policy's own for its first child.
    pub name: String,
    /// ESP or AH.
    pub protocol: ProtocolId,
    /// Mode.
    pub mode: Mode,
    /// `from` → `to` pairs as configured (local, peer). TSi and TSr offered are their two columns;
    /// what is installed is the pairs, cut to what was negotiated.
    pub flows: Vec<(TrafficSelector, TrafficSelector)>,
    /// Proposals in order of preference.
    pub proposals: Vec<ChildProposal>,
    /// Lifetime in seconds; 0 is for ever.
    pub lifetime_s: u64,
    /// Lifetime in octets; 0 is for ever.
    pub lifetime_bytes: u64,
}
