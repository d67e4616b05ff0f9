use super::super::packet::tests::{v4, v6};
use super::super::packet::{TCP, UDP, checksum, parse};
use super::*;
use ike_crypto::{ChildSuite, Cipher, Integ, Secret};
use ike_ts::{AddrRange, PortRange, TrafficSelector};
use ike_wire::ChildSpi;

const GCM: Cipher = Cipher::AesGcm16 { key_bits: 128 };
const CBC: Cipher = Cipher::AesCbc {
    key_bits: 256,
    integ: Integ::HmacSha2_384_192,
};

fn net(text: &str, len: u8) -> TrafficSelector {
    TrafficSelector::any_protocol(AddrRange::from_prefix(text.parse().unwrap(), len).unwrap())
}

fn keys(cipher: Cipher, seed: u8) -> (Secret, Secret) {
    (
        Secret::new(vec![seed; cipher.encr_key_len()]),
        Secret::new(vec![seed; cipher.integ_key_len()]),
    )
}

/// The left end (or, mirrored, the right one) of child `id`.
fn sa(id: u64, cipher: Cipher, esn: bool, left: bool) -> ChildSa {
    let spi = |side: u32| ChildSpi(side * 0x1000 + id as u32);
    let (spi_in, spi_out) = if left {
        (spi(1), spi(2))
    } else {
        (spi(2), spi(1))
    };
    let (mut keys_in, mut keys_out) = (keys(cipher, 1 + id as u8), keys(cipher, 101 + id as u8));
    let (mut local, mut peer) = (
        "192.0.2.1:4500".parse().unwrap(),
        "192.0.2.2:4500".parse().unwrap(),
    );
    let flow = |a, b| if left { (a, b) } else { (b, a) };
    if !left {
        std::mem::swap(&mut keys_in, &mut keys_out);
        std::mem::swap(&mut local, &mut peer);
    }
    ChildSa {
        id,
        policy: "gw".into(),
        child: "gw".into(),
        suite: ChildSuite {
            protocol: ProtocolId::ESP,
            cipher,
            esn,
        },
        mode: Mode::Tunnel,
        spi_in,
        spi_out,
        keys_in,
        keys_out,
        local,
        peer,
        udp_encap: true,
        flows: vec![
            flow(net("10.1.0.0", 16), net("10.2.0.0", 16)),
            flow(net("2001:db8:1::", 48), net("2001:db8:2::", 48)),
        ],
        replaces: None,
        outbound: Outbound::Now,
    }
}

fn core() -> Core {
    Core::new(PlaneConfig::default())
}

fn pair(cipher: Cipher, esn: bool) -> (Core, Core) {
    let (mut left, mut right) = (core(), core());
    left.install(sa(1, cipher, esn, true)).unwrap();
    right.install(sa(1, cipher, esn, false)).unwrap();
    (left, right)
}

/// Sends one packet: what appears on the wire, and the answer to the sender.
fn send(core: &mut Core, packet: &[u8]) -> (Option<Vec<u8>>, Vec<u8>) {
    let mut outbox = Outbox::new();
    let mut reply = Vec::new();
    let Some((parsed, id)) = core.route(packet) else {
        return (None, reply);
    };
    core.seal(id, &parsed, [packet, &[]], &mut outbox, &mut reply);
    let child = &core.children[&id];
    let sealed = outbox.queue(&child.outer(0)).buf.clone();
    ((!sealed.is_empty()).then_some(sealed), reply)
}

fn receive(core: &mut Core, wire: &[u8], tos: u8) -> Option<Vec<u8>> {
    let peer = core.children.values().next().unwrap().peer;
    core.open(&mut wire.to_vec(), peer, true, tos)
        .map(|p| p.to_vec())
}

fn dropped(core: &Core, name: &str) -> u64 {
    core.drops().find(|(n, _)| *n == name).unwrap().1
}

