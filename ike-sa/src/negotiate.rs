//! Proposals (RFC 7296 §2.7, §3.3): offering, choosing, checking an answer. Our order of
//! preference decides. Refuses transforms that are not built in, as if they were not configured.
use crate::{ChildProposal, IkeProposal, ProposalMismatch, Reason};
use ike_crypto::{ChildSuite, Cipher, IkeSuite, Prf, ke};
use ike_wire::payload::{Attribute, Proposal, SaPayload, Transform};
use ike_wire::{
    AttributeType, ChildSpi, EncrId, EsnId, IntegId, KeMethod, ProtocolId, Spi, TransformType,
};

/// A chosen IKE proposal.
#[derive(Debug, Clone)]
pub(crate) struct ChosenIke {
    pub(crate) number: u8,
    pub(crate) suite: IkeSuite,
    /// SPI field of the proposal: the peer's new SPI when rekeying.
    pub(crate) spi: Option<Spi>,
}

/// A chosen child proposal.
#[derive(Debug, Clone)]
pub(crate) struct ChosenChild {
    pub(crate) number: u8,
    pub(crate) suite: ChildSuite,
    pub(crate) spi: ChildSpi,
    /// PFS method; `None` is without.
    pub(crate) ke: Option<KeMethod>,
}

/// What role key exchange plays in choosing a child proposal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ChildKe<'a> {
    /// IKE_AUTH: none, whatever was offered (RFC 7296 §1.2).
    Ignored,
    /// CREATE_CHILD_SA: as configured; where nothing is configured, the peer may bring one of these.
    Negotiated(&'a [KeMethod]),
}

fn transform(kind: TransformType, id: u16, key_bits: Option<u16>) -> Transform<'static> {
    Transform {
        kind,
        id,
        attributes: key_bits
            .map(|bits| Attribute::Value(AttributeType::KEY_LENGTH, bits))
            .into_iter()
            .collect(),
    }
}

/// `None` if the transform has attributes we do not know.
fn key_bits(t: &Transform<'_>) -> Option<Option<u16>> {
    let mut bits = None;
    for a in &t.attributes {
        match a {
            Attribute::Value(AttributeType::KEY_LENGTH, v) => bits = Some(*v),
            _ => return None,
        }
    }
    Some(bits)
}

/// Whether a proposal can be used without the additional key exchanges of RFC 9370.
fn plain(additional: &[Vec<KeMethod>]) -> bool {
    additional
        .iter()
        .all(|list| list.is_empty() || list.contains(&KeMethod::NONE))
}

fn cipher_usable(encr: (EncrId, Option<u16>), integ: &[IntegId]) -> bool {
    if is_aead(encr.0) {
        Cipher::from_transforms(encr.0, encr.1, None).is_some()
    } else {
        integ
            .iter()
            .any(|i| Cipher::from_transforms(encr.0, encr.1, Some(*i)).is_some())
    }
}

/// AEAD by registry, built in or not.
fn is_aead(encr: EncrId) -> bool {
    matches!(
        encr,
        EncrId::AES_CCM_8
            | EncrId::AES_CCM_12
            | EncrId::AES_CCM_16
            | EncrId::AES_GCM_8
            | EncrId::AES_GCM_12
            | EncrId::AES_GCM_16
            | EncrId::NULL_AUTH_AES_GMAC
            | EncrId::CHACHA20_POLY1305
    )
}

/// Methods of a list that are built in, in order.
pub(crate) fn methods(list: &[KeMethod]) -> Vec<KeMethod> {
    list.iter()
        .copied()
        .filter(|m| ke::is_supported(*m))
        .collect()
}

/// The key exchange methods an initiator may send for an IKE SA, most preferred first.
pub(crate) fn ike_methods(ours: &[IkeProposal]) -> Vec<KeMethod> {
    let mut out = Vec::new();
    for p in ours.iter().filter(|p| plain(&p.additional_ke)) {
        for m in methods(&p.ke) {
            if !out.contains(&m) {
                out.push(m);
            }
        }
    }
    out
}

/// The same for a child; empty is without PFS.
pub(crate) fn child_methods(ours: &[ChildProposal]) -> Vec<KeMethod> {
    let mut out = Vec::new();
    for m in ours.iter().flat_map(|p| p.ke.iter().copied()) {
        if (m == KeMethod::NONE || ke::is_supported(m)) && !out.contains(&m) {
            out.push(m);
        }
    }
    out
}

