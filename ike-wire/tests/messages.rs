//! Whole messages: known octets both ways, and one malformed message per cause.
#![allow(clippy::unwrap_used)]

use hex_literal::hex;
use ike_wire::payload::*;
use ike_wire::*;

const SA_INIT: [u8; 150] = hex!(
    "010203040506070800000000000000002120220800000000000000962200002800000024010100030300000c01000014800e01000300000802000005000000080400001f28000028001f00002fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b742900001400112233445566778899aabbccddeeff290000080000402e0000000e0000402f000200030004"
);

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

#[test]
fn an_ike_sa_init_request_is_shown_as_it_is() {
    let message = Message::decode(&SA_INIT).unwrap();
    assert_eq!(message.header.exchange, ExchangeType::IKE_SA_INIT);
    assert_eq!(message.header.spi_i, Spi([1, 2, 3, 4, 5, 6, 7, 8]));
    assert!(message.header.flags.initiator && !message.header.flags.response);
    let proposal = &message.sa().unwrap().proposals[0];
    assert_eq!(proposal.protocol, ProtocolId::IKE);
    assert_eq!(
        proposal.transforms[0],
        Transform::new(TransformType::ENCR, 20, Some(256))
    );
    assert_eq!(proposal.transforms[0].key_bits(), Some(256));
    assert_eq!(message.ke().unwrap().method, KeMethod::CURVE25519);
    assert_eq!(message.nonce().unwrap().len(), 16);
    let hashes = message
        .notify(NotifyType::SIGNATURE_HASH_ALGORITHMS)
        .unwrap();
    assert_eq!(*hashes.data, [0, 2, 0, 3, 0, 4]);
    assert_eq!(encoded(&message), SA_INIT);
}

#[test]
fn a_delete_of_child_sas_is_written_with_its_lengths() {
    let flags = Flags {
        initiator: true,
        response: true,
        ..Flags::default()
    };
    let header = Header::new(
        Spi([1; 8]),
        Spi([2; 8]),
        ExchangeType::INFORMATIONAL,
        flags,
        MessageId(7),
    );
    let delete = Delete::Child(ProtocolId::ESP, vec![ChildSpi(0xc0ff_ee01)]);
    let message = Message {
        header,
        payloads: vec![delete.into()],
    };
    let octets =
        hex!("010101010101010102020202020202022a202528000000070000002800 00000c03040001c0ffee01");
    assert_eq!(encoded(&message), octets);
}

fn request(payloads: Vec<Payload<'_>>) -> Message<'_> {
    Message {
        header: Header::new(
            Spi([1; 8]),
            Spi::ZERO,
            ExchangeType::IKE_SA_INIT,
            Flags::default(),
            MessageId(0),
        ),
        payloads,
    }
}

#[test]
fn what_does_not_fit_its_field_is_refused_and_nothing_is_written() {
    let refused = |body: Body<'_>| {
        let mut out = vec![1, 2, 3];
        let error = request(vec![body.into()]).try_encode(&mut out).unwrap_err();
        assert_eq!(out, [1, 2, 3]);
        error.what
    };
    let transform = || Transform::new(TransformType::ENCR, 12, None);
    let proposal = Proposal::ike(1, (0..256).map(|_| transform()).collect());
    let sa = SaPayload {
        proposals: vec![proposal],
    };
    assert_eq!(refused(Body::Sa(sa)), "transforms");
    assert_eq!(refused(Body::Nonce(vec![0; 65532].into())), "payload");
    let ts: ike_ts::TrafficSelector = "10.0.0.0/8".parse().unwrap();
    assert_eq!(refused(Body::TsI(vec![ts.into(); 256])), "selectors");
    let notify = Notify {
        spi: vec![0; 256].into(),
        ..Notify::new(NotifyType::COOKIE, vec![])
    };
    assert_eq!(refused(notify.into()), "SPI");
    let delete = Delete::Other(ProtocolId::IKE, 8, vec![vec![0; 7]]);
    assert_eq!(refused(delete.into()), "SPI");
    let mut out = Vec::new();
    assert!(
        request(vec![Body::Nonce(vec![0; 65531].into()).into()])
            .try_encode(&mut out)
            .is_ok()
    );
    assert_eq!(Message::decode(&out).unwrap().nonce().unwrap().len(), 65531);
}