fn ping() -> Vec<u8> {
    v4(
        [10, 1, 0, 7],
        [10, 2, 0, 9],
        packet::ICMP,
        &[8, 0, 1, 2, 3, 4, 5, 6],
    )
}

fn pong() -> Vec<u8> {
    v4(
        [10, 2, 0, 9],
        [10, 1, 0, 7],
        packet::ICMP,
        &[0, 0, 1, 2, 3, 4, 5, 6],
    )
}

#[test]
fn packets_pass_both_ways_with_every_cipher_and_are_counted() {
    for cipher in [GCM, CBC, Cipher::ChaCha20Poly1305] {
        for esn in [false, true] {
            let (mut left, mut right) = pair(cipher, esn);
            for packet in [ping(), v6("2001:db8:1::1", "2001:db8:2::1", UDP, &[1; 300])] {
                let wire = send(&mut left, &packet).0.unwrap();
                assert_ne!(wire.len(), packet.len());
                assert_eq!(receive(&mut right, &wire, 0), Some(packet.clone()));
                assert_eq!(receive(&mut right, &wire, 0), None, "a replay");
            }
            let wire = send(&mut right, &pong()).0.unwrap();
            assert_eq!(receive(&mut left, &wire, 0), Some(pong()));
            let counters = left.counters(1).unwrap();
            assert_eq!((counters.packets_out, counters.bytes_out), (2, 28 + 340));
            assert_eq!((counters.packets_in, counters.bytes_in), (1, 28));
            assert_eq!(dropped(&right, "in_replayed"), 2);
            assert_eq!(left.counters_moved(), [(1, counters)]);
            assert_eq!(left.counters_moved(), []);
        }
    }
}

#[test]
fn inner_packets_outside_the_selectors_are_dropped_at_both_ends() {
    let (mut left, mut right) = pair(GCM, false);
    let foreign = v4([10, 1, 0, 7], [10, 3, 0, 9], UDP, &[0; 8]);
    assert_eq!(send(&mut left, &foreign).0, None);
    assert_eq!(dropped(&left, "out_no_flow"), 1);
    // An end that does not keep to what was negotiated.
    let child = left.children.get_mut(&1).unwrap();
    child.flows = vec![(net("0.0.0.0", 0), net("0.0.0.0", 0))];
    left.rebuild();
    for (src, dst) in [
        ([10, 1, 0, 7], [10, 3, 0, 9]),
        ([10, 9, 0, 7], [10, 2, 0, 9]),
        ([10, 2, 0, 9], [10, 1, 0, 7]),
    ] {
        let wire = send(&mut left, &v4(src, dst, UDP, &[0; 8])).0.unwrap();
        assert_eq!(receive(&mut right, &wire, 0), None);
    }
    assert_eq!(dropped(&right, "in_selectors"), 3);
    let wire = send(&mut left, &ping()).0.unwrap();
    assert_eq!(receive(&mut right, &wire, 0), Some(ping()));
}

#[test]
fn a_replacement_takes_over_without_losing_a_packet() {
    let (mut left, mut right) = pair(GCM, false);
    let in_flight = send(&mut left, &ping()).0.unwrap();
    // The responder of the rekey installs its new child deferred.
    let mut new = sa(2, GCM, false, false);
    new.replaces = Some(1);
    new.outbound = Outbound::Deferred;
    right.install(new).unwrap();
    let spi = |wire: &[u8]| esp::header(wire).unwrap().0;
    assert_eq!(spi(&send(&mut right, &pong()).0.unwrap()), 0x1001);
    // The initiator sends with it at once.
    let mut new = sa(2, GCM, false, true);
    new.replaces = Some(1);
    left.install(new).unwrap();
    let first = send(&mut left, &ping()).0.unwrap();
    assert_eq!(spi(&first), 0x2002);
    assert_eq!(receive(&mut right, &first, 0), Some(ping()));
    assert_eq!(receive(&mut right, &in_flight, 0), Some(ping()));
    right.activate(2).unwrap();
    let late = send(&mut right, &pong()).0.unwrap();
    assert_eq!(spi(&late), 0x1002);
    left.remove(1);
    right.remove(1);
    assert_eq!(receive(&mut left, &late, 0), Some(pong()));
    assert_eq!(receive(&mut right, &in_flight, 0), None);
    assert_eq!(dropped(&right, "in_unknown_spi"), 1);
}

