//! Key exchange methods (RFC 7296 §3.4, RFC 5903, RFC 8031, RFC 3526; checks of RFC 6989).
//!
//! Keys are used once: [`Initiator::finish`] consumes its own, [`respond`] never shows it. Every
//! public value of a peer is checked before and, where the method asks for it, after use.
mod ecp;
mod groups;
mod modp;
mod x25519;

use alloc::vec::Vec;

use ike_wire::KeMethod;
use p256::NistP256;
use p384::NistP384;
use p521::NistP521;
use rand_core::CryptoRng;

use crate::{CryptoError, Secret};

/// Whether a method is built in.
pub fn is_supported(method: KeMethod) -> bool {
    Method::from_id(method).is_some()
}

/// Whether a method is so slow that a daemon should run it outside its event loop.
pub fn is_slow(method: KeMethod) -> bool {
    match Method::from_id(method) {
        Some(Method::Modp(group)) => group.bits > 3072,
        Some(Method::X25519 | Method::P256 | Method::P384 | Method::P521) | None => false,
    }
}

/// Our private half, made by the initiator.
pub struct Initiator {
    method: KeMethod,
    private: Private,
    public: Vec<u8>,
}

impl Initiator {
    /// A fresh key pair. Errors: method not built in.
    pub fn generate(method: KeMethod, rng: &mut dyn CryptoRng) -> Result<Self, CryptoError> {
        let (private, public) = Method::from_id(method)
            .ok_or(CryptoError::Unsupported)?
            .generate(rng)?;
        Ok(Self {
            method,
            private,
            public,
        })
    }

    /// The method.
    pub fn method(&self) -> KeMethod {
        self.method
    }

    /// KE payload data.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The shared secret from the responder's KE data; consumes the key (RFC 7296 §2.12).
    pub fn finish(self, peer: &[u8]) -> Result<Secret, CryptoError> {
        self.private.agree(peer)
    }
}

impl core::fmt::Debug for Initiator {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Initiator")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// The responder's whole turn: KE data to answer with, and the shared secret. Works for
/// Diffie-Hellman and for KEMs alike (encapsulation).
pub fn respond(
    method: KeMethod,
    peer: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<(Vec<u8>, Secret), CryptoError> {
    let (private, public) = Method::from_id(method)
        .ok_or(CryptoError::Unsupported)?
        .generate(rng)?;
    let shared = private.agree(peer)?;
    Ok((public, shared))
}

/// What is built in.
#[derive(Clone, Copy)]
enum Method {
    X25519,
    P256,
    P384,
    P521,
    Modp(&'static groups::Group),
}

impl Method {
    fn from_id(id: KeMethod) -> Option<Self> {
        Some(match id {
            KeMethod::CURVE25519 => Self::X25519,
            KeMethod::ECP256 => Self::P256,
            KeMethod::ECP384 => Self::P384,
            KeMethod::ECP521 => Self::P521,
            KeMethod::MODP2048 => Self::Modp(&groups::MODP2048),
            KeMethod::MODP3072 => Self::Modp(&groups::MODP3072),
            KeMethod::MODP4096 => Self::Modp(&groups::MODP4096),
            KeMethod::MODP6144 => Self::Modp(&groups::MODP6144),
            KeMethod::MODP8192 => Self::Modp(&groups::MODP8192),
            _ => return None,
        })
    }

    fn generate(self, rng: &mut dyn CryptoRng) -> Result<(Private, Vec<u8>), CryptoError> {
        Ok(match self {
            Self::X25519 => {
                let (key, public) = x25519::Private::generate(rng);
                (Private::X25519(key), public)
            }
            Self::P256 => {
                let (key, public) = ecp::Private::generate(rng);
                (Private::P256(key), public)
            }
            Self::P384 => {
                let (key, public) = ecp::Private::generate(rng);
                (Private::P384(key), public)
            }
            Self::P521 => {
                let (key, public) = ecp::Private::generate(rng);
                (Private::P521(key), public)
            }
            Self::Modp(group) => {
                let (key, public) = modp::Private::generate(group, rng)?;
                (Private::Modp(key), public)
            }
        })
    }
}

/// A private key of any method; each wipes itself on drop.
enum Private {
    X25519(x25519::Private),
    P256(ecp::Private<NistP256>),
    P384(ecp::Private<NistP384>),
    P521(ecp::Private<NistP521>),
    Modp(modp::Private),
}

impl Private {
    fn agree(self, peer: &[u8]) -> Result<Secret, CryptoError> {
        match self {
            Self::X25519(key) => key.agree(peer),
            Self::P256(key) => key.agree(peer),
            Self::P384(key) => key.agree(peer),
            Self::P521(key) => key.agree(peer),
            Self::Modp(key) => key.agree(peer),
        }
    }
}