#[test]
fn a_sealed_length_that_does_not_fit_is_refused() {
    let header = request(vec![]).header;
    let sk = SkKind::Sk {
        next: PayloadType::NONCE,
    };
    let mut out = Vec::new();
    assert!(encode_sk_prefix(&header, &[], sk, 65532, &mut out).is_err());
    assert!(out.is_empty());
    assert_eq!(encode_sk_prefix(&header, &[], sk, 65531, &mut out), Ok(32));
}

//= rfc3948#2.2: four zero octets where ESP has its SPI mark an IKE message
//= rfc3948#2.3: a keepalive is a single octet 0xff
#[test]
fn datagrams_are_told_apart_by_port_and_marker() {
    let ike = |octets| Datagram::Ike(octets);
    assert_eq!(classify(&[0, 0, 0, 0, 1, 2], true), ike(&[1, 2]));
    assert_eq!(
        classify(&[0, 0, 0, 0, 1, 2], false),
        ike(&[0, 0, 0, 0, 1, 2])
    );
    assert_eq!(classify(&[0xff], true), Datagram::Keepalive);
    assert_eq!(classify(&[0xff], false), ike(&[0xff]));
    let esp = [0, 0, 1, 0, 0, 0, 0, 1, 9];
    assert_eq!(classify(&esp, true), Datagram::Esp(ChildSpi(256), &esp));
    for junk in [&[][..], &[0], &[0, 0, 0], &[0xff, 0xff], &[1, 2, 3, 4, 5]] {
        assert_eq!(classify(junk, true), Datagram::Junk, "{junk:?}");
    }
    assert_eq!(classify(&[], false), Datagram::Junk);
    assert_eq!(classify(&[0, 0, 0, 0], true), ike(&[]));
}