/// SA payload offering our IKE proposals; proposal n is our n-th.
pub(crate) fn offer_ike(ours: &[IkeProposal], spi: Option<Spi>) -> SaPayload<'static> {
    let proposals = (1u8..)
        .zip(ours)
        .filter(|(_, p)| plain(&p.additional_ke))
        .filter_map(|(number, p)| {
            let mut transforms = Vec::new();
            for e in p.encr.iter().filter(|e| cipher_usable(**e, &p.integ)) {
                transforms.push(transform(TransformType::ENCR, e.0.0, e.1));
            }
            if transforms.is_empty() {
                return None;
            }
            for f in p.prf.iter().filter(|f| Prf::from_id(**f).is_some()) {
                transforms.push(transform(TransformType::PRF, f.0, None));
            }
            for i in p.integ.iter().filter(|i| **i != IntegId::NONE) {
                transforms.push(transform(TransformType::INTEG, i.0, None));
            }
            for m in methods(&p.ke) {
                transforms.push(transform(TransformType::KE, m.0, None));
            }
            Some(Proposal {
                number,
                protocol: ProtocolId::IKE,
                spi: spi.map(|s| s.0.to_vec()).unwrap_or_default().into(),
                transforms,
            })
        })
        .collect();
    SaPayload { proposals }
}

/// SA payload offering child proposals. `with_ke` is false in IKE_AUTH.
pub(crate) fn offer_child(
    ours: &[ChildProposal],
    protocol: ProtocolId,
    spi: ChildSpi,
    with_ke: bool,
) -> SaPayload<'static> {
    let proposals = (1u8..)
        .zip(ours)
        .filter_map(|(number, p)| {
            let mut transforms = Vec::new();
            for e in p.encr.iter().filter(|e| cipher_usable(**e, &p.integ)) {
                transforms.push(transform(TransformType::ENCR, e.0.0, e.1));
            }
            if transforms.is_empty() {
                return None;
            }
            for i in p.integ.iter().filter(|i| **i != IntegId::NONE) {
                transforms.push(transform(TransformType::INTEG, i.0, None));
            }
            if with_ke {
                let list: Vec<_> =
                    p.ke.iter()
                        .filter(|m| **m == KeMethod::NONE || ke::is_supported(**m))
                        .collect();
                if list.iter().any(|m| **m != KeMethod::NONE) {
                    for m in list {
                        transforms.push(transform(TransformType::KE, m.0, None));
                    }
                }
            }
            for esn in esn_list(p) {
                let id = if esn { EsnId::ESN } else { EsnId::NO_ESN };
                transforms.push(transform(TransformType::ESN, id.0, None));
            }
            Some(Proposal {
                number,
                protocol,
                spi: spi.0.to_be_bytes().to_vec().into(),
                transforms,
            })
        })
        .collect();
    SaPayload { proposals }
}

fn esn_list(p: &ChildProposal) -> Vec<bool> {
    if p.esn.is_empty() {
        vec![false]
    } else {
        p.esn.clone()
    }
}

/// SA payload with the one chosen proposal.
pub(crate) fn answer_ike(chosen: &ChosenIke, spi: Option<Spi>) -> SaPayload<'static> {
    let (encr, bits) = chosen.suite.cipher.encr();
    let mut transforms = vec![
        transform(TransformType::ENCR, encr.0, bits),
        transform(TransformType::PRF, chosen.suite.prf.id().0, None),
    ];
    if !chosen.suite.cipher.is_aead() {
        transforms.push(transform(
            TransformType::INTEG,
            chosen.suite.cipher.integ().0,
            None,
        ));
    }
    transforms.push(transform(TransformType::KE, chosen.suite.ke.0, None));
    SaPayload {
        proposals: vec![Proposal {
            number: chosen.number,
            protocol: ProtocolId::IKE,
            spi: spi.map(|s| s.0.to_vec()).unwrap_or_default().into(),
            transforms,
        }],
    }
}

/// The same for a child.
pub(crate) fn answer_child(chosen: &ChosenChild, spi: ChildSpi) -> SaPayload<'static> {
    let (encr, bits) = chosen.suite.cipher.encr();
    let mut transforms = vec![transform(TransformType::ENCR, encr.0, bits)];
    if !chosen.suite.cipher.is_aead() {
        transforms.push(transform(
            TransformType::INTEG,
            chosen.suite.cipher.integ().0,
            None,
        ));
    }
    if let Some(m) = chosen.ke {
        transforms.push(transform(TransformType::KE, m.0, None));
    }
    let esn = if chosen.suite.esn {
        EsnId::ESN
    } else {
        EsnId::NO_ESN
    };
    transforms.push(transform(TransformType::ESN, esn.0, None));
    SaPayload {
        proposals: vec![Proposal {
            number: chosen.number,
            protocol: chosen.suite.protocol,
            spi: spi.0.to_be_bytes().to_vec().into(),
            transforms,
        }],
    }
}

