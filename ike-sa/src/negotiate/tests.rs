use super::*;
use ike_wire::PrfId;

fn ike(encr: &[(EncrId, Option<u16>)], integ: &[IntegId]) -> IkeProposal {
    IkeProposal {
        encr: encr.to_vec(),
        integ: integ.to_vec(),
        prf: vec![PrfId::HMAC_SHA2_256],
        ke: vec![KeMethod::CURVE25519],
        additional_ke: Vec::new(),
    }
}

fn esp(ke: &[KeMethod], esn: &[bool]) -> ChildProposal {
    ChildProposal {
        encr: vec![(EncrId::AES_GCM_16, Some(256))],
        integ: Vec::new(),
        ke: ke.to_vec(),
        additional_ke: Vec::new(),
        esn: esn.to_vec(),
    }
}

const GCM: (EncrId, Option<u16>) = (EncrId::AES_GCM_16, Some(256));
const CBC: (EncrId, Option<u16>) = (EncrId::AES_CBC, Some(256));
const SPI: ChildSpi = ChildSpi(0x1234);
const PROTOCOL: ProtocolId = ProtocolId::ESP;

#[test]
fn our_order_decides_not_the_peers() {
    let ours = [ike(&[CBC], &[IntegId::HMAC_SHA2_256_128]), ike(&[GCM], &[])];
    let theirs = [ike(&[GCM], &[]), ike(&[CBC], &[IntegId::HMAC_SHA2_256_128])];
    let chosen = choose_ike(&ours, &offer_ike(&theirs, None), false).unwrap();
    assert_eq!(chosen.suite.cipher.encr(), CBC);
    assert_eq!(chosen.number, 2, "the peer's number");
    let answer = answer_ike(&chosen, None);
    let checked = check_ike(&theirs, &answer, false).unwrap();
    assert_eq!(checked.suite, chosen.suite);
}

#[test]
fn key_lengths_must_be_equal() {
    let ours = [ike(&[(EncrId::AES_GCM_16, Some(128))], &[])];
    let offer = offer_ike(&[ike(&[GCM], &[])], None);
    let Err(Reason::NoProposalChosen { mismatches, .. }) = choose_ike(&ours, &offer, false) else {
        panic!();
    };
    assert_eq!(mismatches[0].kind, TransformType::ENCR);
    assert_eq!(
        mismatches[0].detail,
        "offered AES_GCM_16-256, configured AES_GCM_16-128"
    );
}

#[test]
fn an_aead_with_integrity_none_is_tolerated_and_with_a_real_one_refused() {
    let ours = [ike(&[GCM], &[])];
    let with = |id: IntegId| {
        let mut offer = offer_ike(&ours, None);
        offer.proposals[0]
            .transforms
            .push(transform(TransformType::INTEG, id.0, None));
        choose_ike(&ours, &offer, false)
    };
    assert!(with(IntegId::NONE).is_ok());
    assert!(with(IntegId::HMAC_SHA2_256_128).is_err());
}

#[test]
fn unknown_transform_types_and_attributes_make_a_proposal_unusable() {
    let ours = [ike(&[GCM], &[])];
    let mut offer = offer_ike(&ours, None);
    offer.proposals[0]
        .transforms
        .push(transform(TransformType(77), 1, None));
    assert!(choose_ike(&ours, &offer, false).is_err());
    let mut offer = offer_ike(&ours, None);
    offer.proposals[0].transforms[0]
        .attributes
        .push(Attribute::Value(AttributeType(99), 1));
    assert!(choose_ike(&ours, &offer, false).is_err());
}

#[test]
fn additional_key_exchanges_must_be_declinable() {
    let ours = [ike(&[GCM], &[])];
    let mut offer = offer_ike(&ours, None);
    let add = |offer: &mut SaPayload<'static>, m: KeMethod| {
        offer.proposals[0]
            .transforms
            .push(transform(TransformType::ADDKE1, m.0, None));
    };
    add(&mut offer, KeMethod::ML_KEM_768);
    assert!(choose_ike(&ours, &offer, false).is_err());
    add(&mut offer, KeMethod::NONE);
    assert!(choose_ike(&ours, &offer, false).is_ok());
}