#[test]
fn a_replacement_that_is_given_up_leaves_the_old_child_sending() {
    let (mut left, _) = pair(GCM, false);
    let mut new = sa(2, GCM, false, true);
    new.replaces = Some(1);
    left.install(new).unwrap();
    left.remove(2);
    let wire = send(&mut left, &ping()).0.unwrap();
    assert_eq!(esp::header(&wire).unwrap().0, 0x2001);
}

#[test]
fn numbers_are_never_used_twice() {
    let (mut left, _) = pair(GCM, false);
    left.children.get_mut(&1).unwrap().number_out = u64::from(u32::MAX) - 1;
    assert!(send(&mut left, &ping()).0.is_some());
    assert!(send(&mut left, &ping()).0.is_none());
    assert!(send(&mut left, &ping()).0.is_none());
    assert_eq!(dropped(&left, "out_numbers_exhausted"), 2);
    let events: Vec<_> = left.events.drain(..).collect();
    assert_eq!(
        events,
        [
            Event::Expired { id: 1, hard: false },
            Event::Expired { id: 1, hard: true }
        ]
    );
}

#[test]
fn extended_numbers_go_on_beyond_32_bits() {
    let (mut left, mut right) = pair(CBC, true);
    let so_far = u64::from(u32::MAX) - 3;
    left.children.get_mut(&1).unwrap().number_out = so_far;
    right.children.get_mut(&1).unwrap().window.accept(so_far);
    for _ in 0..8 {
        let wire = send(&mut left, &ping()).0.unwrap();
        assert_eq!(receive(&mut right, &wire, 0), Some(ping()));
    }
    assert_eq!(left.children[&1].number_out, (1 << 32) + 4);
}

#[test]
fn packets_too_big_are_answered_if_they_must_not_be_fragmented() {
    let config = PlaneConfig {
        outer_mtu: 1300,
        tun_mtu: 1400,
    };
    let mut left = Core::new(config);
    left.install(sa(1, GCM, false, true)).unwrap();
    let limit = left.children[&1].inner_mtu;
    let fits = v4([10, 1, 0, 7], [10, 2, 0, 9], UDP, &vec![0; limit - 20]);
    let wire = send(&mut left, &fits).0.unwrap();
    assert!(wire.len() + 28 <= 1300, "{}", wire.len());
    let mut big = v4([10, 1, 0, 7], [10, 2, 0, 9], UDP, &vec![0; limit - 19]);
    let (wire, reply) = send(&mut left, &big);
    assert_eq!(wire, None);
    assert_eq!(u16::from_be_bytes([reply[26], reply[27]]), limit as u16);
    big[6] = 0;
    assert!(
        send(&mut left, &big).0.is_some(),
        "may be fragmented outside"
    );
    // IPv6 inside is never told less than 1280.
    let v6_big = v6("2001:db8:1::1", "2001:db8:2::1", UDP, &[0; 1280 - 40]);
    assert!(send(&mut left, &v6_big).0.is_some());
    let v6_big = v6("2001:db8:1::1", "2001:db8:2::1", UDP, &[0; 1281 - 40]);
    let (wire, reply) = send(&mut left, &v6_big);
    assert_eq!(wire, None);
    assert_eq!(u32::from_be_bytes(reply[44..48].try_into().unwrap()), 1280);
}

