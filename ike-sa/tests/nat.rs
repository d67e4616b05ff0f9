//! NAT detection, the float to port 4500, keepalives and moving mappings (RFC 7296 §2.23).
use core::net::IpAddr;
use core::time::Duration;
use ike_sa::testing::{Pair, Who};
use ike_sa::{Command, Config, EventKind, KernelEvent};

const OUTSIDE: [u8; 4] = [198, 51, 100, 7];

/// The left end behind a NAT; the right accepts any address.
fn behind_nat(seed: u64) -> Pair {
    let mut pair = Pair::with(seed, |who, set| {
        if who == Who::Right {
            set.policies[0].peer = None;
        }
    });
    pair.net.nat(pair.left.address, IpAddr::from(OUTSIDE));
    pair
}

#[test]
fn a_nat_moves_both_ends_to_port_4500_and_esp_into_udp() {
    let mut pair = behind_nat(1);
    pair.establish(Who::Left);
    pair.check_quiet().unwrap();
    pair.ping_both("tunnel").unwrap();
    let left = &pair.left.sas(pair.now)[0];
    assert_eq!(left.nat, (true, false));
    assert_eq!((left.local.1.port(), left.peer.1.port()), (4500, 4500));
    assert!(left.children[0].udp_encap);
    let right = &pair.right.sas(pair.now)[0];
    assert_eq!(right.nat, (false, true));
    assert_eq!(right.local.1.port(), 4500);
    assert_eq!(right.peer.1.ip(), IpAddr::from(OUTSIDE));
    assert!(right.children[0].udp_encap);
    let installed = pair.right.plane.sender("tunnel").unwrap();
    assert_eq!(installed.spec.path.peer, right.peer.1);
}

#[test]
fn the_end_behind_the_nat_keeps_the_mapping_open() {
    let mut pair = behind_nat(2);
    pair.establish(Who::Left);
    pair.run_for(Duration::from_secs(61));
    assert_eq!(pair.left.stat("keepalives_out"), 3);
    assert_eq!(pair.right.stat("keepalives_in"), 3);
    assert_eq!(pair.right.stat("keepalives_out"), 0);
}

#[test]
fn the_other_end_follows_a_new_mapping_and_its_children_too() {
    let mut pair = behind_nat(3);
    pair.establish(Who::Left);
    let before = pair.right.sas(pair.now)[0].peer.1;
    pair.net.rebind();
    let done = pair.command_and_wait(
        Who::Left,
        Command::RekeyChild("tunnel".into()),
        Duration::from_secs(5),
    );
    assert_eq!(done, Some(Ok(())));
    pair.run_for(Duration::from_secs(10));
    pair.check_quiet().unwrap();
    let after = pair.right.sas(pair.now)[0].peer.1;
    assert_ne!(before, after);
    assert_eq!(pair.right.plane.sender("tunnel").unwrap().path.peer, after);
    assert!(
        pair.right
            .count(|e| matches!(e, EventKind::PeerAddressChanged { .. }))
            == 1
    );
}

#[test]
fn rekeying_the_ike_sa_behind_a_nat_keeps_the_port() {
    let mut pair = behind_nat(4);
    pair.establish(Who::Left);
    for who in [Who::Left, Who::Right] {
        let done = pair.command_and_wait(
            who,
            Command::RekeyIke("tunnel".into()),
            Duration::from_secs(5),
        );
        assert_eq!(done, Some(Ok(())));
        pair.run_for(Duration::from_secs(2));
        pair.check_quiet().unwrap();
        assert_eq!(pair.left.sas(pair.now)[0].peer.1.port(), 4500);
        assert_eq!(pair.left.sas(pair.now)[0].nat, (true, false));
    }
}

#[test]
fn without_a_nat_nothing_moves_and_esp_is_plain() {
    let mut pair = Pair::new(5);
    pair.establish(Who::Left);
    let left = &pair.left.sas(pair.now)[0];
    assert_eq!(left.nat, (false, false));
    assert_eq!(left.peer.1.port(), 500);
    assert!(!left.children[0].udp_encap);
}

#[test]
fn with_nat_traversal_off_nothing_is_announced_or_encapsulated() {
    let mut pair = Pair::with(6, |who, set| {
        set.settings.no_nat_traversal = who == Who::Left;
        if who == Who::Right {
            set.policies[0].peer = None;
        }
    });
    pair.net.nat(pair.left.address, IpAddr::from(OUTSIDE));
    pair.establish(Who::Left);
    for who in [Who::Left, Who::Right] {
        let sa = &pair.at(who).sas(pair.now)[0];
        assert!(!sa.children[0].udp_encap);
        assert_eq!(sa.local.1.port(), 500);
    }
}

#[test]
fn a_data_plane_that_needs_udp_gets_it_from_either_end() {
    for (seed, forced) in [(7, Who::Left), (8, Who::Right)] {
        let config = |who| Config {
            force_encap: who == forced,
            ..Config::default()
        };
        let mut pair = Pair::bare(seed, config(Who::Left), config(Who::Right));
        for who in [Who::Left, Who::Right] {
            let policy = ike_sa::testing::psk_policy(&Pair::scene(who));
            pair.set_policies(who, ike_sa::testing::set(vec![policy]));
        }
        pair.establish(Who::Left);
        pair.check_quiet().unwrap();
        pair.ping_both("tunnel").unwrap();
        for who in [Who::Left, Who::Right] {
            let sa = &pair.at(who).sas(pair.now)[0];
            assert!(sa.children[0].udp_encap, "{forced:?} {who:?}");
            assert_eq!(sa.local.1.port(), 4500);
        }
    }
}

/// Tells an end that ESP of its child comes from somewhere else; whether it goes there.
fn follows_esp(pair: &mut Pair, who: Who) -> bool {
    let Some(child) = pair.at(who).plane.sas.keys().next().copied() else {
        return false;
    };
    let peer = (IpAddr::from([203, 0, 113, 77]), 61234).into();
    pair.kernel_event(who, KernelEvent::MappingChanged { child, peer });
    pair.at(who).sas(pair.now)[0].peer.1 == peer
}

#[test]
fn whoever_is_behind_a_nat_itself_does_not_follow_esp_of_the_peer() {
    let mut pair = behind_nat(9);
    pair.establish(Who::Left);
    assert!(follows_esp(&mut pair, Who::Right));
    assert!(!follows_esp(&mut pair, Who::Left));

    let pretends = Config {
        force_encap: true,
        ..Config::default()
    };
    let mut pair = Pair::bare(10, Config::default(), pretends);
    for who in [Who::Left, Who::Right] {
        let mut policy = ike_sa::testing::psk_policy(&Pair::scene(who));
        if who == Who::Right {
            policy.peer = None;
        }
        pair.set_policies(who, ike_sa::testing::set(vec![policy]));
    }
    pair.net.nat(pair.left.address, IpAddr::from(OUTSIDE));
    pair.establish(Who::Left);
    assert_eq!(pair.left.sas(pair.now)[0].nat, (true, true));
    assert!(!follows_esp(&mut pair, Who::Left));
}