#[test]
fn names_are_those_of_the_registries() {
    assert_eq!(ExchangeType(34).to_string(), "IKE_SA_INIT");
    assert_eq!(NotifyType(40000).to_string(), "NotifyType(40000)");
    assert!(NotifyType::NO_PROPOSAL_CHOSEN.is_error() && !NotifyType::COOKIE.is_error());
    let error = Message::decode(&[0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "shorter than an IKE header at octet 0 in NONE"
    );
}

//= rfc7296#2.5: an unknown payload is skipped, unless it is critical
#[test]
fn an_unknown_critical_payload_is_found_and_others_are_skipped() {
    let unknown = |kind, critical| Payload {
        critical,
        body: Body::Unknown(PayloadType(kind), vec![].into()),
    };
    let message = request(vec![unknown(200, false), unknown(201, true)]);
    assert_eq!(message.unknown_critical(), Some(PayloadType(201)));
    assert_eq!(message.payloads[..1].unknown_critical(), None);
}

#[test]
fn a_message_is_shown_to_people_as_a_tree() {
    let shown = Message::decode(&SA_INIT).unwrap().pretty().to_string();
    let expected = "\
IKE_SA_INIT request, message ID 0, from the original initiator, 150 octets
  initiator SPI 0102030405060708, responder SPI 0000000000000000, version 2.0
  SA
    proposal 1, protocol IKE
      ENCR AES_GCM_16 256 bits
      PRF HMAC_SHA2_256
      KE CURVE25519
  KE method CURVE25519, data 2fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b74
  NONCE data 00112233445566778899aabbccddeeff
  NOTIFY type IKEV2_FRAGMENTATION_SUPPORTED
  NOTIFY type SIGNATURE_HASH_ALGORITHMS: SHA2_256 SHA2_384 SHA2_512
";
    assert_eq!(shown, expected);
}

#[test]
fn every_payload_is_shown_and_terminal_controls_are_not() {
    let ts = |text: &str| Selector::Ip(text.parse().unwrap());
    let invalid = hex!("0a0000090a000001");
    let payloads = vec![
        Body::IdI(Identification::new(IdType::FQDN, &b"gw\".example.org"[..])),
        Body::IdR(Identification::new(
            IdType::RFC822_ADDR,
            &b"\x1b[31mred"[..],
        )),
        Body::IdR(Identification::new(IdType::IPV4_ADDR, vec![192, 0, 2, 1])),
        Body::Cert(CertPayload::new(
            CertEncoding::X509_SIGNATURE,
            vec![0x30; 40],
        )),
        Body::CertReq(CertPayload::new(CertEncoding::X509_SIGNATURE, vec![])),
        Body::Auth(AuthPayload::new(AuthMethod::SHARED_KEY_MIC, vec![1, 2])),
        Notify::child(NotifyType::REKEY_SA, ProtocolId::ESP, ChildSpi(0xc0ff_ee01)).into(),
        Notify::new(NotifyType::INVALID_KE_PAYLOAD, vec![0, 19]).into(),
        Notify::new(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![200]).into(),
        Delete::IkeSa.into(),
        Delete::Child(ProtocolId::ESP, vec![ChildSpi(1), ChildSpi(2)]).into(),
        Delete::Other(ProtocolId::IKE, 2, vec![vec![1, 2]]).into(),
        Body::VendorId(b"strange"[..].into()),
        Body::TsI(vec![
            ts("10.0.0.0/24[tcp/443]"),
            Selector::Invalid(TsType::IPV4_ADDR_RANGE, 6, 1, 2, invalid[..].into()),
            Selector::Other(TsType::SECLABEL, 0, b"label"[..].into()),
        ]),
        ConfigPayload {
            kind: CfgType::REPLY,
            attributes: vec![
                (CfgAttr::INTERNAL_IP4_ADDRESS, vec![10, 0, 0, 1].into()),
                (
                    CfgAttr::INTERNAL_IP4_SUBNET,
                    vec![10, 0, 0, 0, 255, 0, 0, 0].into(),
                ),
                (
                    CfgAttr::INTERNAL_IP6_SUBNET,
                    [&[0; 15][..], &[1, 128]].concat().into(),
                ),
                (CfgAttr::INTERNAL_IP4_DNS, vec![].into()),
                (CfgAttr::APPLICATION_VERSION, b"iked"[..].into()),
            ],
        }
        .into(),
        EapPayload {
            code: 1,
            identifier: 2,
            data: vec![1].into(),
        }
        .into(),
        Body::Unknown(PayloadType(200), vec![9].into()),
    ];
    let chain = Chain {
        payloads: payloads.into_iter().map(Payload::from).collect(),
    };
    let expected = "  \
  IDI type FQDN, data \"gw\\\".example.org\"
  IDR type RFC822_ADDR, data 1b5b33316d726564
  IDR type IPV4_ADDR, data 192.0.2.1
  CERT encoding X509_SIGNATURE, data 3030303030303030303030303030303030303030303030303030303030303030... (40 octets)
  CERTREQ encoding X509_SIGNATURE, data empty
  AUTH method SHARED_KEY_MIC, data 0102
  NOTIFY type REKEY_SA, protocol ESP, SPI c0ffee01
  NOTIFY type INVALID_KE_PAYLOAD: ECP256
  NOTIFY type UNSUPPORTED_CRITICAL_PAYLOAD: PayloadType(200)
  DELETE protocol IKE, this IKE SA
  DELETE protocol ESP, SPIs 00000001 00000002
  DELETE protocol IKE, SPIs of 2, 0102
  VENDOR_ID data \"strange\"
  TSI
    10.0.0.0/24[tcp/443]
    IPV4_ADDR_RANGE protocol 6, ports 1-2, 10.0.0.9-10.0.0.1: start after end
    SECLABEL protocol 0, data 6c6162656c
  CP type REPLY
    INTERNAL_IP4_ADDRESS 10.0.0.1
    INTERNAL_IP4_SUBNET 10.0.0.0 mask 255.0.0.0
    INTERNAL_IP6_SUBNET ::1/128
    INTERNAL_IP4_DNS
    APPLICATION_VERSION \"iked\"
  EAP code 1, identifier 2, data 01
  PayloadType(200) data 09
";
    assert_eq!(chain.pretty().to_string(), expected);
}

//= rfc7296#3.3.6: a transform with an attribute that is not understood is not chosen
#[test]
fn only_a_single_key_length_is_an_attribute_that_is_understood() {
    let with = |attributes: &[Attribute<'static>]| Transform {
        attributes: attributes.to_vec(),
        ..Transform::new(TransformType::ENCR, 20, None)
    };
    let length = Attribute::Value(AttributeType::KEY_LENGTH, 128);
    assert!(!with(&[]).has_unknown_attributes());
    assert!(!with(core::slice::from_ref(&length)).has_unknown_attributes());
    assert!(with(&[length.clone(), length]).has_unknown_attributes());
    assert!(with(&[Attribute::Value(AttributeType(15), 128)]).has_unknown_attributes());
    let variable = Attribute::Data(AttributeType::KEY_LENGTH, vec![0, 128].into());
    assert!(with(core::slice::from_ref(&variable)).has_unknown_attributes());
    assert_eq!(with(&[variable]).key_bits(), None);
}
