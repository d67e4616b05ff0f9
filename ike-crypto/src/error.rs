//! Errors.

/// An ICV, MAC or AUTH value is wrong. Says nothing more, on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("authentication failed")]
pub struct AuthenticationFailed;

/// Why a cryptographic operation was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// Not built in.
    #[error("algorithm is not supported")]
    Unsupported,
    /// A key of the wrong length.
    #[error("key has the wrong length")]
    KeyLength,
    /// A private or public key that is none, or not in its range.
    #[error("invalid key")]
    InvalidKey,
    /// An AlgorithmIdentifier that is none, or has parameters that it must not have.
    #[error("malformed algorithm identifier")]
    InvalidAlgorithm,
    /// A key that does not fit the signature algorithm.
    #[error("key does not fit the algorithm")]
    KeyMismatch,
    /// A public value that RFC 6989 or the method's own RFC forbids.
    #[error("invalid public value")]
    InvalidPublicValue,
    /// Too short, or not a whole number of blocks.
    #[error("ciphertext has the wrong length")]
    CiphertextLength,
    /// More than prf+ can give (255 blocks).
    #[error("too much key material requested")]
    TooLong,
    /// Wrong ICV.
    #[error("authentication failed")]
    AuthenticationFailed,
}

impl From<AuthenticationFailed> for CryptoError {
    fn from(_: AuthenticationFailed) -> Self {
        Self::AuthenticationFailed
    }
}
