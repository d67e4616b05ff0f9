//! The IKE header (RFC 7296 §3.1).
use crate::{DecodeError, ExchangeType, MessageId, PayloadType, Spi};
use alloc::vec::Vec;

/// Octets of the IKE header.
pub const HEADER_LEN: usize = 28;

/// Header flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// Sent by the original initiator of the IKE SA (0x08).
    pub initiator: bool,
    /// The sender could speak a higher major version (0x10).
    pub version: bool,
    /// A response (0x20).
    pub response: bool,
}

/// The IKE header. The length field is worked out by the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Initiator's SPI.
    pub spi_i: Spi,
    /// Responder's SPI.
    pub spi_r: Spi,
    /// Type of the first payload; the encoder of a [`crate::Message`] works it out.
    pub next_payload: PayloadType,
    /// Major version: 2.
    pub major: u8,
    /// Minor version: 0 when sent, ignored when received.
    pub minor: u8,
    /// Exchange type.
    pub exchange: ExchangeType,
    /// Flags.
    pub flags: Flags,
    /// Message ID.
    pub message_id: MessageId,
    /// Length of the whole message in octets, as received; ignored by the encoder.
    pub length: u32,
}

impl Header {
    /// Reads the header only, of any major version. Errors: fewer than 28 octets, or a
    /// length field other than the number of octets.
    pub fn decode(_bytes: &[u8]) -> Result<Self, DecodeError> {
        todo!()
    }
    /// Appends the 28 octets, with `length` as given.
    pub fn encode(&self, _out: &mut Vec<u8>) {
        todo!()
    }
}
