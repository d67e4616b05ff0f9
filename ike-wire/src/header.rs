//! The IKE header (RFC 7296 §3.1).
use crate::decode::Parsed;
use crate::{DecodeError, DecodeErrorKind, ExchangeType, MessageId, PayloadType, Spi};
use alloc::vec::Vec;
use nom::Parser;
use nom::number::complete::{be_u8, be_u32, be_u64};

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
    /// A header of version 2.0; next payload and length are for the encoder to work out.
    pub fn new(
        spi_i: Spi,
        spi_r: Spi,
        exchange: ExchangeType,
        flags: Flags,
        message_id: MessageId,
    ) -> Self {
        Self {
            spi_i,
            spi_r,
            next_payload: PayloadType::NONE,
            major: 2,
            minor: 0,
            exchange,
            flags,
            message_id,
            length: 0,
        }
    }

    /// Reads the header only, of any major version. Errors: fewer than 28 octets, or a
    /// length field other than the number of octets.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let error = |kind, offset| DecodeError {
            kind,
            offset,
            within: PayloadType::NONE,
        };
        let (_, header) = parse(bytes).map_err(|_| error(DecodeErrorKind::ShortHeader, 0))?;
        if usize::try_from(header.length) != Ok(bytes.len()) {
            return Err(error(DecodeErrorKind::WrongLength, 24));
        }
        Ok(header)
    }

    /// Appends the 28 octets, with `length` as given.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.spi_i.0);
        out.extend_from_slice(&self.spi_r.0);
        out.push(self.next_payload.0);
        out.push((self.major << 4) | (self.minor & 0x0f));
        out.push(self.exchange.0);
        out.push(self.flags.octet());
        out.extend_from_slice(&self.message_id.0.to_be_bytes());
        out.extend_from_slice(&self.length.to_be_bytes());
    }
}

impl Flags {
    /// The octet on the wire.
    //= rfc7296#3.1: reserved flag bits are zero when sent and ignored when received
    pub fn octet(self) -> u8 {
        let bit = |set, bit| if set { bit } else { 0 };
        bit(self.initiator, 0x08) | bit(self.version, 0x10) | bit(self.response, 0x20)
    }
}

fn parse(bytes: &[u8]) -> Parsed<'_, Header> {
    let spis = (be_u64, be_u64);
    let rest = (be_u8, be_u8, be_u8, be_u8, be_u32, be_u32);
    let (after, ((spi_i, spi_r), (next, version, exchange, flags, message_id, length))) =
        (spis, rest).parse(bytes)?;
    let header = Header {
        spi_i: Spi(spi_i.to_be_bytes()),
        spi_r: Spi(spi_r.to_be_bytes()),
        next_payload: PayloadType(next),
        major: version >> 4,
        minor: version & 0x0f,
        exchange: ExchangeType(exchange),
        flags: Flags {
            initiator: flags & 0x08 != 0,
            version: flags & 0x10 != 0,
            response: flags & 0x20 != 0,
        },
        message_id: MessageId(message_id),
        length,
    };
    Ok((after, header))
}
