//! Secret octets: wiped on drop, never printed, compared in constant time.
//!
//! With the feature `serde` they cross between our own processes as a plain octet string; who
//! serializes them is responsible for wiping the buffer they were written to.
use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Secret octets. `Debug` shows only the length. Not `Clone`: see [`Secret::duplicate`].
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the octets over.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// A copy of the octets; the caller wipes the source.
    pub fn from_slice(octets: &[u8]) -> Self {
        Self::new(octets.to_vec())
    }

    /// No octets, as the integrity key of an AEAD.
    pub fn empty() -> Self {
        Self::new(Vec::new())
    }

    /// The octets.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Number of octets.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A second copy, wiped separately.
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.0.len())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
impl Eq for Secret {}

#[cfg(feature = "serde")]
mod serialization {
    use super::*;
    use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
    use serde::ser::{Serialize, Serializer};

    impl Serialize for Secret {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&self.0)
        }
    }

    impl<'de> Deserialize<'de> for Secret {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_bytes(SecretVisitor)
        }
    }

    struct SecretVisitor;

    impl<'de> Visitor<'de> for SecretVisitor {
        type Value = Secret;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("octets")
        }

        fn visit_bytes<E: Error>(self, octets: &[u8]) -> Result<Secret, E> {
            Ok(Secret::from_slice(octets))
        }

        fn visit_byte_buf<E: Error>(self, octets: Vec<u8>) -> Result<Secret, E> {
            Ok(Secret::new(octets))
        }

        // Formats without octet strings. Grows by hand: `Vec` would leave old copies unwiped.
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Secret, A::Error> {
            let expected = seq.size_hint().unwrap_or(64).min(4096);
            let mut octets = Zeroizing::new(Vec::with_capacity(expected));
            while let Some(octet) = seq.next_element::<u8>()? {
                if octets.len() == octets.capacity() {
                    let mut larger = Zeroizing::new(Vec::with_capacity(2 * octets.len() + 64));
                    larger.extend_from_slice(&octets);
                    octets = larger;
                }
                octets.push(octet);
            }
            Ok(Secret(octets))
        }
    }
}
