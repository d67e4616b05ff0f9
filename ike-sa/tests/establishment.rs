//! Two ends come to an IKE SA and a child.
use core::net::IpAddr;
use core::time::Duration;
use ike_sa::testing::{Pair, Who, psk_policy, set};
use ike_sa::{Command, EventKind, Reason};
use ike_wire::{EncrId, IntegId, KeMethod, PrfId};

#[test]
fn two_gateways_establish_a_tunnel_and_understand_each_other() {
    let mut pair = Pair::new(1);
    pair.establish(Who::Left);
    pair.check_quiet().unwrap();
    pair.ping_both("tunnel").unwrap();
    assert_eq!(pair.net.log.len(), 4, "two exchanges");
    let sas = pair.left.sas(pair.now);
    assert_eq!(sas[0].name, "tunnel");
    assert!(sas[0].initiator);
    assert_eq!(sas[0].children[0].ts_local.len(), 1);
    assert!(sas[0].children[0].suite.esn, "preferred by both");
}

#[test]
fn the_responder_has_the_child_before_its_answer_leaves() {
    let mut pair = Pair::new(2);
    pair.right.answer_delay = Duration::from_secs(1);
    pair.command(Who::Left, Command::Up("tunnel".into()));
    let mut installed_first = false;
    pair.run_until(Duration::from_secs(30), |p| {
        installed_first |= !p.right.plane.sas.is_empty() && p.net.log.len() < 4;
        p.net.log.len() >= 4
    });
    assert!(installed_first);
}

#[test]
fn every_key_exchange_and_cipher_built_in_works() {
    let kes = [
        KeMethod::CURVE25519,
        KeMethod::ECP256,
        KeMethod::ECP384,
        KeMethod::MODP2048,
    ];
    let ciphers: [(EncrId, Option<u16>, &[IntegId]); 6] = [
        (EncrId::AES_GCM_16, Some(128), &[]),
        (EncrId::AES_GCM_16, Some(256), &[]),
        (EncrId::AES_CBC, Some(128), &[IntegId::HMAC_SHA2_256_128]),
        (EncrId::AES_CBC, Some(192), &[IntegId::HMAC_SHA2_384_192]),
        (EncrId::AES_CBC, Some(256), &[IntegId::HMAC_SHA2_512_256]),
        (EncrId::CHACHA20_POLY1305, None, &[]),
    ];
    let prfs = [
        PrfId::HMAC_SHA2_256,
        PrfId::HMAC_SHA2_384,
        PrfId::HMAC_SHA2_512,
    ];
    let mut n = 0;
    for ke in kes {
        for (encr, bits, integ) in ciphers {
            let prf = prfs[n % prfs.len()];
            n += 1;
            let mut pair = Pair::with(n as u64, |_, set| {
                let p = &mut set.policies[0];
                p.ike[0].ke = vec![ke];
                p.ike[0].encr = vec![(encr, bits)];
                p.ike[0].integ = integ.to_vec();
                p.ike[0].prf = vec![prf];
                let c = &mut p.children[0].proposals[0];
                c.encr = vec![(encr, bits)];
                c.integ = integ.to_vec();
                c.ke = vec![ke];
            });
            pair.establish(Who::Left);
            pair.check_quiet().unwrap();
            pair.ping_both("tunnel").unwrap();
            // With PFS of the same kind, and the keys of another generation.
            let done = pair.command_and_wait(
                Who::Right,
                Command::RekeyChild("tunnel".into()),
                Duration::from_secs(5),
            );
            assert_eq!(done, Some(Ok(())), "{ke} {encr}");
            pair.ping_both("tunnel").unwrap();
            pair.run_for(Duration::from_secs(6));
            pair.check_quiet().unwrap();
            let suite = pair.left.sas(pair.now)[0].children[0].clone();
            assert_eq!(suite.ke, Some(ke));
            assert_eq!(suite.suite.cipher.encr(), (encr, bits));
        }
    }
}

