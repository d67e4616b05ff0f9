//! The algebra of selectors, checked against packets: a selector is the set of packets it
//! takes, so every operation is compared with what it does to each packet of a small world
//! that holds one of every region the generated selectors can tell apart.
#![allow(clippy::unwrap_used)]

use ike_ts::{AddrRange, PortRange, Prefix, TrafficSelector, narrow};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A packet; `port` is `None` where it cannot be seen.
#[derive(Debug, Clone, Copy)]
struct Packet {
    protocol: u8,
    port: Option<u16>,
    addr: IpAddr,
}

fn world() -> Vec<Packet> {
    let ports = (0..=6)
        .chain([30000])
        .chain(65530..=65535)
        .map(Some)
        .chain([None]);
    let addrs = (0..=9u32)
        .map(|low| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + low)))
        .chain([IpAddr::V4(Ipv4Addr::BROADCAST)])
        .chain((0..=4).map(|low| IpAddr::V6(Ipv6Addr::from_bits(low))))
        .chain([IpAddr::V6(Ipv6Addr::from_bits(u128::MAX))]);
    let mut packets = Vec::new();
    for addr in addrs {
        for port in ports.clone() {
            for protocol in [1, 6, 17, 99] {
                packets.push(Packet {
                    protocol,
                    port,
                    addr,
                });
            }
        }
    }
    packets
}

/// The definition that everything here is measured with.
fn takes(ts: &TrafficSelector, packet: &Packet) -> bool {
    let (first, last) = (ts.ports.start(), ts.ports.end());
    let port = match packet.port {
        _ if (first, last) == (0, 65535) => true,
        None => (first, last) == (65535, 0),
        Some(port) => first <= port && port <= last,
    };
    (ts.protocol == 0 || ts.protocol == packet.protocol)
        && port
        && ts.addrs.start().is_ipv4() == packet.addr.is_ipv4()
        && ts.addrs.start() <= packet.addr
        && packet.addr <= ts.addrs.end()
}

fn any_takes(list: &[TrafficSelector], packet: &Packet) -> bool {
    list.iter().any(|ts| takes(ts, packet))
}

fn ports() -> impl Strategy<Value = PortRange> {
    let low = (0u16..=5, 0u16..=5);
    let high = (0u16..=5, 65530u16..=65535);
    prop_oneof![
        3 => Just(PortRange::ANY),
        1 => Just(PortRange::OPAQUE),
        3 => low.prop_map(|(a, b)| PortRange::new(a.min(b), a.max(b)).unwrap()),
        2 => high.prop_map(|(a, b)| PortRange::new(a, b).unwrap()),
    ]
}

fn addrs() -> impl Strategy<Value = AddrRange> {
    let v4 = |low: u32| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + low));
    let v6 = |low: u32| IpAddr::V6(Ipv6Addr::from_bits(low.into()));
    prop_oneof![
        1 => Just(AddrRange::ANY_V4),
        1 => Just(AddrRange::ANY_V6),
        6 => (0u32..=9, 0u32..=9).prop_map(move |(a, b)| AddrRange::new(v4(a.min(b)), v4(a.max(b))).unwrap()),
        2 => (0u32..=4, 0u32..=4).prop_map(move |(a, b)| AddrRange::new(v6(a.min(b)), v6(a.max(b))).unwrap()),
    ]
}

fn selector() -> impl Strategy<Value = TrafficSelector> {
    let protocol = prop_oneof![3 => Just(0u8), 2 => Just(6), 1 => Just(17), 1 => Just(1)];
    (protocol, ports(), addrs()).prop_map(|(protocol, ports, addrs)| TrafficSelector {
        protocol,
        ports,
        addrs,
    })
}

fn list() -> impl Strategy<Value = Vec<TrafficSelector>> {
    prop::collection::vec(selector(), 0..6)
}

fn any_addr_range() -> impl Strategy<Value = AddrRange> {
    let v4 = (any::<u32>(), any::<u32>()).prop_map(|(a, b)| {
        let addr = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits));
        AddrRange::new(addr(a.min(b)), addr(a.max(b))).unwrap()
    });
    let v6 = (any::<u128>(), any::<u128>(), 0u32..128).prop_map(|(a, b, shift)| {
        let addr = |bits| IpAddr::V6(Ipv6Addr::from_bits(bits));
        let (a, b) = (a >> shift, b >> shift);
        AddrRange::new(addr(a.min(b)), addr(a.max(b))).unwrap()
    });
    prop_oneof![v4, v6]
}

fn any_selector() -> impl Strategy<Value = TrafficSelector> {
    let ports =
        (any::<u16>(), any::<u16>()).prop_map(|(a, b)| PortRange::new(a.min(b), a.max(b)).unwrap());
    let ports = prop_oneof![ports, Just(PortRange::ANY), Just(PortRange::OPAQUE)];
    let protocol = prop_oneof![any::<u8>(), Just(0), Just(1), Just(58), Just(6)];
    (protocol, ports, any_addr_range()).prop_map(|(protocol, ports, addrs)| TrafficSelector {
        protocol,
        ports,
        addrs,
    })
}

fn range_of(prefix: &Prefix) -> AddrRange {
    AddrRange::from_prefix(prefix.addr, prefix.len).unwrap()
}

fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn an_intersection_takes_the_packets_that_both_take(a in selector(), b in selector()) {
        let both = a.intersect(&b);
        prop_assert_eq!(both, b.intersect(&a));
        for packet in world() {
            let taken = both.is_some_and(|ts| takes(&ts, &packet));
            prop_assert_eq!(taken, takes(&a, &packet) && takes(&b, &packet), "{:?}", packet);
        }
    }

    #[test]
    fn one_selector_contains_another_if_it_takes_its_packets(a in selector(), b in selector()) {
        let all = world().iter().all(|packet| !takes(&b, packet) || takes(&a, packet));
        prop_assert_eq!(a.contains(&b), all);
        prop_assert!(a.contains(&a));
    }

    //= rfc7296#2.9: the responder may narrow the offer, to no more than the offer
    #[test]
    fn narrowing_allows_what_both_sides_allow(offered in list(), configured in list()) {
        let narrowed = narrow(&offered, &configured);
        let mut left_out = false;
        for packet in world() {
            let both = any_takes(&offered, &packet) && any_takes(&configured, &packet);
            prop_assert_eq!(any_takes(&narrowed.selectors, &packet), both, "{:?}", packet);
            left_out |= any_takes(&offered, &packet) && !both;
        }
        prop_assert_eq!(narrowed.is_subset, left_out);
    }

    #[test]
    fn no_narrowed_selector_is_inside_another(offered in list(), configured in list()) {
        let selectors = narrow(&offered, &configured).selectors;
        for (i, a) in selectors.iter().enumerate() {
            for (j, b) in selectors.iter().enumerate() {
                prop_assert!(i == j || !a.contains(b), "{} contains {}", a, b);
            }
        }
    }

    #[test]
    fn the_order_of_the_lists_does_not_matter(
        (offered, shuffled) in list().prop_flat_map(|l| (Just(l.clone()), Just(l).prop_shuffle())),
        configured in list(),
    ) {
        let mut reversed = configured.clone();
        reversed.reverse();
        prop_assert_eq!(narrow(&offered, &configured), narrow(&shuffled, &reversed));
    }

    #[test]
    fn narrowing_again_changes_nothing(offered in list(), configured in list()) {
        let once = narrow(&offered, &configured);
        let again = narrow(&once.selectors, &configured);
        prop_assert_eq!(&again.selectors, &once.selectors);
        prop_assert!(!again.is_subset);
    }

    #[test]
    fn prefixes_follow_each_other_through_the_range_and_cannot_be_joined(range in any_addr_range()) {
        let prefixes: Vec<_> = range.prefixes().collect();
        let mut expected = Some(bits(range.start()));
        for prefix in &prefixes {
            let block = range_of(prefix);
            prop_assert_eq!(block.start(), prefix.addr, "host bits are zero");
            prop_assert_eq!(Some(bits(block.start())), expected);
            expected = bits(block.end()).checked_add(1);
        }
        prop_assert_eq!(prefixes.last().map(|p| range_of(p).end()), Some(range.end()));
        for pair in prefixes.windows(2) {
            let parent = AddrRange::from_prefix(pair[0].addr, pair[0].len - 1).unwrap();
            let siblings = pair[0].len == pair[1].len && parent.contains(&range_of(&pair[1]));
            prop_assert!(!siblings, "{} and {} are one prefix", pair[0], pair[1]);
        }
    }

    #[test]
    fn the_text_of_a_selector_reads_as_the_selector(ts in any_selector()) {
        prop_assert_eq!(ts.to_string().parse(), Ok(ts));
    }

    #[test]
    fn no_text_panics(text in "[0-9a-f:./\\[\\]tcpudpicmp6any-]{0,40}") {
        let _ = text.parse::<TrafficSelector>();
    }
}

#[test]
fn halves_that_together_cover_the_offer_leave_nothing_out() {
    let ts = |text: &str| text.parse::<TrafficSelector>().unwrap();
    let offered = [ts("10.0.0.0/24")];
    let halves = [ts("10.0.0.0/25"), ts("10.0.0.128/25")];
    let narrowed = narrow(&offered, &halves);
    assert_eq!(narrowed.selectors, halves);
    assert!(!narrowed.is_subset);
    assert!(narrow(&offered, &halves[..1]).is_subset);
}

#[test]
fn port_halves_do_not_cover_any_port_because_opaque_is_missing() {
    let ts = |text: &str| text.parse::<TrafficSelector>().unwrap();
    let halves = [
        ts("10.0.0.0/24[tcp/0-1000]"),
        ts("10.0.0.0/24[tcp/1001-65535]"),
    ];
    let offered = [ts("10.0.0.0/24[tcp]")];
    assert!(narrow(&offered, &halves).is_subset);
    let with_opaque = [halves[0], halves[1], ts("10.0.0.0/24[tcp/opaque]")];
    assert!(!narrow(&offered, &with_opaque).is_subset);
}

#[test]
fn nothing_in_common_is_an_empty_list() {
    let ts = |text: &str| text.parse::<TrafficSelector>().unwrap();
    let narrowed = narrow(&[ts("10.0.0.0/24")], &[ts("10.0.1.0/24"), ts("::/0")]);
    assert!(narrowed.selectors.is_empty() && narrowed.is_subset);
    assert!(narrow(&[], &[ts("0.0.0.0/0")]).selectors.is_empty());
}

#[test]
fn two_full_lists_are_narrowed_in_reasonable_time() {
    let list = |protocol| -> Vec<TrafficSelector> {
        (0..255)
            .map(|n| TrafficSelector {
                protocol,
                ports: PortRange::new(n, 1000 - n).unwrap(),
                addrs: AddrRange::from_prefix(
                    IpAddr::V4(Ipv4Addr::new(10, n as u8, 0, 0)),
                    8 + (n % 16) as u8,
                )
                .unwrap(),
            })
            .collect()
    };
    let start = std::time::Instant::now();
    narrow(&list(6), &list(0));
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
