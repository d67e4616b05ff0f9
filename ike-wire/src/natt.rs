//! What a datagram on UDP 500 or 4500 is (RFC 3948 §2).
use crate::ChildSpi;

/// Four zero octets before IKE on port 4500 (RFC 3948 §2.2).
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// A classified datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datagram<'a> {
    /// An IKE message, marker removed.
    Ike(&'a [u8]),
    /// UDP-encapsulated ESP, from its SPI on.
    Esp(ChildSpi, &'a [u8]),
    /// NAT keepalive: one octet 0xff.
    Keepalive,
    /// Nothing known.
    Junk,
}

/// Classifies a datagram; `encapsulated` is true on port 4500 (or its like), false on 500.
pub fn classify(_datagram: &[u8], _encapsulated: bool) -> Datagram<'_> {
    todo!()
}
