//! What goes into the engine and what comes out.
use crate::{Counters, Id, Instant, Mode, Reason};
use core::net::SocketAddr;
use ike_crypto::{ChildSuite, Secret};
use ike_ts::TrafficSelector;
use ike_wire::{AuthMethod, ChildSpi, PrfId, Spi};
use serde::{Deserialize, Serialize};

/// Where a datagram comes from or goes to. `local.port()` 500 means without, anything else with non-ESP marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Path {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's.
    pub peer: SocketAddr,
}

/// Names a request until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// Names an administrator's command until it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommandId(pub u64);

/// Names an IKE SA for its life (rekeying makes a new one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IkeSaId(pub u64);

/// Names a child SA for its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChildId(pub u64);

/// Something the engine wants done.
#[derive(Debug)]
pub enum Output {
    /// Send these datagrams (several: RFC 7383 fragments), non-ESP marker already in place.
    Transmit {
        /// From and to.
        path: Path,
        /// In order.
        datagrams: Vec<Vec<u8>>,
    },
    /// Ask another process; answer with `Endpoint::answer`.
    Request(RequestId, Request),
    /// Something happened.
    Event(Event),
    /// A command ended.
    CommandDone(CommandId, Result<(), Reason>),
}

/// What only another process can do.
#[derive(Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Request {
    /// Driver: which local address would reach this peer? Asked before initiating without `local`.
    SourceAddress {
        /// The peer.
        peer: core::net::IpAddr,
    },
    /// ca: make our AUTH for a policy.
    MakeAuth {
        /// Policy name: selects the secret.
        policy: String,
        /// Negotiated PRF.
        prf: PrfId,
        /// Octets to sign (RFC 7296 §2.15).
        octets: Vec<u8>,
    },
    /// ca: check the peer's AUTH.
    VerifyAuth {
        /// Policy name: selects the secret or trust anchors.
        policy: String,
        /// Identity claimed.
        peer_id: Id,
        /// Negotiated PRF.
        prf: PrfId,
        /// Octets signed.
        octets: Vec<u8>,
        /// AUTH method.
        method: AuthMethod,
        /// AUTH data.
        data: Vec<u8>,
    },
    /// Data plane: install both directions, then the flows.
    InstallChild(Box<ChildSaSpec>),
    /// Data plane: start sending with a child installed as [`Outbound::Deferred`].
    ActivateOutbound(ChildId),
    /// Data plane: addresses or encapsulation changed.
    UpdateChild {
        /// Which.
        child: ChildId,
        /// New addresses.
        path: Path,
        /// ESP in UDP.
        udp_encap: bool,
    },
    /// Data plane: remove both directions; the flows too unless another child of the policy has them.
    RemoveChild(ChildId),
}

/// Answers to [`Request`]s.
#[derive(Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Answer {
    /// To SourceAddress.
    SourceAddress(Result<core::net::IpAddr, String>),
    /// To MakeAuth: method and data, or why not.
    AuthMade(Result<(AuthMethod, Vec<u8>), String>),
    /// To VerifyAuth: proof, or why not.
    AuthVerified(Result<PeerAuthenticated, String>),
    /// To the data plane's requests.
    DataPlane(Result<(), String>),
}

/// Proof that the `ca` process verified a peer's AUTH. Only `ca` (and tests) make one.
#[derive(Debug, Serialize, Deserialize)]
pub struct PeerAuthenticated {
    id: Id,
}

impl PeerAuthenticated {
    /// States that `id` was authenticated. To be called where the check was made, and nowhere else.
    pub fn attest(id: Id) -> Self {
        Self { id }
    }
    /// Who.
    pub fn id(&self) -> &Id {
        &self.id
    }
}

/// When a new child starts to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outbound {
    /// At once.
    Now,
    /// When told: we answered a rekey, and the peer may not have installed its side yet.
    Deferred,
}

/// Everything a data plane needs of a child SA.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChildSaSpec {
    /// Name.
    pub id: ChildId,
    /// Policy and child it belongs to.
    pub policy: String,
    /// Child name.
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
    /// Outer addresses and, with `udp_encap`, ports.
    pub path: Path,
    /// ESP in UDP (RFC 3948).
    pub udp_encap: bool,
    /// What may pass, (local, peer) pairs.
    pub flows: Vec<(TrafficSelector, TrafficSelector)>,
    /// The child this one replaces: its flows move here when outbound starts.
    pub replaces: Option<ChildId>,
    /// When to start sending.
    pub outbound: Outbound,
}

/// What the data plane tells on its own.
#[derive(Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum KernelEvent {
    /// A packet matched a flow of a policy without child SA.
    Acquire {
        /// Policy.
        policy: String,
        /// Child name.
        child: String,
        /// The packet, if known: source and destination as single selectors.
        packet: Option<(TrafficSelector, TrafficSelector)>,
    },
    /// The peer's outer address changed on an authenticated ESP packet.
    MappingChanged {
        /// Which.
        child: ChildId,
        /// New address and port.
        peer: SocketAddr,
    },
    /// Traffic so far. Sent about every second for children whose counters moved.
    Counters(Vec<(ChildId, Counters)>),
}

/// Administrator's commands.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Command {
    /// Establish a policy; done when its children are installed.
    Up(String),
    /// Close all SAs of a policy and do not start it again until `Up` or a reload.
    Down(String),
    /// Rekey the IKE SA of a policy.
    RekeyIke(String),
    /// Rekey all children of a policy.
    RekeyChild(String),
    /// Close all SAs; active policies start again.
    ResetSa,
    /// Close everything for good; done when the peers answered or 2 seconds passed.
    Shutdown,
    /// `ikectl active` (true), `passive` (false).
    SetActive(bool),
}

/// Something worth a log line or a `monitor` line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// IKE SA, if one is concerned.
    pub sa: Option<IkeSaId>,
    /// Policy, if known.
    pub policy: Option<String>,
    /// Peer address.
    pub peer: Option<SocketAddr>,
    /// What.
    pub kind: EventKind,
}

/// Kinds of events.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum EventKind {
    /// We start, or answer, an IKE SA.
    Connecting,
    IkeSaEstablished {
        peer_id: Id,
    },
    IkeSaRekeyed {
        new: IkeSaId,
    },
    IkeSaClosed(Reason),
    ChildSaInstalled {
        child: String,
        spi_in: ChildSpi,
        spi_out: ChildSpi,
    },
    ChildSaRekeyed {
        child: String,
        spi_in: ChildSpi,
        spi_out: ChildSpi,
    },
    ChildSaClosed {
        child: String,
        spi_in: ChildSpi,
        reason: Reason,
    },
    /// An attempt failed before or without an SA: ours or the peer's.
    AttemptFailed(Reason),
    /// A child was refused while the IKE SA stays.
    ChildRefused {
        child: String,
        reason: Reason,
    },
    Retransmit {
        message_id: u32,
        attempt: u32,
    },
    /// NAT found: before us, before the peer.
    NatDetected {
        local: bool,
        peer: bool,
    },
    PeerAddressChanged {
        from: SocketAddr,
        to: SocketAddr,
    },
    /// IKE keys, only with key logging on: one row for Wireshark's ikev2_decryption_table.
    KeyLog(KeyLogRow),
}

/// A row of Wireshark's `ikev2_decryption_table`. Holds secrets: only made when key logging is on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct KeyLogRow {
    pub spi_i: Spi,
    pub spi_r: Spi,
    /// The whole line.
    pub line: String,
}
