//! One malformed message per cause: that it is refused, why and where.
use crate::DecodeErrorKind::*;
use crate::{Chain, DecodeError, DecodeErrorKind, Message, PayloadType};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// An exhaustive match, so that a new cause does not compile without a place in [`ALL`].
macro_rules! all {
    ($($kind:ident),* $(,)?) => {
        const ALL: &[DecodeErrorKind] = &[$($kind),*];
        const fn _exhaustive(kind: DecodeErrorKind) {
            match kind { $($kind => {})* }
        }
    };
}
all!(
    ShortHeader,
    WrongLength,
    MajorVersion,
    ShortPayload,
    PayloadOverrun,
    TrailingOctets,
    SkNotLast,
    SkInside,
    NoProposal,
    ProposalLength,
    MoreProposals,
    TransformLength,
    MoreTransforms,
    TransformCount,
    AttributeLength,
    SpiSize,
    SpiCount,
    SelectorLength,
    SelectorCount,
    CfgAttributeLength,
    EapLength,
    FragmentNumber,
);

/// Payload type, chain from octet 28 on, cause, octet where the structure at fault begins.
const CASES: &[(u8, &str, DecodeErrorKind, usize)] = &[
    // Generic header: a length below 4, beyond the message, no octets where KE is announced.
    (40, "00000003", ShortPayload, 28),
    (40, "000000050102", TrailingOctets, 33),
    (40, "0000000601", PayloadOverrun, 28),
    (40, "22000004", PayloadOverrun, 32),
    (40, "22000004000000", PayloadOverrun, 32),
    (34, "", PayloadOverrun, 28),
    (0, "00", TrailingOctets, 28),
    // Fixed parts.
    (34, "00000007 001f00", ShortPayload, 32),
    (35, "00000007 010000", ShortPayload, 32),
    (36, "00000004", ShortPayload, 32),
    (37, "00000004", ShortPayload, 32),
    (38, "00000004", ShortPayload, 32),
    (39, "00000007 020000", ShortPayload, 32),
    (41, "00000007 000040", ShortPayload, 32),
    (42, "00000007 010000", ShortPayload, 32),
    (44, "00000007 000000", ShortPayload, 32),
    (45, "00000006 0000", ShortPayload, 32),
    (47, "00000007 010000", ShortPayload, 32),
    (48, "00000007 010100", ShortPayload, 32),
    (53, "00000007 000100", ShortPayload, 32),
    // SA.
    (33, "00000004", NoProposal, 32),
    (33, "0000000b 00000008010100", ProposalLength, 32),
    (33, "0000000c 0000000701010000", ProposalLength, 32),
    (33, "0000000c 0000000901010000", ProposalLength, 32),
    (33, "0000000c 0200000801010000", MoreProposals, 32),
    (33, "0000000c 0100000801010000", MoreProposals, 32),
    (
        33,
        "00000014 0000000801010000 0000000802010000",
        MoreProposals,
        32,
    ),
    (33, "0000000c 0000000801010400", SpiSize, 40),
    (
        33,
        "00000013 0000000f01010001 00000008010000",
        TransformLength,
        40,
    ),
    (
        33,
        "00000014 0000001001010001 0000000701000000",
        TransformLength,
        40,
    ),
    (
        33,
        "00000014 0000001001010001 0000000901000000",
        TransformLength,
        40,
    ),
    (
        33,
        "00000014 0000001001010001 0300000801000014",
        MoreTransforms,
        40,
    ),
    (
        33,
        "0000001c 0000001801010002 0000000801000014 0000000802000005",
        MoreTransforms,
        40,
    ),
    (
        33,
        "00000014 0000001001010002 0000000801000014",
        TransformCount,
        32,
    ),
    (33, "0000000c 0000000801010001", TransformCount, 32),
    (
        33,
        "00000014 0000001001010000 0000000801000014",
        TransformCount,
        32,
    ),
    (
        33,
        "00000017 0000001301010001 0000000b01000014800e01",
        AttributeLength,
        48,
    ),
    (
        33,
        "00000018 0000001401010001 0000000c01000014000e0001",
        AttributeLength,
        48,
    ),
    // Notify and Delete.
    (41, "0000000b 03044000 010203", SpiSize, 36),
    (42, "0000000c 03040002 01020304", SpiCount, 32),
    (42, "0000000d 03040001 0102030405", SpiCount, 32),
    (42, "00000008 01000001", SpiCount, 32),
    // Traffic selectors.
    (44, "0000000b 01000000 070000", SelectorLength, 36),
    (44, "0000000c 01000000 07000003", SelectorLength, 36),
    (44, "0000000c 01000000 09000005", SelectorLength, 36),
    (
        44,
        "00000017 01000000 0700000f 0000ffff 0a000000 0a0000",
        SelectorLength,
        36,
    ),
    (
        44,
        "00000019 01000000 07000011 0000ffff 0a000000 0a000001 00",
        SelectorLength,
        36,
    ),
    (
        45,
        "00000018 01000000 08000010 0000ffff 0a000000 0a000001",
        SelectorLength,
        36,
    ),
    (
        45,
        "00000018 02000000 07000010 0000ffff 0a000000 0a000001",
        SelectorCount,
        32,
    ),
    (
        45,
        "00000018 00000000 07000010 0000ffff 0a000000 0a000001",
        SelectorCount,
        32,
    ),
    (45, "00000008 01000000", SelectorCount, 32),
    // Configuration, EAP.
    (47, "0000000b 01000000 000100", CfgAttributeLength, 36),
    (47, "0000000d 01000000 0001000200", CfgAttributeLength, 36),
    (48, "0000000a 01010005 0101", EapLength, 32),
    (48, "0000000a 01010007 0101", EapLength, 32),
    // SK, SKF: the place is the payload, its generic header included.
    (46, "28000005 00 0000000500", SkNotLast, 28),
    (53, "28000009 00010001 00 0000000500", SkNotLast, 28),
    (53, "00000008 00000001", FragmentNumber, 32),
    (53, "00000008 00020001", FragmentNumber, 32),
    (53, "00000008 00000000", FragmentNumber, 32),
];

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| *b != b' ').collect();
    let digit = |d: u8| (d as char).to_digit(16).unwrap() as u8;
    digits
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

