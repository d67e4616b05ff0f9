//! ML-KEM-512, -768 and -1024 (FIPS 203, draft-ietf-ipsecme-ikev2-mlkem): the initiator's KE data is
//! its encapsulation key, the responder's the ciphertext. A ciphertext of the right length never
//! fails: a damaged one gives another secret.
use alloc::vec::Vec;

#[allow(
    deprecated,
    reason = "for test vectors; our own keys never leave this module"
)]
use ml_kem::ExpandedKeyEncoding;
use ml_kem::{
    Decapsulate, DecapsulationKey, EncapsulationKey, KeyExport, MlKem512, MlKem768, MlKem1024, Seed,
};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::Method;
use crate::{CryptoError, Secret};

/// A private key.
pub(super) enum Private {
    MlKem512(DecapsulationKey<MlKem512>),
    MlKem768(DecapsulationKey<MlKem768>),
    MlKem1024(DecapsulationKey<MlKem1024>),
}

/// Security levels.
#[derive(Clone, Copy)]
pub(super) enum Level {
    MlKem512,
    MlKem768,
    MlKem1024,
}

/// Octets of a seed: d | z.
pub(super) const SEED_LEN: usize = 64;
const RANDOM_LEN: usize = 32;

impl Private {
    pub(super) fn generate(level: Level, rng: &mut dyn CryptoRng) -> (Self, Vec<u8>) {
        let mut seed = Zeroizing::new([0; SEED_LEN]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(level, &seed)
    }

    pub(super) fn from_seed(level: Level, seed: &[u8; SEED_LEN]) -> (Self, Vec<u8>) {
        let seed = Zeroizing::new(Seed::from(*seed));
        match level {
            Level::MlKem512 => {
                let key = DecapsulationKey::<MlKem512>::from_seed(*seed);
                let public = key.encapsulation_key().to_bytes().to_vec();
                (Self::MlKem512(key), public)
            }
            Level::MlKem768 => {
                let key = DecapsulationKey::<MlKem768>::from_seed(*seed);
                let public = key.encapsulation_key().to_bytes().to_vec();
                (Self::MlKem768(key), public)
            }
            Level::MlKem1024 => {
                let key = DecapsulationKey::<MlKem1024>::from_seed(*seed);
                let public = key.encapsulation_key().to_bytes().to_vec();
                (Self::MlKem1024(key), public)
            }
        }
    }

    /// From the expanded form of FIPS 203, whose hash of the encapsulation key is checked.
    #[allow(
        deprecated,
        reason = "for test vectors; our own keys never leave this module"
    )]
    pub(super) fn from_expanded(level: Level, octets: &[u8]) -> Result<Self, CryptoError> {
        fn key<K: ExpandedKeyEncoding>(octets: &[u8]) -> Result<K, CryptoError> {
            let octets = octets.try_into().map_err(|_| CryptoError::KeyLength)?;
            K::from_expanded_bytes(octets).map_err(|_| CryptoError::InvalidKey)
        }
        Ok(match level {
            Level::MlKem512 => Self::MlKem512(key(octets)?),
            Level::MlKem768 => Self::MlKem768(key(octets)?),
            Level::MlKem1024 => Self::MlKem1024(key(octets)?),
        })
    }

    pub(super) fn decapsulate(&self, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        let mut shared = match self {
            Self::MlKem512(key) => key.decapsulate_slice(ciphertext),
            Self::MlKem768(key) => key.decapsulate_slice(ciphertext),
            Self::MlKem1024(key) => key.decapsulate_slice(ciphertext),
        }
        .map_err(|_| CryptoError::InvalidPublicValue)?;
        let secret = Secret::from_slice(&shared);
        shared.zeroize();
        Ok(secret)
    }
}

/// Ciphertext and shared secret for an encapsulation key.
pub(super) fn encapsulate(
    level: Level,
    public: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<(Vec<u8>, Secret), CryptoError> {
    let mut random = Zeroizing::new([0; RANDOM_LEN]);
    rng.fill_bytes(&mut *random);
    let random = Zeroizing::new(ml_kem::B32::from(*random));
    macro_rules! encapsulate {
        ($level:ty) => {{
            //= fips203#7.2: the encapsulation key has the right length and coefficients below the modulus
            let public = public
                .try_into()
                .map_err(|_| CryptoError::InvalidPublicValue)?;
            let key = EncapsulationKey::<$level>::new(public)
                .map_err(|_| CryptoError::InvalidPublicValue)?;
            let (ciphertext, mut shared) = key.encapsulate_deterministic(&random);
            let secret = Secret::from_slice(&shared);
            shared.zeroize();
            (ciphertext.to_vec(), secret)
        }};
    }
    Ok(match level {
        Level::MlKem512 => encapsulate!(MlKem512),
        Level::MlKem768 => encapsulate!(MlKem768),
        Level::MlKem1024 => encapsulate!(MlKem1024),
    })
}

impl Method {
    pub(super) fn level(self) -> Option<Level> {
        match self {
            Self::MlKem(level) => Some(level),
            _ => None,
        }
    }
}
