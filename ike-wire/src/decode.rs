//! Errors of decoding, with place and cause.
use crate::PayloadType;

/// Why and where a message could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at octet {offset} in {within}")]
pub struct DecodeError {
    /// The cause.
    pub kind: DecodeErrorKind,
    /// Octet of the message where it was noticed.
    pub offset: usize,
    /// The payload it is in; NONE is the header.
    pub within: PayloadType,
}

/// Causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// Fewer than 28 octets.
    #[error("shorter than an IKE header")]
    ShortHeader,
    /// The header's length is not the number of octets.
    #[error("length field differs from the message's size")]
    WrongLength,
    /// Not version 2.
    #[error("major version is not 2")]
    MajorVersion,
}
