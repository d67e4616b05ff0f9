//! Messages as trees for programs.
#![allow(clippy::unwrap_used)]

use hex_literal::hex;
use ike_wire::payload::*;
use ike_wire::*;
use serde_json::json;

#[test]
fn an_initial_request_has_all_its_fields_by_name() {
    let octets = hex!(
        "010203040506070800000000000000002120220800000000000000962200002800000024010100030300000c
         01000014800e01000300000802000005000000080400001f28000028001f00002fe57da347cd62431528daac
         5fbb290730fff684afc4cfc2ed90995f58cb3b742900001400112233445566778899aabbccddeeff29000008
         0000402e0000000e0000402f000200030004"
    );
    let message = Message::decode(&octets).unwrap();
    // As text, since the order of the fields is part of it.
    let expected = concat!(
        r#"{"header":{"spi_i":"0102030405060708","spi_r":"0000000000000000","major":2,"minor":0,"#,
        r#""exchange":34,"initiator":true,"version":false,"response":false,"message_id":0,"#,
        r#""length":150},"payloads":[{"type":33,"critical":false,"proposals":[{"number":1,"#,
        r#""protocol":1,"spi":"","transforms":[{"type":1,"id":20,"attributes":[{"type":14,"#,
        r#""value":256}]},{"type":2,"id":5,"attributes":[]},{"type":4,"id":31,"attributes":[]}]}]},"#,
        r#"{"type":34,"critical":false,"group":31,"#,
        r#""data":"2fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b74"},"#,
        r#"{"type":40,"critical":false,"data":"00112233445566778899aabbccddeeff"},"#,
        r#"{"type":41,"critical":false,"protocol":0,"notify_type":16430,"spi":"","data":""},"#,
        r#"{"type":41,"critical":false,"protocol":0,"notify_type":16431,"spi":"","#,
        r#""data":"000200030004"}]}"#
    );
    assert_eq!(serde_json::to_string(&message.tree()).unwrap(), expected);
}

#[test]
fn every_payload_has_its_fields() {
    let ts = |text: &str| Selector::Ip(text.parse().unwrap());
    let backwards = hex!("0a0000090a000001");
    let bodies: Vec<Body<'_>> = vec![
        Body::IdI(Identification::new(IdType::FQDN, &b"gw"[..])),
        Body::Cert(CertPayload::new(CertEncoding::X509_SIGNATURE, vec![0x30])),
        Body::Auth(AuthPayload::new(AuthMethod::SHARED_KEY_MIC, vec![1])),
        Body::VendorId(b"v"[..].into()),
        Delete::IkeSa.into(),
        Delete::Child(ProtocolId::ESP, vec![ChildSpi(0xc0ff_ee01)]).into(),
        Delete::Other(ProtocolId::IKE, 2, vec![vec![1, 2]]).into(),
        Body::TsI(vec![
            ts("10.0.0.0/24[tcp/443]"),
            ts("2001:db8::1/128"),
            Selector::Invalid(TsType::IPV4_ADDR_RANGE, 6, 1, 2, backwards[..].into()),
            Selector::Other(TsType::SECLABEL, 0, b"l"[..].into()),
        ]),
        Body::Sk(Encrypted {
            next: PayloadType::IDI,
            data: vec![1].into(),
        }),
        Body::Skf(EncryptedFragment {
            next: PayloadType::NONE,
            number: 2,
            total: 3,
            data: vec![1].into(),
        }),
        Body::Cp(ConfigPayload {
            kind: CfgType::REQUEST,
            attributes: vec![(CfgAttr::INTERNAL_IP4_DNS, vec![].into())],
        }),
        Body::Eap(EapPayload {
            code: 1,
            identifier: 2,
            data: vec![3].into(),
        }),
        Body::Unknown(PayloadType(200), vec![9].into()),
        Body::Sa(SaPayload {
            proposals: vec![Proposal {
                number: 1,
                protocol: ProtocolId::ESP,
                spi: vec![1, 2, 3, 4].into(),
                transforms: vec![Transform {
                    kind: TransformType::ESN,
                    id: 0,
                    attributes: vec![Attribute::Data(AttributeType(15), vec![7].into())],
                }],
            }],
        }),
    ];
    let mut payloads: Vec<Payload<'_>> = bodies.into_iter().map(Payload::from).collect();
    payloads[12].critical = true;
    let expected = json!([
        {"type": 35, "critical": false, "id_type": 2, "data": "6777"},
        {"type": 37, "critical": false, "encoding": 4, "data": "30"},
        {"type": 39, "critical": false, "method": 2, "data": "01"},
        {"type": 43, "critical": false, "data": "76"},
        {"type": 42, "critical": false, "protocol": 1, "spi_size": 0, "spis": []},
        {"type": 42, "critical": false, "protocol": 3, "spi_size": 4, "spis": ["c0ffee01"]},
        {"type": 42, "critical": false, "protocol": 1, "spi_size": 2, "spis": ["0102"]},
        {"type": 44, "critical": false, "selectors": [
            {"ts_type": 7, "protocol": 6, "start_port": 443, "end_port": 443,
             "start": "0a000000", "end": "0a0000ff"},
            {"ts_type": 8, "protocol": 0, "start_port": 0, "end_port": 65535,
             "start": "20010db8000000000000000000000001", "end": "20010db8000000000000000000000001"},
            {"ts_type": 7, "protocol": 6, "start_port": 1, "end_port": 2,
             "start": "0a000009", "end": "0a000001"},
            {"ts_type": 10, "protocol": 0, "data": "6c"},
        ]},
        {"type": 46, "critical": false, "next": 35, "data": "01"},
        {"type": 53, "critical": false, "fragment": 2, "total": 3, "next": 0, "data": "01"},
        {"type": 47, "critical": false, "cfg_type": 1, "attributes": [{"type": 3, "data": ""}]},
        {"type": 48, "critical": false, "code": 1, "identifier": 2, "data": "03"},
        {"type": 200, "critical": true, "data": "09"},
        {"type": 33, "critical": false, "proposals": [
            {"number": 1, "protocol": 3, "spi": "01020304", "transforms": [
                {"type": 5, "id": 0, "attributes": [{"type": 15, "data": "07"}]},
            ]},
        ]},
    ]);
    let tree = serde_json::to_value(Chain { payloads }.tree()).unwrap();
    assert_eq!(tree, expected);
}
