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
pub fn classify(datagram: &[u8], encapsulated: bool) -> Datagram<'_> {
    if !encapsulated {
        return if datagram.is_empty() {
            Datagram::Junk
        } else {
            Datagram::Ike(datagram)
        };
    }
    //= rfc3948#2.3: a keepalive is a single octet 0xff
    if datagram == [0xff] {
        return Datagram::Keepalive;
    }
    match datagram.split_first_chunk() {
        //= rfc3948#2.2: four zero octets where ESP has its SPI mark an IKE message
        Some((&NON_ESP_MARKER, ike)) => Datagram::Ike(ike),
        // An ESP packet has at least its SPI and its sequence number (RFC 4303 §2).
        Some((spi, after)) if after.len() >= 4 => {
            Datagram::Esp(ChildSpi(u32::from_be_bytes(*spi)), datagram)
        }
        _ => Datagram::Junk,
    }
}