#[test]
fn congestion_seen_outside_is_told_inside() {
    let cases = [
        (0, 0, Some(0)),
        (0, 3, None),
        (1, 3, Some(3)),
        (2, 3, Some(3)),
        (2, 1, Some(1)),
        (1, 2, Some(1)),
        (3, 0, Some(3)),
    ];
    for (inner, outer, expected) in cases {
        let (mut left, mut right) = pair(GCM, false);
        let mut packet = ping();
        packet::set_ecn(&mut packet, inner);
        let wire = send(&mut left, &packet).0.unwrap();
        let got = receive(&mut right, &wire, outer);
        assert_eq!(
            got.as_ref().map(|p| p[1] & 3),
            expected,
            "{inner} in {outer}"
        );
        if let Some(packet) = got {
            assert_eq!(checksum(0, &packet[..20]), 0);
        }
    }
}

/// Seals by hand what our own sender never sends.
fn seal_raw(number: u64, next: u8, payload: &[u8]) -> Vec<u8> {
    let (encr, integ) = keys(GCM, 101 + 1);
    let keys = CipherKeys::new(GCM, &encr, &integ).unwrap();
    let mut wire = Vec::new();
    let iv = number.to_be_bytes();
    esp::seal(
        &keys,
        0x2001,
        number,
        false,
        &iv,
        (next, [payload, &[]]),
        &mut wire,
    )
    .unwrap();
    wire
}

#[test]
fn dummies_and_padding_for_traffic_flow_confidentiality_are_taken_away() {
    let (_, mut right) = pair(GCM, false);
    assert_eq!(
        receive(&mut right, &seal_raw(1, esp::NEXT_NONE, &[0; 99]), 0),
        None
    );
    assert_eq!(dropped(&right, "in_dummy"), 1);
    let mut padded = ping();
    padded.extend([0; 700]);
    let wire = seal_raw(2, esp::NEXT_IPV4, &padded);
    assert_eq!(receive(&mut right, &wire, 0), Some(ping()));
    // The trailer must say what is inside.
    for (number, next) in [(3, esp::NEXT_IPV6), (4, TCP), (5, 0)] {
        assert_eq!(
            receive(&mut right, &seal_raw(number, next, &ping()), 0),
            None
        );
    }
    assert_eq!(dropped(&right, "in_malformed"), 3);
}

#[test]
fn a_changed_address_is_told_once_and_only_for_new_authentic_packets() {
    let (mut left, mut right) = pair(GCM, false);
    let elsewhere = "203.0.113.5:1024".parse().unwrap();
    let mut wires: Vec<_> = (0..4)
        .map(|_| send(&mut left, &ping()).0.unwrap())
        .collect();
    let mut forged = wires[3].clone();
    *forged.last_mut().unwrap() ^= 1;
    assert!(right.open(&mut forged, elsewhere, true, 0).is_none());
    assert!(right.events.is_empty());
    assert!(receive(&mut right, &wires[2].clone(), 0).is_some());
    // Late, so it may have been held back by somebody.
    assert!(right.open(&mut wires[0], elsewhere, true, 0).is_some());
    assert!(right.events.is_empty());
    assert!(right.open(&mut wires[3], elsewhere, true, 0).is_some());
    let mut again = send(&mut left, &ping()).0.unwrap();
    assert!(right.open(&mut again, elsewhere, true, 0).is_some());
    let events: Vec<_> = right.events.drain(..).collect();
    assert_eq!(
        events,
        [Event::MappingChanged {
            id: 1,
            peer: elsewhere
        }]
    );
    let local = "192.0.2.2:4500".parse().unwrap();
    right.update(1, local, elsewhere, true).unwrap();
    let mut next = send(&mut left, &ping()).0.unwrap();
    assert!(right.open(&mut next, elsewhere, true, 0).is_some());
    assert!(right.events.is_empty());
}

