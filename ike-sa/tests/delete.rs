//! Deletes of children and IKE SAs (RFC 7296 §1.4.1), commands and policies that end things.
use core::time::Duration;
use ike_sa::testing::{Pair, Verdict, Who, psk_policy, set};
use ike_sa::{Command, EventKind, Initiation, PolicySet, Reason};

fn nothing_left(pair: &Pair) {
    for who in [Who::Left, Who::Right] {
        assert!(pair.at(who).sas(pair.now).is_empty(), "{}", pair.trace());
        assert!(pair.at(who).plane.sas.is_empty());
    }
}

fn active(who: Who) -> PolicySet {
    let mut policy = psk_policy(&Pair::scene(who));
    policy.initiation = Initiation::Active;
    set(vec![policy])
}

#[test]
fn down_closes_at_both_ends_and_holds_an_active_policy_down() {
    let mut pair = Pair::new(1);
    pair.set_policies(Who::Left, active(Who::Left));
    pair.run_for(Duration::from_secs(2));
    pair.ping_both("tunnel").unwrap();
    let down = pair.command_and_wait(
        Who::Left,
        Command::Down("tunnel".into()),
        Duration::from_secs(5),
    );
    assert_eq!(down, Some(Ok(())));
    pair.run_for(Duration::from_secs(100));
    nothing_left(&pair);
    assert!(pair.left.reasons().contains(&&Reason::Command));
    assert!(pair.right.reasons().contains(&&Reason::PeerDeleted));
    // `Up` ends the hold, and so does a reload.
    pair.establish(Who::Left);
    pair.command_and_wait(
        Who::Left,
        Command::Down("tunnel".into()),
        Duration::from_secs(5),
    );
    pair.set_policies(Who::Left, active(Who::Left));
    pair.run_for(Duration::from_secs(5));
    pair.ping_both("tunnel").unwrap();
}

#[test]
fn an_active_policy_comes_back_after_the_peer_deleted_it() {
    let mut pair = Pair::new(2);
    pair.set_policies(Who::Left, active(Who::Left));
    pair.run_for(Duration::from_secs(30));
    let done = pair.command_and_wait(Who::Right, Command::ResetSa, Duration::from_secs(5));
    assert_eq!(done, Some(Ok(())));
    pair.run_for(Duration::from_secs(5));
    pair.check_quiet().unwrap();
    pair.ping_both("tunnel").unwrap();
    assert_eq!(pair.left.stat("ike_sas_established"), 2);
}

#[test]
fn reset_starts_active_policies_again() {
    let mut pair = Pair::new(3);
    pair.set_policies(Who::Left, active(Who::Left));
    pair.run_for(Duration::from_secs(30));
    let done = pair.command_and_wait(Who::Left, Command::ResetSa, Duration::from_secs(5));
    assert_eq!(done, Some(Ok(())));
    pair.run_for(Duration::from_secs(5));
    pair.check_quiet().unwrap();
    pair.ping_both("tunnel").unwrap();
    assert_eq!(pair.left.stat("ike_sas_established"), 2);
}

#[test]
fn shutdown_tells_the_peers_and_takes_no_new_ones() {
    let mut pair = Pair::new(4);
    pair.set_policies(Who::Right, active(Who::Right));
    pair.run_for(Duration::from_secs(5));
    let done = pair.command_and_wait(Who::Left, Command::Shutdown, Duration::from_secs(1));
    assert_eq!(done, Some(Ok(())));
    pair.run_for(Duration::from_millis(100));
    assert!(pair.right.plane.sas.is_empty());
    pair.run_for(Duration::from_secs(100));
    assert!(pair.left.sas(pair.now).is_empty());
    assert!(pair.left.stat("drop_shutting_down") > 0);
    assert!(pair.left.reasons().contains(&&Reason::Shutdown));
}

#[test]
fn shutdown_does_not_wait_for_a_dead_peer() {
    let mut pair = Pair::new(5);
    pair.establish(Who::Left);
    pair.net.filter(|_| Verdict::Drop);
    let start = pair.now;
    let done = pair.command_and_wait(Who::Left, Command::Shutdown, Duration::from_secs(60));
    assert_eq!(done, Some(Ok(())));
    assert_eq!(pair.now.since(start), Duration::from_secs(2));
    assert!(pair.left.plane.sas.is_empty());
}

