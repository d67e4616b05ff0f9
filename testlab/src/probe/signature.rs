//! verify and sign.
use ike_crypto::{
    CryptoError,
    sign::{PrivateKey, PublicKey, Scheme},
};

use super::{Answer, Fields, Refusal, names, one, random::system};

pub(super) fn verify(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let scheme = match request.optional("alg_id") {
        Some(_) => Scheme::from_algorithm_id(&request.octets("alg_id")?)?,
        None => names::scheme(request.text("alg")?)?,
    };
    let key = PublicKey::from_spki(&request.octets("spki")?)?;
    let (message, signature) = (request.octets("msg")?, request.octets("sig")?);
    match key.verify(scheme, &message, &signature) {
        Ok(()) => Ok(one("ok", true)),
        Err(CryptoError::AuthenticationFailed) => Ok(one("ok", false)),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn sign(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let scheme = names::scheme(request.text("alg")?)?;
    let key = PrivateKey::from_pkcs8(&request.octets("pkcs8")?)?;
    let signature = key.sign(scheme, &request.octets("msg")?, &mut system())?;
    Ok(one("sig", hex::encode(signature)))
}