#[test]
fn a_blocked_flow_without_child_is_dropped_and_told_once_a_second() {
    let mut left = core();
    left.block(Block {
        policy: "gw".into(),
        child: "gw".into(),
        flows: vec![(net("10.1.0.0", 16), net("10.2.0.0", 16))],
    });
    for _ in 0..5 {
        assert_eq!(send(&mut left, &ping()).0, None);
    }
    let events: Vec<_> = left.events.drain(..).collect();
    let [Event::Acquire { policy, packet, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(policy, "gw");
    assert_eq!(packet.unwrap().dst, "10.2.0.9".parse::<IpAddr>().unwrap());
    assert_eq!(dropped(&left, "out_no_child"), 5);
    left.install(sa(1, GCM, false, true)).unwrap();
    assert!(send(&mut left, &ping()).0.is_some());
    left.remove(1);
    assert_eq!(send(&mut left, &ping()).0, None);
    left.unblock("gw");
    assert_eq!(send(&mut left, &ping()).0, None);
    assert_eq!(dropped(&left, "out_no_flow"), 1);
}

#[test]
fn the_narrower_flow_wins_whatever_the_order() {
    let dns = TrafficSelector {
        protocol: UDP,
        ports: PortRange::single(53),
        addrs: AddrRange::from_prefix("10.2.0.0".parse().unwrap(), 16).unwrap(),
    };
    for narrow_first in [true, false] {
        let mut left = core();
        let mut narrow = sa(3, GCM, false, true);
        narrow.flows = vec![(net("10.1.0.0", 16), dns)];
        let wide = sa(4, GCM, false, true);
        let (first, second) = if narrow_first {
            (narrow, wide)
        } else {
            (wide, narrow)
        };
        left.install(first).unwrap();
        left.install(second).unwrap();
        let query = v4(
            [10, 1, 0, 7],
            [10, 2, 0, 9],
            UDP,
            &[9, 9, 0, 53, 0, 8, 0, 0],
        );
        let other = v4(
            [10, 1, 0, 7],
            [10, 2, 0, 9],
            UDP,
            &[9, 9, 0, 54, 0, 8, 0, 0],
        );
        let id = |core: &mut Core, packet: &[u8]| core.route(packet).unwrap().1;
        assert_eq!((id(&mut left, &query), id(&mut left, &other)), (3, 4));
        assert_eq!((id(&mut left, &query), id(&mut left, &query)), (3, 3));
    }
}

#[test]
fn what_this_plane_cannot_do_is_refused_and_leaves_nothing() {
    let mut left = core();
    let mut transport = sa(1, GCM, false, true);
    transport.mode = Mode::Transport;
    let mut ah = sa(1, GCM, false, true);
    ah.suite.protocol = ProtocolId::AH;
    let mut short = sa(1, GCM, false, true);
    short.keys_out.0 = Secret::new(vec![1; 3]);
    for refused in [transport, ah, short] {
        let error = left.install(refused).unwrap_err();
        assert_eq!(error.request, "install child 1 \"gw\"");
        assert!(left.children.is_empty() && left.by_spi.is_empty());
    }
    left.install(sa(1, GCM, false, true)).unwrap();
    assert!(left.install(sa(1, GCM, false, true)).is_err());
    let mut same_spi = sa(2, GCM, false, true);
    same_spi.spi_in = ChildSpi(0x1001);
    assert!(left.install(same_spi).is_err());
    assert!(parse(&ping()).is_some() && send(&mut left, &ping()).0.is_some());
    left.flush();
    assert!(left.activate(1).is_err() && left.counters(1).is_err());
}

#[test]
fn a_narrow_block_is_not_carried_by_another_policys_wide_child() {
    let mut left = core();
    let mut wide = sa(1, GCM, false, true);
    wide.flows = vec![(net("0.0.0.0", 0), net("0.0.0.0", 0))];
    left.install(wide).unwrap();
    assert!(send(&mut left, &ping()).0.is_some());
    left.block(Block {
        policy: "other".into(),
        child: "other".into(),
        flows: vec![(net("10.1.0.0", 16), net("10.2.0.0", 16))],
    });
    assert!(send(&mut left, &ping()).0.is_none());
    assert_eq!(dropped(&left, "out_no_child"), 1);
    let elsewhere = v4([10, 1, 0, 7], [198, 51, 100, 9], UDP, &[0; 8]);
    assert!(send(&mut left, &elsewhere).0.is_some());
}
