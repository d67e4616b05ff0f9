//! IKEv2 transforms and everything made of them: PRF and prf+ (RFC 7296 §2.13), integrity,
//! encryption, AEAD (RFC 5282), key exchange, the key schedule (§2.14, §2.17, §2.18), the SK
//! payload (§3.14), AUTH (§2.15).
//!
//! This crate assembles RustCrypto primitives; it refuses to read the clock, the operating
//! system's randomness or configuration, and never prints a secret.
//!
//! What two ends do with it, from the key exchange to the first protected payload:
//!
//! ```
//! use ike_crypto::{Cipher, IkeSuite, Prf, SkCipher, ke, schedule::SkKeys};
//! use ike_wire::{KeMethod, Spi};
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let mut rng = ChaCha20Rng::seed_from_u64(1); // the operating system's in real life
//!
//! let suite = IkeSuite {
//!     cipher: Cipher::AesGcm16 { key_bits: 256 },
//!     prf: Prf::HmacSha2_256,
//!     ke: KeMethod::CURVE25519,
//! };
//!
//! // IKE_SA_INIT: the initiator's KE data goes out, the responder's comes back.
//! let initiator = ke::Initiator::generate(suite.ke, &mut rng)?;
//! let (responder_public, responder_shared) = ke::respond(suite.ke, initiator.public(), &mut rng)?;
//! let initiator_shared = initiator.finish(&responder_public)?;
//!
//! // Both derive the same keys from it, the nonces and the SPIs.
//! let (ni, nr) = ([1; 32], [2; 32]);
//! let (spi_i, spi_r) = (Spi([3; 8]), Spi([4; 8]));
//! let ours = SkKeys::initial(&suite, &initiator_shared, &ni, &nr, spi_i, spi_r)?;
//! let theirs = SkKeys::initial(&suite, &responder_shared, &ni, &nr, spi_i, spi_r)?;
//! assert_eq!(ours.d, theirs.d);
//!
//! // IKE_AUTH: the initiator protects its payloads, the responder reads them.
//! let mut sender = SkCipher::new(suite.cipher, &ours.ei, &ours.ai)?;
//! let receiver = SkCipher::new(suite.cipher, &theirs.ei, &theirs.ai)?;
//! let mut message = b"IKE header | SK payload header".to_vec();
//! let body_from = message.len();
//! sender.seal(&mut message, b"IDi | AUTH | SA | TSi | TSr", &mut rng)?;
//! let opened = receiver.open(&message, body_from)?;
//! assert_eq!(opened.expose(), b"IDi | AUTH | SA | TSi | TSr");
//! # Ok::<(), ike_crypto::CryptoError>(())
//! ```
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod auth;
mod cipher;
mod error;
mod hash;
pub mod ke;
mod mac;
mod prf;
pub mod raw;
pub mod schedule;
mod secret;
pub mod sign;
mod sk;
mod suite;
mod xcbc;

pub use cipher::{Cipher, CipherKeys};
pub use error::{AuthenticationFailed, CryptoError};
pub use hash::Hash;
pub use mac::{Integ, IntegKey};
pub use prf::Prf;
pub use secret::Secret;
pub use sk::{SkCipher, SkDirection};
pub use suite::{ChildSuite, IkeSuite};