/// The transforms of one kind a peer offers, without those that carry unknown attributes.
fn offered(p: &Proposal<'_>, kind: TransformType) -> Vec<(u16, Option<u16>)> {
    p.transforms
        .iter()
        .filter(|t| t.kind == kind)
        .filter_map(|t| key_bits(t).map(|bits| (t.id, bits)))
        .collect()
}

fn has(p: &Proposal<'_>, kind: TransformType) -> bool {
    p.transforms.iter().any(|t| t.kind == kind)
}

/// A transform type that did not meet, with both sides for people.
type Miss = (TransformType, String);

fn miss(kind: TransformType, theirs: &[(u16, Option<u16>)], ours: &[(u16, Option<u16>)]) -> Miss {
    let list = |l: &[(u16, Option<u16>)]| {
        if l.is_empty() {
            return "none".to_owned();
        }
        let mut names: Vec<_> = l
            .iter()
            .take(MAX_NAMED)
            .map(|(id, bits)| {
                let name = match kind {
                    TransformType::ENCR => EncrId(*id).to_string(),
                    TransformType::PRF => ike_wire::PrfId(*id).to_string(),
                    TransformType::INTEG => IntegId(*id).to_string(),
                    TransformType::ESN => EsnId(*id).to_string(),
                    _ => KeMethod(*id).to_string(),
                };
                bits.map_or_else(|| name.clone(), |b| format!("{name}-{b}"))
            })
            .collect();
        if l.len() > MAX_NAMED {
            names.push("…".to_owned());
        }
        names.join(",")
    };
    (
        kind,
        format!("offered {}, configured {}", list(theirs), list(ours)),
    )
}

/// Picks the first of ours that is offered.
fn pick(
    p: &Proposal<'_>,
    kind: TransformType,
    ours: &[(u16, Option<u16>)],
) -> Result<(u16, Option<u16>), Miss> {
    let theirs = offered(p, kind);
    ours.iter()
        .copied()
        .find(|t| theirs.contains(t))
        .ok_or_else(|| miss(kind, &theirs, ours))
}

fn pick_cipher(
    p: &Proposal<'_>,
    encr: &[(EncrId, Option<u16>)],
    integ: &[IntegId],
) -> Result<Cipher, Miss> {
    let ours: Vec<_> = encr
        .iter()
        .filter(|e| cipher_usable(**e, integ))
        .map(|e| (e.0.0, e.1))
        .collect();
    let (id, bits) = pick(p, TransformType::ENCR, &ours)?;
    let theirs = offered(p, TransformType::INTEG);
    if is_aead(EncrId(id)) {
        //= rfc7296#3.3: an AEAD goes without integrity algorithm, or with NONE
        if has(p, TransformType::INTEG) && !theirs.contains(&(IntegId::NONE.0, None)) {
            return Err(miss(
                TransformType::INTEG,
                &theirs,
                &[(IntegId::NONE.0, None)],
            ));
        }
        return Cipher::from_transforms(EncrId(id), bits, None)
            .ok_or_else(|| miss(TransformType::ENCR, &[(id, bits)], &ours));
    }
    let ours: Vec<_> = integ.iter().map(|i| (i.0, None)).collect();
    let (mac, _) = pick(p, TransformType::INTEG, &ours)?;
    Cipher::from_transforms(EncrId(id), bits, Some(IntegId(mac)))
        .ok_or_else(|| miss(TransformType::INTEG, &theirs, &ours))
}

/// Additional key exchanges must be declinable, and unknown transform types are refused.
fn no_more(p: &Proposal<'_>) -> Result<(), Miss> {
    for t in &p.transforms {
        let known = matches!(
            t.kind,
            TransformType::ENCR
                | TransformType::PRF
                | TransformType::INTEG
                | TransformType::KE
                | TransformType::ESN
        );
        if known {
            continue;
        }
        //= rfc7296#3.3.6: a proposal with an unknown transform type is refused
        let theirs = offered(p, t.kind);
        let additional = (TransformType::ADDKE1..=TransformType::ADDKE7).contains(&t.kind);
        if !additional || !theirs.contains(&(KeMethod::NONE.0, None)) {
            return Err(miss(t.kind, &theirs, &[]));
        }
    }
    Ok(())
}

