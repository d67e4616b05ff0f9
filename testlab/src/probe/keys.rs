//! kdf, kdf_rekey, kdf_child.
use ike_crypto::{
    Prf, Secret,
    schedule::{child_key_material, ike_key_material, skeyseed_initial, skeyseed_rekeyed},
};
use ike_wire::Spi;

use super::{Answer, Fields, Refusal, names, one};

pub(super) fn kdf(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let prf = names::prf(request.text("prf")?)?;
    let (ni, nr) = (request.octets("ni")?, request.octets("nr")?);
    let skeyseed = skeyseed_initial(prf, &request.secret("gir")?, &ni, &nr);
    with_key_material(request, prf, &skeyseed, &ni, &nr)
}

pub(super) fn kdf_rekey(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let prf = names::prf(request.text("prf")?)?;
    let (ni, nr) = (request.octets("ni")?, request.octets("nr")?);
    let (d, gir) = (request.secret("sk_d")?, request.secret("gir")?);
    let skeyseed = skeyseed_rekeyed(prf, &d, &gir, &ni, &nr, &additional(request)?);
    with_key_material(request, prf, &skeyseed, &ni, &nr)
}

pub(super) fn kdf_child(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let prf = names::prf(request.text("prf")?)?;
    let gir = request.optional_octets("gir")?.map(Secret::new);
    let material = child_key_material(
        prf,
        &request.secret("sk_d")?,
        gir.as_ref(),
        &request.octets("ni")?,
        &request.octets("nr")?,
        &additional(request)?,
        request.number("len")?,
    )?;
    Ok(one("keymat", hex::encode(material.expose())))
}

fn additional(request: &Fields<'_>) -> Result<Vec<Secret>, Refusal> {
    match request.optional("additional") {
        Some(_) => {
            let secrets = request.octets_list("additional")?;
            Ok(secrets.into_iter().map(Secret::new).collect())
        }
        None => Ok(Vec::new()),
    }
}

fn with_key_material(
    request: &Fields<'_>,
    prf: Prf,
    skeyseed: &Secret,
    ni: &[u8],
    nr: &[u8],
) -> Result<Answer, Refusal> {
    let (spi_i, spi_r) = (Spi(request.array("spi_i")?), Spi(request.array("spi_r")?));
    let len = request.number("len")?;
    let material = ike_key_material(prf, skeyseed, ni, nr, spi_i, spi_r, len)?;
    let mut answer = one("skeyseed", hex::encode(skeyseed.expose()));
    answer.insert("keymat".to_owned(), hex::encode(material.expose()).into());
    Ok(answer)
}
