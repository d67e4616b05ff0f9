//! What a chosen proposal means: closed types that cannot express nonsense.
use crate::{Cipher, Prf};
use ike_wire::{KeMethod, ProtocolId};

/// Algorithms of an IKE SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IkeSuite {
    /// SK payload protection.
    pub cipher: Cipher,
    /// PRF.
    pub prf: Prf,
    /// First key exchange.
    pub ke: KeMethod,
}

/// Algorithms of a child SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChildSuite {
    /// ESP or AH.
    pub protocol: ProtocolId,
    /// Packet protection.
    pub cipher: Cipher,
    /// Extended sequence numbers (64 bits).
    pub esn: bool,
}
