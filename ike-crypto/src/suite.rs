//! What a chosen proposal means: closed types that cannot express nonsense, and the lengths that
//! follow from them (RFC 7296 §2.14, §2.17).
use crate::{Cipher, Prf};
use ike_wire::{KeMethod, ProtocolId};

/// Algorithms of an IKE SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct IkeSuite {
    /// SK payload protection.
    pub cipher: Cipher,
    /// PRF.
    pub prf: Prf,
    /// First key exchange.
    pub ke: KeMethod,
}

impl IkeSuite {
    /// Octets of SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr.
    pub fn key_material_len(&self) -> usize {
        3 * self.prf.len() + 2 * self.cipher.integ_key_len() + 2 * self.cipher.encr_key_len()
    }
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

impl ChildSuite {
    /// Octets of KEYMAT for both directions.
    pub fn key_material_len(&self) -> usize {
        2 * (self.cipher.encr_key_len() + self.cipher.integ_key_len())
    }
}
