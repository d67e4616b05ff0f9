//! What a data plane tells on its own.
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The inner packet that caused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Packet {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Source port, or ICMP type and code; 0 if there is none or it cannot be seen.
    pub src_port: u16,
    /// Destination port; 0 if there is none or it cannot be seen.
    pub dst_port: u16,
}

/// Traffic of a child SA, inner octets and packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Inner octets received.
    pub bytes_in: u64,
    /// Inner octets sent.
    pub bytes_out: u64,
    /// Packets received.
    pub packets_in: u64,
    /// Packets sent.
    pub packets_out: u64,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// A packet matched a known flow that has no child SA. It was dropped. At most one a second and flow.
    Acquire {
        /// Policy.
        policy: String,
        /// Child name.
        child: String,
        /// The packet, if known.
        packet: Option<Packet>,
    },
    /// The peer's outer address changed on an authenticated packet.
    MappingChanged {
        /// Which child.
        id: u64,
        /// New address and port.
        peer: SocketAddr,
    },
    /// Outbound numbers run out, or a kernel lifetime ended: rekey now. With `hard` nothing is sent any more.
    Expired {
        /// Which child.
        id: u64,
        /// Whether it has stopped.
        hard: bool,
    },
    /// Traffic so far, for children whose counters moved since the last time.
    Counters(Vec<(u64, Counters)>),
}
