//! Rekeying of child and IKE SA by either end, by timer and by command (RFC 7296 §2.8).
use core::time::Duration;
use ike_sa::testing::{Pair, Who};
use ike_sa::{ChildId, Command, Counters, EventKind, KernelEvent, Outbound};

fn always_pings(pair: &mut Pair, time: Duration) {
    let mut lost = None;
    pair.run_until(time, |p| {
        lost = p.ping_both("tunnel").err();
        lost.is_some()
    });
    assert_eq!(lost, None, "\n{}", pair.trace());
}

fn spis(pair: &Pair) -> Vec<u32> {
    pair.left
        .sas(pair.now)
        .iter()
        .flat_map(|sa| sa.children.iter().map(|c| c.spi_in.0))
        .collect()
}

#[test]
fn either_end_rekeys_the_child_and_no_packet_is_lost() {
    for who in [Who::Left, Who::Right] {
        let mut pair = Pair::new(1);
        pair.establish(Who::Left);
        let old = spis(&pair);
        let id = pair.command(who, Command::RekeyChild("tunnel".into()));
        always_pings(&mut pair, Duration::from_secs(20));
        assert_eq!(pair.at(who).done[&id], Ok(()));
        pair.check_quiet().unwrap();
        assert_ne!(spis(&pair), old);
        for side in [&pair.left, &pair.right] {
            assert_eq!(
                side.count(|e| matches!(e, EventKind::ChildSaRekeyed { .. })),
                1
            );
            assert_eq!(
                side.count(|e| matches!(e, EventKind::ChildSaInstalled { .. })),
                1
            );
            assert_eq!(
                side.count(|e| matches!(e, EventKind::ChildSaClosed { .. })),
                0
            );
        }
    }
}

#[test]
fn either_end_rekeys_the_ike_sa_and_the_child_stays() {
    for who in [Who::Left, Who::Right] {
        let mut pair = Pair::new(2);
        pair.establish(Who::Left);
        let old = spis(&pair);
        let ike = pair.left.sas(pair.now)[0].spi_i;
        let id = pair.command(who, Command::RekeyIke("tunnel".into()));
        always_pings(&mut pair, Duration::from_secs(5));
        assert_eq!(pair.at(who).done[&id], Ok(()));
        pair.check_quiet().unwrap();
        assert_eq!(spis(&pair), old);
        assert_ne!(pair.left.sas(pair.now)[0].spi_i, ike);
        for side in [&pair.left, &pair.right] {
            assert_eq!(
                side.count(|e| matches!(e, EventKind::IkeSaRekeyed { .. })),
                1
            );
            assert_eq!(side.count(|e| matches!(e, EventKind::IkeSaClosed(_))), 0);
        }
        // And the new one can do everything the old could.
        for command in [
            Command::RekeyChild("tunnel".into()),
            Command::RekeyIke("tunnel".into()),
        ] {
            let done = pair.command_and_wait(who.other(), command, Duration::from_secs(5));
            assert_eq!(done, Some(Ok(())));
            always_pings(&mut pair, Duration::from_secs(10));
            pair.check_quiet().unwrap();
        }
    }
}

#[test]
fn lifetimes_make_both_ends_rekey_in_time() {
    let mut pair = Pair::with(3, |_, set| {
        set.policies[0].ike_lifetime_s = 60;
        set.policies[0].children[0].lifetime_s = 5;
    });
    pair.establish(Who::Left);
    always_pings(&mut pair, Duration::from_secs(600));
    for who in [Who::Left, Who::Right] {
        let side = pair.at(who);
        let children = side.count(|e| matches!(e, EventKind::ChildSaRekeyed { .. }));
        let ike = side.count(|e| matches!(e, EventKind::IkeSaRekeyed { .. }));
        // Every 4.25 to 4.75 seconds, every 51 to 57.
        assert!((120..=145).contains(&children), "{children}");
        assert!((9..=12).contains(&ike), "{ike}");
        assert!(side.endpoint.failures().is_empty());
    }
}