fn meet_ike(p: &Proposal<'_>, ours: &IkeProposal) -> Result<IkeSuite, Miss> {
    no_more(p)?;
    if !plain(&ours.additional_ke) {
        return Err(miss(
            TransformType::ADDKE1,
            &offered(p, TransformType::ADDKE1),
            &[],
        ));
    }
    let cipher = pick_cipher(p, &ours.encr, &ours.integ)?;
    let prfs: Vec<_> = ours
        .prf
        .iter()
        .filter(|f| Prf::from_id(**f).is_some())
        .map(|f| (f.0, None))
        .collect();
    let (prf, _) = pick(p, TransformType::PRF, &prfs)?;
    let kes: Vec<_> = methods(&ours.ke).iter().map(|m| (m.0, None)).collect();
    let (method, _) = pick(p, TransformType::KE, &kes)?;
    Ok(IkeSuite {
        cipher,
        prf: Prf::from_id(ike_wire::PrfId(prf))
            .ok_or_else(|| miss(TransformType::PRF, &[], &prfs))?,
        ke: KeMethod(method),
    })
}

fn meet_child(
    p: &Proposal<'_>,
    ours: &ChildProposal,
    with: ChildKe<'_>,
) -> Result<(Cipher, bool, Option<KeMethod>), Miss> {
    no_more(p)?;
    let cipher = pick_cipher(p, &ours.encr, &ours.integ)?;
    let none = (KeMethod::NONE.0, None);
    let method = match with {
        ChildKe::Ignored => None,
        ChildKe::Negotiated(brought) => {
            let theirs = offered(p, TransformType::KE);
            let mut list: Vec<_> = ours
                .ke
                .iter()
                .filter(|m| **m == KeMethod::NONE || ke::is_supported(**m))
                .map(|m| (m.0, None))
                .collect();
            if list.iter().all(|m| *m == none) {
                list = vec![none];
                list.extend(methods(brought).iter().map(|m| (m.0, None)));
            }
            if theirs.is_empty() && !has(p, TransformType::KE) {
                if !list.contains(&none) {
                    return Err(miss(TransformType::KE, &theirs, &list));
                }
                None
            } else {
                let (m, _) = pick(p, TransformType::KE, &list)?;
                (m != KeMethod::NONE.0).then_some(KeMethod(m))
            }
        }
    };
    let esn: Vec<_> = esn_list(ours)
        .iter()
        .map(|e| (if *e { EsnId::ESN.0 } else { EsnId::NO_ESN.0 }, None))
        .collect();
    let chosen = if has(p, TransformType::ESN) {
        pick(p, TransformType::ESN, &esn)?.0
    } else if esn.contains(&(EsnId::NO_ESN.0, None)) {
        EsnId::NO_ESN.0
    } else {
        return Err(miss(TransformType::ESN, &[], &esn));
    };
    Ok((cipher, chosen == EsnId::ESN.0, method))
}

fn mismatch(offered: u8, configured: usize, miss: Miss) -> ProposalMismatch {
    ProposalMismatch {
        offered,
        configured: u8::try_from(configured.saturating_add(1)).unwrap_or(u8::MAX),
        kind: miss.0,
        detail: miss.1,
    }
}

/// Notes a mismatch, as long as they can still be read by people.
pub(crate) fn note(list: &mut Vec<ProposalMismatch>, mismatch: ProposalMismatch) {
    if list.len() < MAX_MISMATCHES {
        list.push(mismatch);
    }
}

/// The proposals for a protocol, as many as any honest peer sends: a stranger's message can
/// hold thousands, each to be compared with each of ours.
fn looked_at<'a, 'b>(
    offer: &'a SaPayload<'b>,
    protocol: ProtocolId,
) -> impl Iterator<Item = &'a Proposal<'b>> {
    offer
        .proposals
        .iter()
        .filter(move |p| p.protocol == protocol)
        .take(MAX_PROPOSALS)
}

/// Proposals of an offer that are looked at.
const MAX_PROPOSALS: usize = 64;
/// Mismatches remembered for people.
const MAX_MISMATCHES: usize = 16;
/// Transforms of one type named for people.
const MAX_NAMED: usize = 12;

