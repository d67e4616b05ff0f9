//! Whole messages: known octets both ways, and one malformed message per cause.
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
