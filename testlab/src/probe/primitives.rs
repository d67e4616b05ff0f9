//! hash, prf, prfplus, mac, aead, cbc, ctr.
use ike_crypto::{
    CipherKeys, CryptoError, IntegKey, Secret,
    raw::{self, RawCipher},
};

use super::{Answer, Fields, Refusal, names, one, refuse, unsupported};

pub(super) fn hash(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let hash = names::hash(request.text("alg")?)?;
    let out = hash.digest(&[&request.octets("msg")?]);
    Ok(one("out", hex::encode(out)))
}

pub(super) fn prf(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let prf = names::prf(request.text("prf")?)?;
    let out = prf.compute(&request.octets("key")?, &[&request.octets("data")?]);
    Ok(one("out", hex::encode(out.expose())))
}

pub(super) fn prfplus(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let prf = names::prf(request.text("prf")?)?;
    let len = request.number("len")?;
    let out = prf.plus(&request.octets("key")?, &[&request.octets("seed")?], len)?;
    Ok(one("out", hex::encode(out.expose())))
}

pub(super) fn mac(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let alg = request.text("alg")?;
    let gmac = match alg {
        "aes-128-gmac" => Some(16),
        "aes-192-gmac" => Some(24),
        "aes-256-gmac" => Some(32),
        _ => None,
    };
    let verify = match request.optional_text("action")? {
        None | Some("sign" | "compute") => false,
        Some("verify") => true,
        Some(other) => return unsupported(format!("action {other}")),
    };
    let integ = match gmac {
        Some(_) => None,
        None => Some(names::integ(alg)?),
    };
    let (key, message) = (request.octets("key")?, request.octets("msg")?);
    let computed = match (integ, gmac) {
        (Some(integ), _) => {
            let key = IntegKey::new(integ, &key)?;
            if verify {
                Err(key.verify(&[&message], &request.octets("tag")?).is_ok())
            } else {
                Ok(key.sign(&[&message]))
            }
        }
        (None, key_len) => {
            let iv = request.octets("iv")?;
            if key_len.map(|len| len + 4) != Some(key.len()) {
                return Err(CryptoError::KeyLength.into());
            }
            if verify {
                match raw::verify_gmac(&key, &iv, &message, &request.octets("tag")?) {
                    Ok(()) => Err(true),
                    Err(CryptoError::AuthenticationFailed) => Err(false),
                    Err(error) => return Err(error.into()),
                }
            } else {
                Ok(raw::gmac(&key, &iv, &message)?.to_vec())
            }
        }
    };
    Ok(match computed {
        Ok(tag) => one("tag", hex::encode(tag)),
        Err(verified) => one("ok", verified),
    })
}

pub(super) fn aead(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let key = request.secret("key");
    let len = key.as_ref().map_or(0, Secret::len);
    let cipher = match (names::aead(request.text("alg")?, len), key) {
        (Err(Refusal::Unsupported(text)), _) => return unsupported(text),
        (_, Err(refusal)) | (Err(refusal), _) => return Err(refusal),
        (Ok(cipher), Ok(key)) => CipherKeys::new(cipher, &key, &Secret::empty())?,
    };
    let (iv, aad) = (request.octets("iv")?, request.octets("aad")?);
    match request.text("action")? {
        "seal" => {
            let mut data = request.octets("plaintext")?;
            cipher.seal(&iv, &aad, &[], &mut data, 0)?;
            Ok(one("ciphertext", hex::encode(data)))
        }
        "open" => {
            let mut data = request.octets("ciphertext")?;
            let plaintext = cipher.open(&iv, &aad, &[], &mut data)?;
            Ok(one("plaintext", hex::encode(plaintext)))
        }
        other => refuse(format!("action {other}")),
    }
}

pub(super) fn cbc(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let cipher = match request.text("alg")? {
        "aes-cbc" => RawCipher::AesCbc,
        "3des" => RawCipher::TripleDesCbc,
        other => return unsupported(format!("CBC cipher {other}")),
    };
    unauthenticated(cipher, request)
}

pub(super) fn ctr(request: &Fields<'_>) -> Result<Answer, Refusal> {
    match request.text("alg")? {
        "aes-ctr" => unauthenticated(RawCipher::AesCtr, request),
        other => unsupported(format!("counter mode {other}")),
    }
}

fn unauthenticated(cipher: RawCipher, request: &Fields<'_>) -> Result<Answer, Refusal> {
    let (key, iv) = (request.octets("key")?, request.octets("iv")?);
    match request.text("action")? {
        "encrypt" => {
            let mut data = request.octets("plaintext")?;
            cipher.encrypt(&key, &iv, &mut data)?;
            Ok(one("ciphertext", hex::encode(data)))
        }
        "decrypt" => {
            let mut data = request.octets("ciphertext")?;
            cipher.decrypt(&key, &iv, &mut data)?;
            Ok(one("plaintext", hex::encode(data)))
        }
        other => refuse(format!("action {other}")),
    }
}
