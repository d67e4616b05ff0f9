//! Authentication that fails leaves nothing and says why.
use core::time::Duration;
use ike_sa::testing::{Pair, Who};
use ike_sa::{Command, Id, IdMatch, Reason};
use ike_wire::{IdType, NotifyType};

fn up(pair: &mut Pair) -> Option<Result<(), Reason>> {
    let up = pair.command_and_wait(
        Who::Left,
        Command::Up("tunnel".into()),
        Duration::from_secs(60),
    );
    pair.run_for(Duration::from_secs(60));
    up
}

fn nothing_left(pair: &Pair) {
    for who in [Who::Left, Who::Right] {
        assert!(pair.at(who).sas(pair.now).is_empty());
        assert!(pair.at(who).plane.sas.is_empty());
    }
}

#[test]
fn another_key_at_the_responder_fails_at_both_ends_and_leaves_nothing() {
    let mut pair = Pair::new(1);
    pair.right
        .psk
        .insert("tunnel".into(), b"something else".to_vec());
    assert_eq!(
        up(&mut pair),
        Some(Err(Reason::PeerNotify(NotifyType::AUTHENTICATION_FAILED)))
    );
    nothing_left(&pair);
    let Reason::AuthenticationFailed { peer, detail } = pair.right.reasons()[0] else {
        panic!("{:?}", pair.right.reasons());
    };
    assert_eq!(peer, "left.example");
    assert!(detail.contains("pre-shared"));
}

#[test]
fn a_responder_that_is_not_who_it_should_be_is_told_and_forgotten() {
    let mut pair = Pair::with(2, |who, set| {
        if who == Who::Right {
            // It takes any request for itself, and says it is somebody else.
            set.policies[0].peer_id = IdMatch::Any;
        } else {
            set.policies[0].peer_id = IdMatch::Any;
        }
    });
    // The initiator's `ca` does not believe: the responder is established by then.
    pair.left.psk.insert("tunnel".into(), b"x".to_vec());
    pair.right.psk.insert("tunnel".into(), b"x".to_vec());
    pair.command(Who::Left, Command::Up("tunnel".into()));
    pair.run_until(Duration::from_secs(5), |p| p.net.log.len() == 3);
    pair.left.psk.insert("tunnel".into(), b"y".to_vec());
    pair.run_for(Duration::from_secs(60));
    nothing_left(&pair);
    assert!(
        pair.left
            .reasons()
            .iter()
            .any(|r| matches!(r, Reason::AuthenticationFailed { .. }))
    );
    assert!(
        pair.right
            .reasons()
            .contains(&&Reason::PeerNotify(NotifyType::AUTHENTICATION_FAILED))
    );
}

#[test]
fn an_identity_no_policy_accepts_is_refused_with_the_field_that_failed() {
    let mut pair = Pair::with(3, |who, set| {
        if who == Who::Left {
            set.policies[0].local_id = Id {
                kind: IdType::FQDN,
                data: b"stranger.example".to_vec(),
            };
        }
    });
    assert_eq!(
        up(&mut pair),
        Some(Err(Reason::PeerNotify(NotifyType::AUTHENTICATION_FAILED)))
    );
    nothing_left(&pair);
    let Reason::NoPolicy { tried } = pair.right.reasons()[0] else {
        panic!("{:?}", pair.right.reasons());
    };
    assert_eq!(tried[0].policy, "tunnel");
    assert_eq!(tried[0].field, "dstid");
    assert!(tried[0].detail.contains("stranger.example"));
}

#[test]
fn the_policy_is_chosen_again_by_identity() {
    let mut pair = Pair::with(4, |who, set| {
        if who == Who::Right {
            let mut other = set.policies[0].clone();
            other.name = "other".into();
            other.peer_id = IdMatch::Exact(Id {
                kind: IdType::FQDN,
                data: b"other.example".to_vec(),
            });
            // The last one that matches by address wins at first.
            set.policies.push(other);
        }
    });
    pair.establish(Who::Left);
    pair.check_quiet().unwrap();
    assert_eq!(pair.right.sas(pair.now)[0].name, "tunnel");
}

#[test]
fn a_skip_policy_refuses() {
    let mut pair = Pair::with(5, |who, set| {
        if who == Who::Right {
            set.policies[0].skip = true;
        }
    });
    assert_eq!(
        up(&mut pair),
        Some(Err(Reason::PeerNotify(NotifyType::NO_PROPOSAL_CHOSEN)))
    );
    let Reason::NoPolicy { tried } = pair.right.reasons()[0] else {
        panic!("{:?}", pair.right.reasons());
    };
    assert_eq!(tried[0].field, "skip");
}
