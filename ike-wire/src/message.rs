//! A message: header and payload chain (RFC 7296 §3.1, §3.2).
use crate::{DecodeError, Header, Payload, PayloadType};
use alloc::vec::Vec;

/// A whole message. `SK`/`SKF` payloads stay opaque here (see [`Chain`] for the inside).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// The header.
    pub header: Header,
    /// The payloads in order.
    pub payloads: Vec<Payload<'a>>,
}

impl<'a> Message<'a> {
    /// Decodes a message without the non-ESP marker.
    pub fn decode(_bytes: &'a [u8]) -> Result<Self, DecodeError> {
        todo!()
    }
    /// Appends the message; lengths, counts and next-payload fields are worked out.
    pub fn encode(&self, _out: &mut Vec<u8>) {
        todo!()
    }
}

/// A payload chain outside a message: the plaintext inside SK, and what RFC 9242 authenticates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain<'a> {
    /// The payloads in order.
    pub payloads: Vec<Payload<'a>>,
}

impl<'a> Chain<'a> {
    /// Decodes `bytes`, the first payload being of type `first`. Errors also when octets remain.
    /// SK and SKF are refused.
    pub fn decode(_first: PayloadType, _bytes: &'a [u8]) -> Result<Self, DecodeError> {
        todo!()
    }
    /// Appends the chain and returns the type of its first payload (NONE if empty).
    pub fn encode(&self, _out: &mut Vec<u8>) -> PayloadType {
        todo!()
    }
}