fn message(first: u8, chain: &[u8]) -> Vec<u8> {
    let mut message = alloc::vec![1; 16];
    message.extend_from_slice(&[first, 0x20, 37, 0x08, 0, 0, 0, 2]);
    message.extend_from_slice(&u32::try_from(28 + chain.len()).unwrap().to_be_bytes());
    message.extend_from_slice(chain);
    message
}

//= rfc7296#3.3.1: 0 if this is the last proposal, 2 if more follow
//= rfc7296#3.3.2: 0 if this is the last transform, 3 if more follow
//= rfc7296#3.14: SK is the last payload, its next-payload field is about the inside
//= rfc7383#2.5: fragments are numbered from 1 to the total
#[test]
fn every_malformed_structure_is_refused_with_its_place_and_cause() {
    for &(first, chain, kind, offset) in CASES {
        let message = message(first, &octets(chain));
        let error = Message::decode(&message).expect_err(chain);
        assert_eq!(error.kind, kind, "payload {first}: {chain}");
        assert_eq!(error.offset, offset, "payload {first}: {chain}");
        let payload_named = error.within != PayloadType::NONE;
        assert_eq!(
            payload_named,
            kind != TrailingOctets,
            "payload {first}: {chain}"
        );
    }
}

#[test]
fn every_cause_has_a_malformed_message() {
    let elsewhere = [ShortHeader, WrongLength, MajorVersion, SkInside];
    let seen: BTreeSet<_> = CASES.iter().map(|case| case.2).chain(elsewhere).collect();
    let all: BTreeSet<_> = ALL.iter().copied().collect();
    assert_eq!(seen, all);
}