#[test]
fn the_answer_to_a_delete_is_repeated_when_it_was_lost() {
    let mut pair = Pair::new(6);
    pair.establish(Who::Left);
    let right = pair.right.address;
    let mut lost = false;
    pair.net.filter(move |p| {
        if p.from.ip() == right && p.exchange() == Some(37) && !lost {
            lost = true;
            return Verdict::Drop;
        }
        Verdict::Pass
    });
    let down = pair.command_and_wait(
        Who::Left,
        Command::Down("tunnel".into()),
        Duration::from_secs(60),
    );
    assert_eq!(down, Some(Ok(())));
    nothing_left(&pair);
    assert_eq!(pair.right.stat("retransmits_in"), 1);
}

#[test]
fn a_reload_keeps_what_did_not_change_and_closes_what_did() {
    let mut pair = Pair::new(7);
    pair.establish(Who::Left);
    let same = set(vec![psk_policy(&Pair::scene(Who::Left))]);
    let before = pair.net.log.len();
    pair.set_policies(Who::Left, same.clone());
    pair.run_for(Duration::from_secs(10));
    assert_eq!(pair.net.log.len(), before);
    pair.check_quiet().unwrap();
    let mut changed = same.clone();
    changed.policies[0].children[0].lifetime_s = 1234;
    pair.set_policies(Who::Left, changed);
    pair.run_for(Duration::from_secs(10));
    nothing_left(&pair);
    assert!(pair.left.reasons().contains(&&Reason::PolicyRemoved));
    pair.establish(Who::Left);
    pair.set_policies(Who::Left, set(Vec::new()));
    pair.run_for(Duration::from_secs(10));
    nothing_left(&pair);
}

#[test]
fn a_reload_starts_new_active_policies() {
    let mut pair = Pair::new(8);
    pair.set_policies(Who::Left, active(Who::Left));
    pair.run_for(Duration::from_secs(5));
    pair.check_quiet().unwrap();
    pair.ping_both("tunnel").unwrap();
}

#[test]
fn set_active_off_stops_starting() {
    let mut pair = Pair::new(9);
    let done = pair.command_and_wait(Who::Left, Command::SetActive(false), Duration::from_secs(1));
    assert_eq!(done, Some(Ok(())));
    pair.set_policies(Who::Left, active(Who::Left));
    pair.run_for(Duration::from_secs(30));
    nothing_left(&pair);
    pair.command(Who::Left, Command::SetActive(true));
    pair.run_for(Duration::from_secs(5));
    pair.ping_both("tunnel").unwrap();
}

#[test]
fn passive_globally_never_initiates_but_answers() {
    let mut pair = Pair::new(10);
    let mut policies = active(Who::Left);
    policies.settings.passive = true;
    pair.set_policies(Who::Left, policies);
    pair.run_for(Duration::from_secs(30));
    nothing_left(&pair);
    pair.establish(Who::Right);
}

#[test]
fn a_packet_without_a_child_starts_a_passive_policy() {
    let mut pair = Pair::new(11);
    pair.kernel_event(
        Who::Left,
        ike_sa::KernelEvent::Acquire {
            policy: "tunnel".into(),
            child: "tunnel".into(),
            packet: None,
        },
    );
    pair.run_for(Duration::from_secs(2));
    pair.ping_both("tunnel").unwrap();
}

#[test]
fn decoupled_nothing_reaches_the_data_plane() {
    let mut pair = Pair::with(12, |_, set| set.settings.decouple = true);
    pair.establish(Who::Left);
    assert_eq!(pair.left.plane.installed + pair.right.plane.installed, 0);
    assert_eq!(pair.left.sas(pair.now)[0].children.len(), 1);
    let done = pair.command_and_wait(
        Who::Left,
        Command::RekeyChild("tunnel".into()),
        Duration::from_secs(5),
    );
    assert_eq!(done, Some(Ok(())));
}

#[test]
fn the_peer_deleting_one_child_ends_that_child_only() {
    let mut pair = Pair::with(13, |who, set| {
        if who == Who::Right {
            // Its hard limit is reached first; it may not rekey.
            set.policies[0].children[0].lifetime_bytes = 1000;
        }
    });
    pair.establish(Who::Left);
    let child = pair.right.plane.sender("tunnel").unwrap().spec.id;
    let counters = ike_sa::Counters {
        bytes_out: 5000,
        packets_out: 4,
        ..Default::default()
    };
    pair.kernel_event(
        Who::Right,
        ike_sa::KernelEvent::Counters(vec![(child, counters)]),
    );
    pair.run_for(Duration::from_secs(1));
    for who in [Who::Left, Who::Right] {
        let sas = pair.at(who).sas(pair.now);
        assert_eq!(sas.len(), 1);
        assert!(sas[0].children.is_empty());
        assert!(pair.at(who).plane.sas.is_empty());
        assert_eq!(
            pair.at(who)
                .count(|e| matches!(e, EventKind::ChildSaClosed { .. })),
            1
        );
    }
}
