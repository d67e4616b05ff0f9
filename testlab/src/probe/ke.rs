//! dh and kem.
use ike_crypto::ke::{self, Initiator};
use ike_wire::KeMethod;
use serde_json::Value;

use super::{
    Answer, Fields, Refusal, one,
    random::{Given, system},
    refuse, unsupported,
};

pub(super) fn dh(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let method = KeMethod(request.number("group")?);
    if !ke::is_supported(method) || is_kem(method) {
        return unsupported(format!("group {}", method.0));
    }
    let private = request.octets("private")?;
    let key = Initiator::from_private(method, &private)?;
    let public = hex::encode(key.public());
    let mut answer = one("public", public);
    if let Some(peer) = request.optional_octets("peer")? {
        let expected = key.public().len();
        if peer.len() != expected {
            let (len, group) = (peer.len(), method.0);
            return refuse(format!(
                "public value has {len} octets, group {group} has {expected}"
            ));
        }
        let shared = key.finish(&peer)?;
        answer.insert("shared".to_owned(), hex::encode(shared.expose()).into());
    }
    Ok(answer)
}

pub(super) fn kem(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let method = KeMethod(request.number("group")?);
    if !is_kem(method) || !ke::is_supported(method) {
        return unsupported(format!("group {}", method.0));
    }
    match request.text("action")? {
        "keygen" => {
            let key = Initiator::from_private(method, &request.octets("seed")?)?;
            Ok(one("public", hex::encode(key.public())))
        }
        "encaps" => {
            let public = request.octets("public")?;
            let (ciphertext, shared) = match request.optional("m") {
                Some(_) => {
                    let m: [u8; 32] = request.array("m")?;
                    ke::respond(method, &public, &mut Given(m.to_vec()))?
                }
                None => ke::respond(method, &public, &mut system())?,
            };
            let mut answer = one("ciphertext", hex::encode(ciphertext));
            let shared: Value = hex::encode(shared.expose()).into();
            answer.insert("shared".to_owned(), shared);
            Ok(answer)
        }
        "decaps" => {
            let ciphertext = request.octets("ciphertext")?;
            let shared = match request.optional_octets("dk")? {
                Some(key) => ke::decapsulate_expanded(method, &key, &ciphertext)?,
                None => Initiator::from_private(method, &request.octets("seed")?)?
                    .finish(&ciphertext)?,
            };
            Ok(one("shared", hex::encode(shared.expose())))
        }
        other => refuse(format!("action {other}")),
    }
}

fn is_kem(method: KeMethod) -> bool {
    matches!(
        method,
        KeMethod::ML_KEM_512 | KeMethod::ML_KEM_768 | KeMethod::ML_KEM_1024
    )
}
