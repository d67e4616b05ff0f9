//! Key exchange methods (RFC 7296 §3.4, RFC 5903, RFC 8031, RFC 3526, RFC 6932, FIPS 203; checks of
//! RFC 6989).
//!
//! Keys are used once: [`Initiator::finish`] and, if it succeeds, [`Initiator::finish_once`] consume theirs, [`respond`] never shows it. Every
//! public value of a peer is checked before and, where the method asks for it, after use.
mod ecp;
mod groups;
#[cfg(feature = "pq")]
mod ml_kem;
mod modp;
#[cfg(feature = "legacy")]
mod small_groups;
mod x25519;

use alloc::vec::Vec;

use bp256::BrainpoolP256r1;
use bp384::BrainpoolP384r1;
use ike_wire::KeMethod;
use p192::NistP192;
use p224::NistP224;
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
        Some(_) | None => false,
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

    /// A given private key, for test vectors only: a key is used once. MODP: an integer x, 0 < x < p,
    /// of any length up to the prime's; ECP: an integer below the order in the length of the field;
    /// Curve25519: the octets before clamping; ML-KEM: the seed d | z.
    pub fn from_private(method: KeMethod, private: &[u8]) -> Result<Self, CryptoError> {
        let (private, public) = Method::from_id(method)
            .ok_or(CryptoError::Unsupported)?
            .with_private(private)?;
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

    /// Like [`Self::finish`], but a key stays where it is if the peer's value is refused: anybody
    /// can send such a value before the peer is authenticated, and the good one may still come.
    /// A refused value tells nobody anything about the key. Errors: also if there is no key.
    pub fn finish_once(key: &mut Option<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        let shared = match key {
            Some(key) => key.private.agree(peer)?,
            None => return Err(CryptoError::InvalidKey),
        };
        *key = None;
        Ok(shared)
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
    let method = Method::from_id(method).ok_or(CryptoError::Unsupported)?;
    #[cfg(feature = "pq")]
    if let Some(level) = method.level() {
        return ml_kem::encapsulate(level, peer, rng);
    }
    let (private, public) = method.generate(rng)?;
    let shared = private.agree(peer)?;
    Ok((public, shared))
}

/// The shared secret of an ML-KEM ciphertext under a decapsulation key in the expanded form of FIPS
/// 203, for test vectors. Errors: no ML-KEM, wrong lengths, a key whose hash is wrong.
#[cfg(feature = "pq")]
pub fn decapsulate_expanded(
    method: KeMethod,
    key: &[u8],
    ciphertext: &[u8],
) -> Result<Secret, CryptoError> {
    let level = Method::from_id(method)
        .and_then(Method::level)
        .ok_or(CryptoError::Unsupported)?;
    ml_kem::Private::from_expanded(level, key)?.decapsulate(ciphertext)
}

/// What is built in.
#[derive(Clone, Copy)]
enum Method {
    X25519,
    P256,
    P384,
    P521,
    P192,
    P224,
    Bp256,
    Bp384,
    Modp(&'static groups::Group),
    #[cfg(feature = "pq")]
    MlKem(ml_kem::Level),
}

impl Method {
    fn from_id(id: KeMethod) -> Option<Self> {
        Some(match id {
            KeMethod::CURVE25519 => Self::X25519,
            KeMethod::ECP256 => Self::P256,
            KeMethod::ECP384 => Self::P384,
            KeMethod::ECP521 => Self::P521,
            KeMethod::ECP192 => Self::P192,
            KeMethod::ECP224 => Self::P224,
            KeMethod::BRAINPOOL256 => Self::Bp256,
            KeMethod::BRAINPOOL384 => Self::Bp384,
            #[cfg(feature = "legacy")]
            KeMethod::MODP768 => Self::Modp(&small_groups::MODP768),
            #[cfg(feature = "legacy")]
            KeMethod::MODP1024 => Self::Modp(&small_groups::MODP1024),
            #[cfg(feature = "legacy")]
            KeMethod::MODP1536 => Self::Modp(&small_groups::MODP1536),
            #[cfg(feature = "legacy")]
            KeMethod::MODP1024_160 => Self::Modp(&small_groups::MODP1024_160),
            #[cfg(feature = "legacy")]
            KeMethod::MODP2048_224 => Self::Modp(&small_groups::MODP2048_224),
            #[cfg(feature = "legacy")]
            KeMethod::MODP2048_256 => Self::Modp(&small_groups::MODP2048_256),
            #[cfg(feature = "pq")]
            KeMethod::ML_KEM_512 => Self::MlKem(ml_kem::Level::MlKem512),
            #[cfg(feature = "pq")]
            KeMethod::ML_KEM_768 => Self::MlKem(ml_kem::Level::MlKem768),
            #[cfg(feature = "pq")]
            KeMethod::ML_KEM_1024 => Self::MlKem(ml_kem::Level::MlKem1024),
            KeMethod::MODP2048 => Self::Modp(&groups::MODP2048),
            KeMethod::MODP3072 => Self::Modp(&groups::MODP3072),
            KeMethod::MODP4096 => Self::Modp(&groups::MODP4096),
            KeMethod::MODP6144 => Self::Modp(&groups::MODP6144),
            KeMethod::MODP8192 => Self::Modp(&groups::MODP8192),
            _ => return None,
        })
    }

    fn generate(self, rng: &mut dyn CryptoRng) -> Result<(Private, Vec<u8>), CryptoError> {
        fn wrap<K>(wrap: fn(K) -> Private, (key, public): (K, Vec<u8>)) -> (Private, Vec<u8>) {
            (wrap(key), public)
        }
        Ok(match self {
            Self::X25519 => wrap(Private::X25519, x25519::Private::generate(rng)),
            Self::P192 => wrap(Private::P192, ecp::Private::generate(rng)),
            Self::P224 => wrap(Private::P224, ecp::Private::generate(rng)),
            Self::P256 => wrap(Private::P256, ecp::Private::generate(rng)),
            Self::P384 => wrap(Private::P384, ecp::Private::generate(rng)),
            Self::P521 => wrap(Private::P521, ecp::Private::generate(rng)),
            Self::Bp256 => wrap(Private::Bp256, ecp::Private::generate(rng)),
            Self::Bp384 => wrap(Private::Bp384, ecp::Private::generate(rng)),
            Self::Modp(group) => wrap(Private::Modp, modp::Private::generate(group, rng)?),
            #[cfg(feature = "pq")]
            Self::MlKem(level) => wrap(Private::MlKem, ml_kem::Private::generate(level, rng)),
        })
    }

    fn with_private(self, octets: &[u8]) -> Result<(Private, Vec<u8>), CryptoError> {
        fn wrap<K>(
            wrap: fn(K) -> Private,
            pair: Result<(K, Vec<u8>), CryptoError>,
        ) -> Result<(Private, Vec<u8>), CryptoError> {
            pair.map(|(key, public)| (wrap(key), public))
        }
        match self {
            Self::X25519 => {
                let octets = octets.try_into().map_err(|_| CryptoError::InvalidKey)?;
                wrap(Private::X25519, Ok(x25519::Private::from_octets(octets)))
            }
            Self::P192 => wrap(Private::P192, ecp::Private::from_scalar(octets)),
            Self::P224 => wrap(Private::P224, ecp::Private::from_scalar(octets)),
            Self::P256 => wrap(Private::P256, ecp::Private::from_scalar(octets)),
            Self::P384 => wrap(Private::P384, ecp::Private::from_scalar(octets)),
            Self::P521 => wrap(Private::P521, ecp::Private::from_scalar(octets)),
            Self::Bp256 => wrap(Private::Bp256, ecp::Private::from_scalar(octets)),
            Self::Bp384 => wrap(Private::Bp384, ecp::Private::from_scalar(octets)),
            Self::Modp(group) => wrap(Private::Modp, modp::Private::from_exponent(group, octets)),
            #[cfg(feature = "pq")]
            Self::MlKem(level) => {
                let seed = octets.try_into().map_err(|_| CryptoError::InvalidKey)?;
                wrap(Private::MlKem, Ok(ml_kem::Private::from_seed(level, seed)))
            }
        }
    }
}

/// A private key of any method; each wipes itself on drop.
enum Private {
    X25519(x25519::Private),
    P192(ecp::Private<NistP192>),
    P224(ecp::Private<NistP224>),
    P256(ecp::Private<NistP256>),
    P384(ecp::Private<NistP384>),
    P521(ecp::Private<NistP521>),
    Bp256(ecp::Private<BrainpoolP256r1>),
    Bp384(ecp::Private<BrainpoolP384r1>),
    Modp(modp::Private),
    #[cfg(feature = "pq")]
    MlKem(ml_kem::Private),
}

impl Private {
    fn agree(&self, peer: &[u8]) -> Result<Secret, CryptoError> {
        match self {
            Self::X25519(key) => key.agree(peer),
            Self::P192(key) => key.agree(peer),
            Self::P224(key) => key.agree(peer),
            Self::P256(key) => key.agree(peer),
            Self::P384(key) => key.agree(peer),
            Self::P521(key) => key.agree(peer),
            Self::Bp256(key) => key.agree(peer),
            Self::Bp384(key) => key.agree(peer),
            Self::Modp(key) => key.agree(peer),
            #[cfg(feature = "pq")]
            Self::MlKem(key) => key.decapsulate(peer),
        }
    }
}
