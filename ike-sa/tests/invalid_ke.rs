//! INVALID_KE_PAYLOAD (RFC 7296 §1.2, §1.3), both ways.
use core::time::Duration;
use ike_sa::Command;
use ike_sa::testing::{Packet, Pair, Verdict, Who};
use ike_wire::payload::Body;
use ike_wire::{KeMethod, Message};

#[test]
fn the_responders_preference_costs_one_round_and_is_remembered() {
    let mut pair = Pair::with(1, |who, set| {
        if who == Who::Right {
            set.policies[0].ike[0].ke = vec![KeMethod::ECP256, KeMethod::CURVE25519];
        }
    });
    pair.establish(Who::Left);
    pair.check_quiet().unwrap();
    assert_eq!(pair.net.log.len(), 6, "one round more");
    let ke = pair.left.sas(pair.now)[0].ike.unwrap().4;
    assert_eq!(ke, KeMethod::ECP256);
    // Rekeying begins with the group that worked.
    let before = pair.net.log.len();
    let done = pair.command_and_wait(
        Who::Left,
        Command::RekeyIke("tunnel".into()),
        Duration::from_secs(5),
    );
    assert_eq!(done, Some(Ok(())));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.net.log.len() - before, 4);
}

#[test]
fn with_a_cookie_and_another_group_it_takes_three_rounds() {
    let mut pair = Pair::with(2, |who, set| {
        set.settings.cookie_threshold = 0;
        if who == Who::Right {
            set.policies[0].ike[0].ke = vec![KeMethod::ECP256, KeMethod::CURVE25519];
        }
    });
    pair.establish(Who::Left);
    pair.check_quiet().unwrap();
    assert_eq!(pair.net.log.len(), 8);
}

#[test]
fn a_child_rekeyed_with_another_group_takes_one_round_more_and_then_none() {
    let mut pair = Pair::with(3, |who, set| {
        let ke = &mut set.policies[0].children[0].proposals[0].ke;
        *ke = match who {
            Who::Left => vec![KeMethod::CURVE25519, KeMethod::ECP256],
            Who::Right => vec![KeMethod::ECP256, KeMethod::CURVE25519],
        };
    });
    pair.establish(Who::Left);
    for rounds in [6, 4] {
        let before = pair.net.log.len();
        let done = pair.command_and_wait(
            Who::Left,
            Command::RekeyChild("tunnel".into()),
            Duration::from_secs(5),
        );
        assert_eq!(done, Some(Ok(())));
        pair.run_for(Duration::from_secs(6));
        assert_eq!(pair.net.log.len() - before, rounds);
        pair.check_quiet().unwrap();
        pair.ping_both("tunnel").unwrap();
    }
}

#[test]
fn a_forged_invalid_ke_payload_does_not_end_the_attempt() {
    let mut pair = Pair::new(4);
    let right = pair.right.address;
    pair.net.filter(move |p| {
        if p.from.ip() == right && p.exchange() == Some(34) {
            Verdict::Delay(Duration::from_secs(1))
        } else {
            Verdict::Pass
        }
    });
    let id = pair.command(Who::Left, Command::Up("tunnel".into()));
    let request = pair.net.log[0].clone();
    // The same header as a response, with one notification that asks for a group not offered.
    let mut bytes = request.bytes[..8].to_vec();
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[41, 0x20, 34, 0x20, 0, 0, 0, 0, 0, 0, 0, 38]);
    bytes.extend_from_slice(&[0, 0, 0, 10, 0, 0, 0, 17, 0, 1]);
    let (from, to) = (request.to, request.from);
    pair.net.inject(
        pair.now,
        Packet {
            at: pair.now,
            from,
            to,
            bytes,
        },
    );
    pair.run_until(Duration::from_secs(10), |p| p.left.done.contains_key(&id));
    assert_eq!(pair.left.done[&id], Ok(()));
    assert_eq!(pair.left.stat("unauthenticated_errors_in"), 1);
}

#[test]
fn a_forged_response_with_a_bad_public_value_does_not_use_up_the_key() {
    let mut pair = Pair::new(5);
    let right = pair.right.address;
    pair.net.filter(move |p| {
        if p.from.ip() == right && p.exchange() == Some(34) {
            Verdict::Delay(Duration::from_secs(3))
        } else {
            Verdict::Pass
        }
    });
    let id = pair.command(Who::Left, Command::Up("tunnel".into()));
    pair.run_for(Duration::from_secs(1));
    let real = pair.net.log.iter().find(|p| p.is_response()).unwrap();
    let mut forged = real.clone();
    let mut message = Message::decode(real.ike()).unwrap();
    for payload in &mut message.payloads {
        if let Body::Ke(ke) = &mut payload.body {
            // A point of small order.
            ke.data = vec![0; 32].into();
        }
    }
    forged.bytes = Vec::new();
    message.encode(&mut forged.bytes);
    assert_eq!(forged.bytes.len(), real.bytes.len());
    pair.net.inject(pair.now, forged);
    pair.run_until(Duration::from_secs(10), |p| p.left.done.contains_key(&id));
    assert_eq!(pair.left.done[&id], Ok(()));
    assert_eq!(pair.left.stat("drop_bad_ike_sa_init"), 1);
    pair.check_quiet().unwrap();
}
