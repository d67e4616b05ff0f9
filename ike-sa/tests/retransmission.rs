//! Retransmission, repeated requests, the cached response (RFC 7296 §2.1 to §2.4).
use core::time::Duration;
use ike_sa::testing::{Pair, Verdict, Who};
use ike_sa::{Command, EventKind, Reason};

#[test]
fn lost_datagrams_are_sent_again_until_answered() {
    for seed in 0..50 {
        let mut pair = Pair::new(seed);
        pair.net.loss = 150;
        let id = pair.command(Who::Left, Command::Up("tunnel".into()));
        pair.run_until(Duration::from_secs(600), |p| {
            matches!(p.left.done.get(&id), Some(Ok(())))
        });
        assert_eq!(pair.left.done.get(&id), Some(&Ok(())), "seed {seed}");
    }
}

#[test]
fn a_request_seen_twice_is_answered_twice_with_the_same_octets() {
    let mut pair = Pair::new(1);
    pair.net.filter(|_| Verdict::Duplicate);
    pair.establish(Who::Left);
    pair.check_quiet().unwrap();
    let right = pair.right.address;
    let answers: Vec<_> = pair
        .net
        .log
        .iter()
        .filter(|p| p.from.ip() == right)
        .map(|p| p.bytes.clone())
        .collect();
    // The second IKE_AUTH came while the first was being worked on.
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(pair.right.stat("ike_sas_established"), 1);
    assert_eq!(pair.right.plane.installed, 1);
}

#[test]
fn a_request_repeated_while_its_answer_is_in_the_making_is_dropped() {
    let mut pair = Pair::new(2);
    pair.right.answer_delay = Duration::from_millis(1500);
    pair.establish(Who::Left);
    pair.check_quiet().unwrap();
    assert!(pair.right.stat("drop_request_in_progress") > 0);
    assert_eq!(pair.right.plane.installed, 1);
}

#[test]
fn a_peer_that_never_answers_is_given_up_with_a_count() {
    let mut pair = Pair::new(3);
    pair.net.filter(|_| Verdict::Drop);
    let up = pair.command_and_wait(
        Who::Left,
        Command::Up("tunnel".into()),
        Duration::from_secs(600),
    );
    assert_eq!(up, Some(Err(Reason::Timeout { retransmits: 6 })));
    assert!(pair.left.sas(pair.now).is_empty());
    assert_eq!(
        pair.left
            .count(|e| matches!(e, EventKind::Retransmit { .. })),
        6
    );
}

#[test]
fn the_waits_grow() {
    let mut pair = Pair::new(4);
    pair.net.filter(|_| Verdict::Drop);
    pair.command(Who::Left, Command::Up("tunnel".into()));
    pair.run_for(Duration::from_secs(300));
    let times: Vec<_> = pair.net.log.iter().map(|p| p.at.as_micros()).collect();
    let waits: Vec<_> = times.windows(2).map(|w| w[1] - w[0]).collect();
    assert!(waits.windows(2).all(|w| w[1] > w[0]), "{waits:?}");
    assert!((1_800_000..=2_200_000).contains(&waits[0]), "{waits:?}");
}

#[test]
fn an_old_request_under_a_new_id_is_dropped() {
    let mut pair = Pair::new(5);
    pair.establish(Who::Left);
    let auth = pair.net.log[2].clone();
    let before = pair.net.log.len();
    // The IKE_AUTH request again: the cached response.
    pair.net.inject(pair.now, auth.clone());
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.net.log.len(), before + 1);
    assert_eq!(pair.net.log[3].bytes, pair.net.log[before].bytes);
    // With one octet changed: nothing.
    let mut other = auth;
    let last = other.bytes.len() - 1;
    other.bytes[last] ^= 1;
    pair.net.inject(pair.now, other);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.net.log.len(), before + 1);
    assert_eq!(pair.right.stat("drop_message_id"), 1);
}
