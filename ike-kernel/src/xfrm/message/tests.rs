#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::xfrm::algorithm::algorithms;
use crate::xfrm::policy::Template;
use ike_crypto::{Cipher, Integ, Secret};

/// Octets in lines of 16 with their offset; lines of zeros are left out.
fn dump(octets: &[u8]) -> String {
    let lines = octets.chunks(16).enumerate();
    lines
        .filter(|(_, line)| line.iter().any(|b| *b != 0))
        .map(|(i, line)| {
            let hex: String = line.iter().map(|b| format!("{b:02x}")).collect();
            format!("{:3} {hex}\n", i * 16)
        })
        .chain([format!("{:3} end\n", octets.len())])
        .collect()
}

fn check(octets: &[u8], expected: &str) {
    let dumped = dump(octets);
    assert!(dumped == expected, "is:\n{dumped}expected:\n{expected}");
}

fn sa<'s>(algorithms: &'s [Algorithm<'s>]) -> Sa<'s> {
    Sa {
        id: SaId {
            dst: "192.0.2.2".parse().unwrap(),
            spi: 0x0102_0304,
            protocol: 50,
        },
        src: "192.0.2.1".parse().unwrap(),
        reqid: 0x696b_0001,
        mode: MODE_TUNNEL,
        esn: true,
        replay_window: 64,
        encap: Some((4500, 4501)),
        packet_limits: None,
        algorithms,
    }
}

#[test]
fn an_aead_sa_with_esn_in_udp() {
    let keys = (Secret::new((1..=20).collect()), Secret::new(vec![]));
    let algorithms = algorithms(Cipher::AesGcm16 { key_bits: 128 }, &keys);
    check(&new_sa(&sa(&algorithms)), AEAD_SA);
}

#[test]
fn a_cbc_sa_without_esn_over_ipv6_with_limits() {
    let cipher = Cipher::AesCbc {
        key_bits: 128,
        integ: Integ::HmacSha2_256_128,
    };
    let keys = (Secret::new(vec![0xaa; 16]), Secret::new(vec![0xbb; 32]));
    let algorithms = algorithms(cipher, &keys);
    let mut sa = sa(&algorithms);
    sa.id.dst = "2001:db8::2".parse().unwrap();
    sa.src = "2001:db8::1".parse().unwrap();
    sa.esn = false;
    sa.replay_window = 32;
    sa.encap = None;
    sa.packet_limits = Some((0xf000_0000, 0xffff_ff00));
    check(&new_sa(&sa), CBC_SA);
}

fn selector() -> Selector {
    let prefix = |addr: &str, len| Prefix {
        addr: addr.parse().unwrap(),
        len,
    };
    Selector {
        src: prefix("10.1.0.0", 24),
        dst: prefix("10.2.0.0", 16),
        src_port: (0, 0),
        dst_port: (443, 0xffff),
        protocol: 6,
    }
}

#[test]
fn a_policy_with_a_template_and_one_that_blocks() {
    let template = Template {
        src: "192.0.2.1".parse().unwrap(),
        dst: "192.0.2.2".parse().unwrap(),
        spi: 0x0102_0304,
        protocol: 50,
        reqid: 0x696b_0001,
        mode: MODE_TUNNEL,
    };
    let mut policy = Policy {
        priority: 0x1234,
        action: Action::Protect(template),
    };
    let body = new_policy(Direction::Out, &selector(), &policy);
    check(&body, POLICY);
    assert_eq!(
        read_policy(&body),
        Some((Direction::Out, selector(), 0x1234))
    );
    policy.action = Action::Block;
    let block = new_policy(Direction::Forward, &selector(), &policy);
    assert_eq!(block.len(), 168);
    assert_eq!((block[160], block[161]), (2, 1));
    check(&policy_id(Direction::In, &selector()), POLICY_ID);
}

#[test]
fn what_was_written_is_read_back_and_moves_with_its_keys() {
    let keys = (Secret::new((1..=20).collect()), Secret::new(vec![]));
    let algorithms = algorithms(Cipher::AesGcm16 { key_bits: 128 }, &keys);
    let sa = sa(&algorithms);
    let body = new_sa(&sa);
    let state = read_sa(&body).unwrap();
    assert_eq!((state.id, state.reqid), (sa.id, sa.reqid));
    let (src, dst) = (
        "2001:db8::7".parse().unwrap(),
        "2001:db8::8".parse().unwrap(),
    );
    let moved = moved_sa(&body, src, dst, None).unwrap();
    let mut expected = self::sa(&algorithms);
    (expected.src, expected.id.dst, expected.encap) = (src, dst, None);
    check(&moved, &dump(&new_sa(&expected)));
    assert_eq!(moved_sa(&body[..200], src, dst, None), None);
}

#[test]
fn events_are_read_and_short_ones_are_not() {
    let mut acquire = vec![0; 40];
    put_selector(&mut acquire, &selector());
    acquire.resize(280, 0);
    assert_eq!(
        read_event(ACQUIRE, &acquire),
        Some(Notice::Acquire(selector()))
    );
    let mut expire = new_sa(&sa(&[])).get(..SA_LEN).unwrap().to_vec();
    expire.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    let spi = 0x0102_0304;
    assert_eq!(
        read_event(EXPIRE, &expire),
        Some(Notice::Expire { spi, hard: true })
    );
    let mut mapping = sa_id(&sa(&[]).id);
    mapping.extend([0; 4]);
    put_address(&mut mapping, "192.0.2.1".parse().unwrap());
    put_address(&mut mapping, "203.0.113.9".parse().unwrap());
    mapping.extend(4500_u16.to_be_bytes());
    mapping.extend(1024_u16.to_be_bytes());
    let peer = "203.0.113.9:1024".parse().unwrap();
    assert_eq!(
        read_event(MAPPING, &mapping),
        Some(Notice::Mapping { spi, peer })
    );
    for (kind, body) in [
        (ACQUIRE, &acquire[..90]),
        (EXPIRE, &expire[..224]),
        (MAPPING, &mapping[..63]),
    ] {
        assert_eq!(read_event(kind, body), None);
    }
    assert_eq!(read_event(0x99, &acquire), None);
}

/// Outer addresses at 56 and 80, reqid, family, mode and flags at 208, then attributes.
const AEAD_SA: &str = concat!(
    " 48 0000000000000000c000020200000000\n",
    " 64 00000000000000000102030432000000\n",
    " 80 c0000201000000000000000000000000\n",
    " 96 ffffffffffffffffffffffffffffffff\n",
    "112 ffffffffffffffffffffffffffffffff\n",
    "208 01006b6902000100a000000000000000\n",
    "224 60001200726663343130362867636d28\n",
    "240 61657329290000000000000000000000\n",
    "288 00000000a00000008000000001020304\n",
    "304 05060708090a0b0c0d0e0f1011121314\n",
    "320 24001700020000000000000000000000\n",
    "336 00000000000000004000000000000000\n",
    "352 000000001c0004000200119411950000\n",
    "384 end\n",
);
/// The same with two algorithms, a small replay window in the structure, and packet limits at 112.
const CBC_SA: &str = concat!(
    " 48 000000000000000020010db800000000\n",
    " 64 00000000000000020102030432000000\n",
    " 80 20010db8000000000000000000000001\n",
    " 96 ffffffffffffffffffffffffffffffff\n",
    "112 000000f00000000000ffffff00000000\n",
    "208 01006b690a0001202000000000000000\n",
    "224 58000200636263286165732900000000\n",
    "288 0000000080000000aaaaaaaaaaaaaaaa\n",
    "304 aaaaaaaaaaaaaaaa6c001400686d6163\n",
    "320 28736861323536290000000000000000\n",
    "368 00000000000000000000000000010000\n",
    "384 80000000bbbbbbbbbbbbbbbbbbbbbbbb\n",
    "400 bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n",
    "416 bbbbbbbb\n",
    "420 end\n",
);
/// Selector, lifetimes, priority at 152, direction at 160, then the template.
const POLICY: &str = concat!(
    "  0 0a020000000000000000000000000000\n",
    " 16 0a010000000000000000000000000000\n",
    " 32 01bbffff000000000200101806000000\n",
    " 48 0000000000000000ffffffffffffffff\n",
    " 64 ffffffffffffffffffffffffffffffff\n",
    " 80 ffffffffffffffff0000000000000000\n",
    "144 00000000000000003412000000000000\n",
    "160 010000000000000044000500c0000202\n",
    "176 00000000000000000000000001020304\n",
    "192 3200000002000000c000020100000000\n",
    "208 000000000000000001006b6901000000\n",
    "224 ffffffffffffffffffffffff\n",
    "236 end\n",
);
/// Selector, index, direction.
const POLICY_ID: &str = concat!(
    "  0 0a020000000000000000000000000000\n",
    " 16 0a010000000000000000000000000000\n",
    " 32 01bbffff000000000200101806000000\n",
    " 64 end\n",
);
