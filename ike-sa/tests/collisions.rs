//! Both ends do something to the same SA at once (RFC 7296 §2.8.1, §2.8.2, §2.25).
use core::time::Duration;
use ike_sa::testing::{Pair, Verdict, Who};
use ike_sa::{Command, EventKind};

const SEEDS: u64 = 40;

fn child() -> Command {
    Command::RekeyChild("tunnel".into())
}

fn ike() -> Command {
    Command::RekeyIke("tunnel".into())
}

fn settle(pair: &mut Pair) {
    let mut lost = None;
    pair.run_until(Duration::from_secs(100), |p| {
        lost = p.ping_both("tunnel").err();
        lost.is_some()
    });
    let seed = pair.seed();
    assert_eq!(lost, None, "seed {seed}\n{}", pair.trace());
    assert_eq!(pair.check_quiet(), Ok(()), "seed {seed}\n{}", pair.trace());
    for who in [Who::Left, Who::Right] {
        let side = pair.at(who);
        assert_eq!(side.open_commands(), 0, "seed {seed}");
        assert_eq!(
            side.count(|e| matches!(
                e,
                EventKind::ChildSaClosed { .. } | EventKind::IkeSaClosed(_)
            )),
            0,
            "seed {seed}\n{}",
            pair.trace()
        );
    }
}

/// Runs both commands at the same moment; the nonces differ by seed, so either end wins.
fn crossing(left: &Command, right: &Command, each: impl Fn(&Pair)) {
    for seed in 0..SEEDS {
        let mut pair = Pair::new(seed);
        pair.establish(Who::Left);
        pair.command(Who::Left, left.clone());
        pair.command(Who::Right, right.clone());
        settle(&mut pair);
        each(&pair);
    }
}

#[test]
fn crossing_child_rekeyings_leave_one_child_and_tell_one_rekeying() {
    crossing(&child(), &child(), |pair| {
        for who in [Who::Left, Who::Right] {
            let told = pair
                .at(who)
                .count(|e| matches!(e, EventKind::ChildSaRekeyed { .. }));
            assert_eq!(told, 1, "seed {}\n{}", pair.seed(), pair.trace());
            assert_eq!(pair.at(who).sas(pair.now)[0].children.len(), 1);
        }
    });
}

#[test]
fn crossing_ike_rekeyings_leave_one_ike_sa_and_tell_one_rekeying() {
    crossing(&ike(), &ike(), |pair| {
        for who in [Who::Left, Who::Right] {
            let told = pair
                .at(who)
                .count(|e| matches!(e, EventKind::IkeSaRekeyed { .. }));
            assert_eq!(told, 1, "seed {}\n{}", pair.seed(), pair.trace());
            assert_eq!(pair.at(who).sas(pair.now).len(), 1);
        }
    });
}

#[test]
fn a_child_rekeying_that_crosses_an_ike_rekeying_is_tried_again() {
    crossing(&child(), &ike(), |_| {});
    crossing(&ike(), &child(), |_| {});
}

/// One response or request of an end is held back while everything else goes on.
fn with_held(
    exchange: u8,
    response: bool,
    from: Who,
    commands: (&Command, &Command),
    hold: Duration,
) {
    for seed in 0..SEEDS {
        let mut pair = Pair::new(seed);
        pair.establish(Who::Left);
        let address = pair.at(from).address;
        let mut held = false;
        pair.net.filter(move |p| {
            let this = p.from.ip() == address
                && p.exchange() == Some(exchange)
                && p.is_response() == response;
            if this && !held {
                held = true;
                return Verdict::Delay(hold);
            }
            Verdict::Pass
        });
        pair.command(Who::Left, commands.0.clone());
        pair.command(Who::Right, commands.1.clone());
        settle(&mut pair);
    }
}

#[test]
fn crossing_rekeyings_with_one_message_held_back_converge() {
    for commands in [
        (child(), child()),
        (ike(), ike()),
        (child(), ike()),
        (ike(), child()),
    ] {
        for from in [Who::Left, Who::Right] {
            for response in [false, true] {
                for hold in [100, 1500, 3000] {
                    with_held(
                        36,
                        response,
                        from,
                        (&commands.0, &commands.1),
                        Duration::from_millis(hold),
                    );
                }
            }
        }
    }
}

#[test]
fn crossing_rekeyings_with_a_delete_held_back_converge() {
    for commands in [(child(), child()), (ike(), ike())] {
        for from in [Who::Left, Who::Right] {
            for response in [false, true] {
                with_held(
                    37,
                    response,
                    from,
                    (&commands.0, &commands.1),
                    Duration::from_millis(1500),
                );
            }
        }
    }
}

#[test]
fn a_rekeying_that_crosses_the_end_of_the_ike_sa_leaves_nothing() {
    for seed in 0..SEEDS {
        for command in [child(), ike()] {
            let mut pair = Pair::new(seed);
            pair.establish(Who::Left);
            pair.command(Who::Left, command);
            pair.command(Who::Right, Command::Down("tunnel".into()));
            pair.run_for(Duration::from_secs(120));
            for who in [Who::Left, Who::Right] {
                assert!(pair.at(who).sas(pair.now).is_empty(), "{}", pair.trace());
                assert!(pair.at(who).plane.sas.is_empty(), "{}", pair.trace());
                assert_eq!(pair.at(who).open_commands(), 0);
                let closed = pair
                    .at(who)
                    .count(|e| matches!(e, EventKind::IkeSaClosed(_)));
                assert_eq!(closed, 1, "seed {seed}\n{}", pair.trace());
            }
        }
    }
}

#[test]
fn both_ends_end_the_ike_sa_at_once() {
    let mut pair = Pair::new(1);
    pair.establish(Who::Left);
    pair.command(Who::Left, Command::Down("tunnel".into()));
    pair.command(Who::Right, Command::Down("tunnel".into()));
    pair.run_for(Duration::from_secs(1));
    for who in [Who::Left, Who::Right] {
        assert!(pair.at(who).sas(pair.now).is_empty());
        assert_eq!(pair.at(who).open_commands(), 0);
    }
}
