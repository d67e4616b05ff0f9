//! Liveness checks, death of the peer, coming back (RFC 7296 §2.4).
use core::time::Duration;
use ike_sa::testing::{Pair, Verdict, Who, psk_policy, set};
use ike_sa::{Config, Counters, Initiation, KernelEvent, PolicySet, Reason};

fn policies(who: Who, active: bool) -> PolicySet {
    let mut policy = psk_policy(&Pair::scene(who));
    if active {
        policy.initiation = Initiation::Active;
    }
    let mut set = set(vec![policy]);
    set.settings.dpd_check_interval_s = 10;
    set
}

fn pair(seed: u64) -> Pair {
    let mut pair = Pair::bare(seed, Config::default(), Config::default());
    pair.set_policies(Who::Right, policies(Who::Right, false));
    pair.set_policies(Who::Left, policies(Who::Left, true));
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.ping_both("tunnel"), Ok(()));
    pair
}

#[test]
fn a_silent_peer_is_asked_and_stays() {
    let mut pair = pair(1);
    let before = pair.net.log.len();
    pair.run_for(Duration::from_secs(60));
    let sent = pair.net.log.len() - before;
    assert!((8..=14).contains(&sent), "{sent}");
    pair.check_quiet().unwrap();
}

#[test]
fn traffic_from_the_peer_makes_the_question_needless() {
    let mut pair = pair(2);
    let before = pair.net.log.len();
    for n in 1..60 {
        for who in [Who::Left, Who::Right] {
            let child = pair.at(who).plane.sender("tunnel").unwrap().spec.id;
            let counters = Counters {
                packets_in: n,
                bytes_in: n * 100,
                ..Counters::default()
            };
            pair.kernel_event(who, KernelEvent::Counters(vec![(child, counters)]));
        }
        pair.run_for(Duration::from_secs(1));
    }
    assert_eq!(pair.net.log.len(), before);
}

#[test]
fn a_dead_peer_is_noticed_and_an_active_policy_tries_until_it_is_back() {
    let mut pair = pair(3);
    pair.net.filter(|_| Verdict::Drop);
    pair.run_for(Duration::from_secs(200));
    assert!(
        pair.left
            .reasons()
            .contains(&&Reason::Timeout { retransmits: 6 })
    );
    assert!(pair.left.plane.sas.is_empty());
    pair.run_for(Duration::from_secs(1000));
    pair.net.unfilter();
    pair.run_for(Duration::from_secs(150));
    pair.check_quiet().unwrap();
    pair.ping_both("tunnel").unwrap();
}

#[test]
fn the_pauses_between_attempts_grow_to_a_minute() {
    let mut pair = Pair::bare(4, Config::default(), Config::default());
    pair.left.psk.insert("tunnel".into(), b"wrong".to_vec());
    pair.set_policies(Who::Right, policies(Who::Right, false));
    pair.set_policies(Who::Left, policies(Who::Left, true));
    pair.run_for(Duration::from_secs(1200));
    let starts: Vec<_> = pair
        .net
        .log
        .iter()
        .filter(|p| p.exchange() == Some(34) && !p.is_response())
        .map(|p| p.at)
        .collect();
    let waits: Vec<_> = starts
        .windows(2)
        .map(|w| w[1].since(w[0]).as_secs_f64())
        .collect();
    assert!((0.8..2.0).contains(&waits[0]), "{waits:?}");
    assert!(waits.iter().all(|w| *w < 67.0), "{waits:?}");
    assert!(waits.last().is_some_and(|w| *w > 50.0), "{waits:?}");
}

#[test]
fn a_peer_that_restarts_is_known_by_initial_contact_and_old_state_goes() {
    let mut pair = pair(5);
    // The passive end has a stale SA when the active one starts anew.
    pair.reboot(Who::Left, Config::default(), policies(Who::Left, true));
    pair.run_for(Duration::from_secs(3));
    pair.check_quiet().unwrap();
    pair.ping_both("tunnel").unwrap();
    assert!(pair.right.reasons().contains(&&Reason::Replaced));
}

#[test]
fn the_passive_end_restarting_is_noticed_by_the_active_one() {
    let mut pair = pair(6);
    pair.reboot(Who::Right, Config::default(), policies(Who::Right, false));
    pair.run_for(Duration::from_secs(300));
    pair.check_quiet().unwrap();
    pair.ping_both("tunnel").unwrap();
    assert!(
        pair.left.stat("drop_unexpected_response") > 0 || pair.right.stat("drop_unknown_spi") > 0
    );
}

#[test]
fn both_active_and_either_restarting_come_back_to_one_sa() {
    for seed in 0..20 {
        for who in [Who::Left, Who::Right] {
            let mut pair = Pair::bare(seed, Config::default(), Config::default());
            for w in [Who::Left, Who::Right] {
                pair.set_policies(w, policies(w, true));
            }
            pair.run_for(Duration::from_secs(20));
            pair.check_quiet().unwrap();
            pair.reboot(who, Config::default(), policies(who, true));
            pair.run_for(Duration::from_secs(20));
            assert_eq!(pair.check_quiet(), Ok(()), "seed {seed}\n{}", pair.trace());
            pair.ping_both("tunnel").unwrap();
            assert_eq!(pair.left.sas(pair.now).len(), 1);
        }
    }
}