/// Chooses an IKE proposal; `spi` says whether one of 8 octets must be there (rekey).
pub(crate) fn choose_ike(
    ours: &[IkeProposal],
    offer: &SaPayload<'_>,
    rekey: bool,
) -> Result<ChosenIke, Reason> {
    let mut mismatches = Vec::new();
    for (index, own) in ours.iter().enumerate() {
        for p in looked_at(offer, ProtocolId::IKE) {
            let spi = <[u8; 8]>::try_from(&*p.spi).ok().map(Spi);
            if rekey && spi.is_none_or(|s| s == Spi::ZERO) {
                continue;
            }
            match meet_ike(p, own) {
                Ok(suite) => {
                    return Ok(ChosenIke {
                        number: p.number,
                        suite,
                        spi,
                    });
                }
                Err(m) => note(&mut mismatches, mismatch(p.number, index, m)),
            }
        }
    }
    Err(Reason::NoProposalChosen {
        protocol: ProtocolId::IKE,
        mismatches,
    })
}

/// Chooses a child proposal.
pub(crate) fn choose_child(
    ours: &[ChildProposal],
    protocol: ProtocolId,
    offer: &SaPayload<'_>,
    with: ChildKe<'_>,
) -> Result<ChosenChild, Reason> {
    let mut mismatches = Vec::new();
    for (index, own) in ours.iter().enumerate() {
        for p in looked_at(offer, protocol) {
            let Ok(spi) = <[u8; 4]>::try_from(&*p.spi).map(u32::from_be_bytes) else {
                continue;
            };
            if spi < 256 {
                continue;
            }
            match meet_child(p, own, with) {
                Ok((cipher, esn, method)) => {
                    return Ok(ChosenChild {
                        number: p.number,
                        suite: ChildSuite {
                            protocol,
                            cipher,
                            esn,
                        },
                        spi: ChildSpi(spi),
                        ke: method,
                    });
                }
                Err(m) => note(&mut mismatches, mismatch(p.number, index, m)),
            }
        }
    }
    Err(Reason::NoProposalChosen {
        protocol,
        mismatches,
    })
}

/// One proposal, one transform of each type.
fn single<'a, 'b>(answer: &'a SaPayload<'b>) -> Result<&'a Proposal<'b>, Reason> {
    let [p] = answer.proposals.as_slice() else {
        return Err(Reason::InvalidSyntax(
            "an answer must hold one proposal".into(),
        ));
    };
    //= rfc7296#3.3: a responder answers with exactly one transform of each type
    for (i, t) in p.transforms.iter().enumerate() {
        if p.transforms
            .iter()
            .skip(i.saturating_add(1))
            .any(|u| u.kind == t.kind)
        {
            return Err(Reason::InvalidSyntax(
                "an answer must hold one transform of each type".into(),
            ));
        }
    }
    Ok(p)
}

/// Checks the answer to [`offer_ike`].
pub(crate) fn check_ike(
    ours: &[IkeProposal],
    answer: &SaPayload<'_>,
    rekey: bool,
) -> Result<ChosenIke, Reason> {
    let p = single(answer)?;
    let index = usize::from(p.number).checked_sub(1);
    match index.and_then(|i| ours.get(i)) {
        Some(own) => choose_ike(core::slice::from_ref(own), answer, rekey),
        None => Err(Reason::InvalidSyntax(
            "the answer's proposal was not offered".into(),
        )),
    }
}

/// Checks the answer to [`offer_child`].
pub(crate) fn check_child(
    ours: &[ChildProposal],
    protocol: ProtocolId,
    answer: &SaPayload<'_>,
    with: ChildKe<'_>,
) -> Result<ChosenChild, Reason> {
    let p = single(answer)?;
    let index = usize::from(p.number).checked_sub(1);
    match index.and_then(|i| ours.get(i)) {
        Some(own) => choose_child(core::slice::from_ref(own), protocol, answer, with),
        None => Err(Reason::InvalidSyntax(
            "the answer's proposal was not offered".into(),
        )),
    }
}

/// Whether one of the proposals could have led to this suite.
pub(crate) fn allows(ours: &[IkeProposal], suite: &IkeSuite) -> bool {
    let encr = suite.cipher.encr();
    ours.iter().any(|p| {
        plain(&p.additional_ke)
            && p.encr.contains(&encr)
            && p.prf.contains(&suite.prf.id())
            && p.ke.contains(&suite.ke)
            && (suite.cipher.is_aead() || p.integ.contains(&suite.cipher.integ()))
    })
}

#[cfg(test)]
mod tests;