#[test]
fn ipv6_works_as_well() {
    let (a, b): (IpAddr, IpAddr) = (
        "2001:db8::1".parse().unwrap(),
        "2001:db8::2".parse().unwrap(),
    );
    let mut pair = Pair::bare(7, Default::default(), Default::default());
    (pair.left.address, pair.right.address) = (a, b);
    for (who, local, peer) in [(Who::Left, a, b), (Who::Right, b, a)] {
        let mut scene = Pair::scene(who);
        (scene.local, scene.peer) = (local, peer);
        pair.set_policies(who, set(vec![psk_policy(&scene)]));
    }
    pair.establish(Who::Left);
    pair.check_quiet().unwrap();
    pair.ping_both("tunnel").unwrap();
    assert_eq!(pair.left.sas(pair.now)[0].nat, (false, false));
}

#[test]
fn several_children_of_a_policy_come_up_one_after_the_other() {
    let mut pair = Pair::with(3, |_, set| {
        let p = &mut set.policies[0];
        for n in 1..4u8 {
            let mut child = p.children[0].clone();
            child.name = format!("tunnel-{n}");
            for (l, r) in &mut child.flows {
                l.protocol = n;
                r.protocol = n;
            }
            p.children.push(child);
        }
    });
    pair.establish(Who::Left);
    pair.check_quiet().unwrap();
    for name in ["tunnel", "tunnel-1", "tunnel-2", "tunnel-3"] {
        pair.ping_both(name).unwrap();
    }
    assert_eq!(pair.left.sas(pair.now)[0].children.len(), 4);
}

#[test]
fn active_policies_of_both_ends_make_one_ike_sa() {
    for seed in 0..20 {
        let mut pair = Pair::with(seed, |_, set| {
            set.policies[0].initiation = ike_sa::Initiation::Active;
        });
        pair.run_for(Duration::from_secs(60));
        pair.check_quiet().unwrap();
        pair.ping_both("tunnel").unwrap();
        assert_eq!(pair.left.sas(pair.now).len(), 1, "seed {seed}");
    }
}

#[test]
fn no_overlap_of_proposals_is_said_with_both_sides() {
    let mut pair = Pair::with(4, |who, set| {
        if who == Who::Right {
            set.policies[0].ike[0].encr = vec![(EncrId::AES_GCM_16, Some(128))];
        }
    });
    let up = pair.command_and_wait(
        Who::Left,
        Command::Up("tunnel".into()),
        Duration::from_secs(60),
    );
    let Some(Err(Reason::PeerNotify(kind))) = up else {
        panic!("{up:?}");
    };
    assert_eq!(kind, ike_wire::NotifyType::NO_PROPOSAL_CHOSEN);
    let text = pair.right.reasons()[0].to_string();
    assert!(
        text.contains("AES_GCM_16-256") && text.contains("AES_GCM_16-128"),
        "{text}"
    );
    assert!(matches!(
        pair.right.endpoint.failures()[0].kind,
        EventKind::AttemptFailed(Reason::NoProposalChosen { .. })
    ));
}

#[test]
fn a_helper_that_never_answers_fails_the_attempt_with_a_reason() {
    let mut pair = Pair::new(5);
    pair.left.ca_is_dead = true;
    let up = pair.command_and_wait(
        Who::Left,
        Command::Up("tunnel".into()),
        Duration::from_secs(11),
    );
    let text = up.unwrap().unwrap_err().to_string();
    assert!(text.contains("no answer in time"), "{text}");
    pair.left.ca_is_dead = false;
    pair.establish(Who::Left);
    // The responder's half-open SA of the first try goes by itself.
    pair.run_for(Duration::from_secs(30));
    pair.check_quiet().unwrap();
}

#[test]
fn a_child_the_data_plane_refuses_leaves_the_ike_sa() {
    let mut pair = Pair::new(6);
    pair.right.plane.refuse = 1;
    let up = pair.command_and_wait(
        Who::Left,
        Command::Up("tunnel".into()),
        Duration::from_secs(11),
    );
    assert!(matches!(up, Some(Err(Reason::PeerNotify(_)))), "{up:?}");
    assert_eq!(pair.left.sas(pair.now).len(), 1);
    assert!(pair.left.plane.sas.is_empty());
    pair.establish(Who::Left);
    pair.check_quiet().unwrap();
    pair.ping_both("tunnel").unwrap();
}