#[test]
fn octets_make_it_rekey_too() {
    let mut pair = Pair::with(4, |_, set| {
        set.policies[0].children[0].lifetime_bytes = 1000;
    });
    pair.establish(Who::Left);
    let child: ChildId = pair.left.plane.sender("tunnel").unwrap().spec.id;
    let counters = |bytes_out| {
        let c = Counters {
            bytes_out,
            packets_out: 1,
            ..Counters::default()
        };
        KernelEvent::Counters(vec![(child, c)])
    };
    pair.kernel_event(Who::Left, counters(700));
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.left.stat("child_sas_rekeyed"), 0);
    pair.kernel_event(Who::Left, counters(960));
    pair.run_for(Duration::from_secs(10));
    assert_eq!(pair.left.stat("child_sas_rekeyed"), 1);
    pair.check_quiet().unwrap();
}

#[test]
fn the_responder_of_a_rekey_goes_on_sending_on_the_old_sa_until_it_is_deleted() {
    let mut pair = Pair::new(5);
    pair.establish(Who::Left);
    let old = pair.right.plane.sender("tunnel").unwrap().spec.id;
    let left = pair.left.address;
    // The delete does not come through for now.
    pair.net.filter(move |p| {
        if p.from.ip() == left && p.exchange() == Some(37) {
            ike_sa::testing::Verdict::Hold
        } else {
            ike_sa::testing::Verdict::Pass
        }
    });
    pair.command(Who::Left, Command::RekeyChild("tunnel".into()));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.right.plane.sas.len(), 2);
    assert_eq!(pair.right.plane.sender("tunnel").unwrap().spec.id, old);
    let new = pair
        .right
        .plane
        .sas
        .values()
        .max_by_key(|i| i.spec.id)
        .unwrap();
    assert_eq!(new.spec.outbound, Outbound::Deferred);
    assert_eq!(new.spec.replaces, Some(old));
    pair.net.unfilter();
    pair.net.release(pair.now);
    always_pings(&mut pair, Duration::from_secs(10));
    assert_ne!(pair.right.plane.sender("tunnel").unwrap().spec.id, old);
    pair.check_quiet().unwrap();
}

#[test]
fn inbound_traffic_on_the_new_sa_also_moves_the_outbound() {
    let mut pair = Pair::new(6);
    pair.establish(Who::Left);
    let old = pair.right.plane.sender("tunnel").unwrap().spec.id;
    let left = pair.left.address;
    pair.net.filter(move |p| {
        if p.from.ip() == left && p.exchange() == Some(37) {
            ike_sa::testing::Verdict::Hold
        } else {
            ike_sa::testing::Verdict::Pass
        }
    });
    pair.command(Who::Left, Command::RekeyChild("tunnel".into()));
    pair.run_for(Duration::from_secs(1));
    let new = *pair.right.plane.sas.keys().max().unwrap();
    let seen = Counters {
        packets_in: 1,
        bytes_in: 84,
        ..Counters::default()
    };
    pair.kernel_event(Who::Right, KernelEvent::Counters(vec![(new, seen)]));
    assert_ne!(new, old);
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.right.plane.sender("tunnel").unwrap().spec.id, new);
}

#[test]
fn several_rekey_commands_at_once_all_end() {
    let mut pair = Pair::new(7);
    pair.establish(Who::Left);
    for _ in 0..5 {
        for who in [Who::Left, Who::Right] {
            pair.command(who, Command::RekeyChild("tunnel".into()));
            pair.command(who, Command::RekeyIke("tunnel".into()));
        }
    }
    always_pings(&mut pair, Duration::from_secs(120));
    assert_eq!(pair.left.open_commands(), 0);
    assert_eq!(pair.right.open_commands(), 0);
    pair.check_quiet().unwrap();
}

#[test]
fn rekeying_what_is_not_there_is_refused_at_once() {
    let mut pair = Pair::new(8);
    for command in [
        Command::RekeyChild("tunnel".into()),
        Command::RekeyIke("tunnel".into()),
        Command::RekeyIke("nonsense".into()),
    ] {
        let id = pair.command(Who::Left, command);
        assert!(pair.left.done[&id].is_err());
    }
}
