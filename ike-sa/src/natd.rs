//! NAT detection (RFC 7296 §2.23): hashes of SPIs, address and port. Refuses to guess: without
//! notifications there is no NAT traversal.
use core::net::{IpAddr, SocketAddr};
use ike_wire::{NotifyType, ProtocolId, Spi, payload::Notify};
use sha1::{Digest, Sha1};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Nat {
    /// Both ends sent the notifications.
    pub(crate) supported: bool,
    /// A NAT before us.
    pub(crate) local: bool,
    /// A NAT before the peer.
    pub(crate) peer: bool,
    /// We pretend one, because our data plane wants UDP.
    pub(crate) forced: bool,
}

impl Nat {
    /// Whether ESP goes in UDP and IKE to port 4500.
    pub(crate) fn encap(&self) -> bool {
        self.supported && (self.local || self.peer || self.forced)
    }

    /// Whether we go where the peer's packets come from, be they IKE's or ESP's.
    pub(crate) fn follows(&self) -> bool {
        //= rfc7296#2.23: the end that is not behind a NAT follows the peer's address
        self.peer && !self.local
    }
}

/// SHA-1(SPIi | SPIr | address | port).
fn hash(spi_i: Spi, spi_r: Spi, at: SocketAddr) -> [u8; 20] {
    let mut h = Sha1::new();
    h.update(spi_i.0);
    h.update(spi_r.0);
    match at.ip() {
        IpAddr::V4(a) => h.update(a.octets()),
        IpAddr::V6(a) => h.update(a.octets()),
    }
    h.update(at.port().to_be_bytes());
    h.finalize().into()
}

/// Our two notifications. With `force` the source is one that never matches.
pub(crate) fn notifies(
    spi_i: Spi,
    spi_r: Spi,
    path: &crate::Path,
    force: bool,
) -> [Notify<'static>; 2] {
    let source = if force {
        hash(spi_r, spi_i, SocketAddr::new(path.local.ip(), 0))
    } else {
        hash(spi_i, spi_r, path.local)
    };
    let of = |kind, value: [u8; 20]| Notify {
        protocol: ProtocolId::NONE,
        spi: Vec::new().into(),
        kind,
        data: value.to_vec().into(),
    };
    [
        of(NotifyType::NAT_DETECTION_SOURCE_IP, source),
        of(
            NotifyType::NAT_DETECTION_DESTINATION_IP,
            hash(spi_i, spi_r, path.peer),
        ),
    ]
}

/// What the peer's notifications say about the path its message took.
pub(crate) fn detect<'a>(
    spi_i: Spi,
    spi_r: Spi,
    path: &crate::Path,
    notifies: impl Iterator<Item = &'a Notify<'a>>,
) -> Nat {
    let here = hash(spi_i, spi_r, path.local);
    let there = hash(spi_i, spi_r, path.peer);
    let (mut sources, mut destinations) = (0u32, 0u32);
    let (mut source_ok, mut destination_ok) = (false, false);
    for n in notifies {
        match n.kind {
            NotifyType::NAT_DETECTION_SOURCE_IP => {
                sources = sources.saturating_add(1);
                source_ok |= *n.data == there;
            }
            NotifyType::NAT_DETECTION_DESTINATION_IP => {
                destinations = destinations.saturating_add(1);
                destination_ok |= *n.data == here;
            }
            _ => {}
        }
    }
    let supported = sources > 0 && destinations > 0;
    Nat {
        supported,
        local: supported && !destination_ok,
        peer: supported && !source_ok,
        forced: false,
    }
}