//= rfc7296#2.5: a message of a higher major version is not processed
#[test]
fn the_faults_of_a_header_are_named() {
    let good = message(0, &[]);
    assert!(Message::decode(&good).is_ok());
    let header = |kind, offset| {
        Err(DecodeError {
            kind,
            offset,
            within: PayloadType::NONE,
        })
    };
    for short in 0..28 {
        assert_eq!(Message::decode(&good[..short]), header(ShortHeader, 0));
    }
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(Message::decode(&longer), header(WrongLength, 24));
    for major in [0u8, 1, 3, 15] {
        let mut other = good.clone();
        other[17] = major << 4;
        assert_eq!(Message::decode(&other), header(MajorVersion, 17));
        assert_eq!(crate::Header::decode(&other).unwrap().major, major);
    }
}

#[test]
fn an_encrypted_payload_inside_another_is_refused() {
    for kind in [PayloadType::SK, PayloadType::SKF] {
        let nested = octets("00000009 0001000100");
        let error = Chain::decode(kind, &nested).unwrap_err();
        assert_eq!(
            (error.kind, error.offset, error.within),
            (SkInside, 0, kind)
        );
        let mut second = octets("00000008 01020304");
        second[0] = kind.0;
        second.extend_from_slice(&nested);
        let error = Chain::decode(PayloadType::NONCE, &second).unwrap_err();
        assert_eq!(
            (error.kind, error.offset, error.within),
            (SkInside, 8, kind)
        );
    }
}

#[test]
fn what_is_odd_but_well_formed_is_shown() {
    let chains: &[(u8, &str)] = &[
        (200, "00000005ff"),
        (200, "00800004"),
        (40, "00000004"),
        (33, "0000000c 0000000800ff0000"),
        (33, "00000010 0000000c00ff0400 deadbeef"),
        (33, "00000014 0000001001010001 00000008ff00ffff"),
        (33, "00000018 0000001401010001 0000000c01000014 000e0000"),
        (34, "00000008 ffff0000"),
        (41, "00000008 ff00ffff"),
        (42, "00000008 03040000"),
        (42, "00000008 03000000"),
        (42, "00000010 01080001 0102030405060708"),
        (42, "0000000a 63010002 0102"),
        (44, "00000008 00000000"),
        (44, "00000018 01000000 07000010 00020001 0a000009 0a000001"),
        (44, "00000018 01000000 07000010 ffff0000 0a000001 0a000001"),
        (44, "0000000c 01000000 0a000004"),
        (46, "63000004"),
        (47, "00000008 ff000000"),
        (47, "0000000c 01000000 7fff0000"),
        (48, "00000008 ffff0004"),
        (53, "00000008 00010001"),
    ];
    for &(first, chain) in chains {
        let message = message(first, &octets(chain));
        let decoded = Message::decode(&message).expect(chain);
        let mut again = Vec::new();
        decoded.encode(&mut again);
        assert_eq!(again, message, "payload {first}: {chain}");
    }
}

//= rfc7296#3.1: reserved flag bits are zero when sent and ignored when received
#[test]
fn reserved_bits_are_ignored_and_sent_as_zero() {
    let mut octets = message(
        33,
        &octets("287f0014 00ff001001010001 00ff000801ff0014 00000004"),
    );
    octets[17] = 0x2f; // minor version 15 is kept
    octets[19] = 0xff;
    let decoded = Message::decode(&octets).unwrap();
    let mut again = Vec::new();
    decoded.encode(&mut again);
    assert_eq!(again[17], 0x2f);
    assert_eq!(again[19], 0x38);
    assert_eq!(
        again[28..],
        self::octets("28000014 0000001001010001 0000000801000014 00000004")
    );
}