#[test]
fn a_rekey_needs_an_spi_of_eight_octets() {
    let ours = [ike(&[GCM], &[])];
    assert!(choose_ike(&ours, &offer_ike(&ours, None), true).is_err());
    assert!(choose_ike(&ours, &offer_ike(&ours, Some(Spi::ZERO)), true).is_err());
    let spi = Spi([1; 8]);
    let chosen = choose_ike(&ours, &offer_ike(&ours, Some(spi)), true).unwrap();
    assert_eq!(chosen.spi, Some(spi));
}

#[test]
fn an_answer_holds_one_proposal_that_was_offered_with_one_transform_of_each_type() {
    let two = [ike(&[GCM, CBC], &[IntegId::HMAC_SHA2_256_128])];
    assert!(check_ike(&two, &offer_ike(&two, None), false).is_err());
    let ours = [ike(&[GCM], &[])];
    let good = offer_ike(&ours, None);
    assert!(check_ike(&ours, &good, false).is_ok());
    let mut other = good;
    other.proposals[0].number = 2;
    assert!(check_ike(&ours, &other, false).is_err());
}

#[test]
fn in_ike_auth_key_exchange_does_not_matter() {
    let ours = [esp(&[KeMethod::CURVE25519], &[false])];
    let offer = offer_child(&ours, PROTOCOL, SPI, false);
    let chosen = choose_child(&ours, PROTOCOL, &offer, ChildKe::Ignored).unwrap();
    assert_eq!(chosen.ke, None);
}

#[test]
fn pfs_demanded_is_not_dropped() {
    let ours = [esp(&[KeMethod::CURVE25519], &[false])];
    let without = offer_child(&[esp(&[], &[false])], PROTOCOL, SPI, true);
    let result = choose_child(&ours, PROTOCOL, &without, ChildKe::Negotiated(&[]));
    let Err(Reason::NoProposalChosen { mismatches, .. }) = result else {
        panic!();
    };
    assert_eq!(mismatches[0].kind, TransformType::KE);
}

#[test]
fn pfs_brought_by_the_peer_is_taken_where_none_is_configured() {
    let ours = [esp(&[], &[false])];
    let with = offer_child(
        &[esp(&[KeMethod::CURVE25519], &[false])],
        PROTOCOL,
        SPI,
        true,
    );
    let known = [KeMethod::CURVE25519];
    let chosen = choose_child(&ours, PROTOCOL, &with, ChildKe::Negotiated(&known)).unwrap();
    assert_eq!(chosen.ke, Some(KeMethod::CURVE25519));
    assert!(choose_child(&ours, PROTOCOL, &with, ChildKe::Negotiated(&[])).is_err());
}

#[test]
fn extended_sequence_numbers_are_negotiated_and_absence_is_no() {
    let both = [esp(&[], &[true, false])];
    let only = [esp(&[], &[true])];
    let offer = offer_child(&both, PROTOCOL, SPI, false);
    let chosen = choose_child(&only, PROTOCOL, &offer, ChildKe::Ignored).unwrap();
    assert!(chosen.suite.esn);
    let mut silent = offer;
    silent.proposals[0]
        .transforms
        .retain(|t| t.kind != TransformType::ESN);
    assert!(choose_child(&only, PROTOCOL, &silent, ChildKe::Ignored).is_err());
    let chosen = choose_child(&both, PROTOCOL, &silent, ChildKe::Ignored).unwrap();
    assert!(!chosen.suite.esn);
}

#[test]
fn reserved_spis_and_other_protocols_are_not_taken() {
    let ours = [esp(&[], &[false])];
    let reserved = offer_child(&ours, PROTOCOL, ChildSpi(255), false);
    assert!(choose_child(&ours, PROTOCOL, &reserved, ChildKe::Ignored).is_err());
    let ah = offer_child(&ours, ProtocolId::AH, SPI, false);
    assert!(choose_child(&ours, PROTOCOL, &ah, ChildKe::Ignored).is_err());
}
