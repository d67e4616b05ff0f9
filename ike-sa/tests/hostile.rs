//! What a stranger, or a peer that is authenticated but hostile, must not be able to do.
use core::time::Duration;
use ike_sa::testing::{Packet, Pair, Who, psk_policy, set};
use ike_sa::{Command, Config, IdMatch, Reason};
use ike_ts::{AddrRange, PortRange, TrafficSelector};
use ike_wire::payload::{Body, Proposal, SaPayload, Transform};
use ike_wire::{KeMethod, Message, TransformType};

#[test]
fn thousands_of_proposals_make_no_long_reason() {
    let mut pair = Pair::new(1);
    pair.command(Who::Left, Command::Up("tunnel".into()));
    pair.run_for(Duration::from_millis(1));
    let first = pair.net.log[0].clone();
    let mut message = Message::decode(first.ike()).unwrap();
    for payload in &mut message.payloads {
        if let Body::Sa(sa) = &mut payload.body {
            let transforms = || vec![Transform::new(TransformType::ENCR, 3, None); 255];
            let proposals = (0..30).map(|n| Proposal::ike(n, transforms()));
            let small = (0..2000).map(|n| {
                Proposal::ike(n as u8, vec![Transform::new(TransformType::ENCR, 3, None)])
            });
            let proposals = proposals.take(10).chain(small).collect();
            *sa = SaPayload { proposals };
        }
    }
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    assert!(bytes.len() > 50_000 && bytes.len() < 65_536);
    let now = pair.now;
    pair.right.endpoint.handle_datagram(
        now,
        Packet {
            bytes: bytes.clone(),
            ..first.clone()
        }
        .path(),
        &bytes,
    );
    let failures = pair.right.endpoint.failures();
    let text = format!("{:?}", failures.last().unwrap());
    assert!(text.contains("NoProposalChosen"), "{text}");
    assert!(text.len() < 8_000, "{} octets", text.len());
}

#[test]
fn a_peer_cannot_have_children_without_end() {
    let mut pair = Pair::with(2, |who, set| {
        if who == Who::Left {
            for n in 0..60 {
                let mut child = set.policies[0].children[0].clone();
                child.name = format!("child{n}");
                set.policies[0].children.push(child);
            }
        }
    });
    pair.command(Who::Left, Command::Up("tunnel".into()));
    pair.run_for(Duration::from_secs(20));
    let children = pair.right.plane.sas.len();
    assert!(children > 1 && children <= 20, "{children}");
    assert!(!pair.left.sas(pair.now).is_empty());
}

#[test]
fn selectors_in_thousands_of_pieces_are_refused() {
    let mut pair = Pair::with(3, |who, set| {
        if who == Who::Left {
            let flows = &mut set.policies[0].children[0].flows;
            let (local, peer) = flows[0];
            let piece = |whole: TrafficSelector, n: u16| TrafficSelector {
                protocol: 17,
                ports: PortRange::single(n.saturating_mul(2)),
                addrs: AddrRange::host(whole.addrs.start()),
            };
            *flows = (1..200)
                .map(|n| (piece(local, n), piece(peer, n)))
                .collect();
        }
    });
    pair.command(Who::Left, Command::Up("tunnel".into()));
    pair.run_for(Duration::from_secs(5));
    assert!(pair.right.plane.sas.is_empty());
    assert!(!pair.right.sas(pair.now).is_empty());
}

#[test]
fn failures_to_authenticate_count_as_load() {
    let mut pair = Pair::with(4, |_, set| set.settings.cookie_threshold = 1);
    pair.right.psk.insert("tunnel".into(), b"another".to_vec());
    for sent in [0, 1] {
        let up = Command::Up("tunnel".into());
        let done = pair.command_and_wait(Who::Left, up, Duration::from_secs(5));
        assert!(matches!(done, Some(Err(_))));
        assert_eq!(pair.right.stat("cookies_sent"), sent);
    }
    pair.run_for(Duration::from_secs(60));
    assert_eq!(pair.right.stat("cookies_sent"), 1);
}

#[test]
fn initial_contact_with_a_chosen_identity_ends_nothing_of_another_policy() {
    let mut pair = Pair::with(5, |who, set| {
        set.policies[0].ike[0].ke = vec![KeMethod::CURVE25519];
        if who == Who::Right {
            let mut open = set.policies[0].clone();
            open.name = "open".into();
            open.peer_id = IdMatch::Any;
            open.ike[0].ke = vec![KeMethod::ECP256];
            set.policies.push(open);
            set.settings.enforce_single_ike_sa = true;
        }
    });
    pair.right
        .psk
        .insert("open".into(), b"everybody's".to_vec());
    pair.establish(Who::Left);
    assert_eq!(pair.right.sas(pair.now)[0].name, "tunnel");
    // Somebody else, who has the other policy's key only, says to be the same.
    let mut set = set(vec![psk_policy(&Pair::scene(Who::Left))]);
    set.policies[0].ike[0].ke = vec![KeMethod::ECP256];
    pair.reboot(Who::Left, Config::default(), set);
    pair.left
        .psk
        .insert("tunnel".into(), b"everybody's".to_vec());
    let up = Command::Up("tunnel".into());
    let done = pair.command_and_wait(Who::Left, up, Duration::from_secs(5));
    assert_eq!(done, Some(Ok(())));
    let mut names: Vec<_> = pair
        .right
        .sas(pair.now)
        .into_iter()
        .map(|s| s.name)
        .collect();
    names.sort();
    assert_eq!(names, ["open", "tunnel"]);
}

#[test]
fn the_addresses_of_one_ipv6_network_count_as_one_peer() {
    let mut pair = Pair::with(6, |_, set| {
        for policy in &mut set.policies {
            policy.peer = None;
            policy.local = None;
        }
        set.settings.cookie_threshold = u32::MAX;
    });
    // One IKE_SA_INIT of a peer of any address, with another SPI each time.
    let mut other = Pair::new(7);
    other.command(Who::Left, Command::Up("tunnel".into()));
    other.run_for(Duration::from_millis(1));
    let first = other.net.log[0].clone();
    let mut send = |network: u16, host: u16| {
        let mut bytes = first.bytes.clone();
        bytes[..2].copy_from_slice(&host.to_be_bytes());
        bytes[2..4].copy_from_slice(&network.to_be_bytes());
        let mut path = first.path();
        let address = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host);
        path.peer = (address, 500).into();
        path.local = "[2001:db8:ffff::1]:500".parse().unwrap();
        let now = pair.now;
        pair.right.endpoint.handle_datagram(now, path, &bytes);
        pair.right.stat("drop_half_open_limit")
    };
    for host in 1..=256 {
        assert_eq!(send(1, host), 0, "host {host}");
    }
    assert_eq!(send(1, 257), 1);
    assert_eq!(send(2, 1), 1);
}

#[test]
fn an_identity_without_end_is_refused_before_it_is_repeated_anywhere() {
    for (seed, hostile) in [(8, Who::Left), (9, Who::Right)] {
        let mut pair = Pair::with(seed, |who, set| {
            let policy = &mut set.policies[0];
            if who == hostile {
                policy.local_id.data = vec![b'a'; 1025];
            } else {
                policy.peer_id = IdMatch::Any;
            }
        });
        pair.command(Who::Left, Command::Up("tunnel".into()));
        pair.run_for(Duration::from_secs(5));
        let honest = pair.at(hostile.other());
        assert!(honest.sas(pair.now).is_empty());
        let reason = honest.reasons()[0].clone();
        let short = Reason::InvalidSyntax("identity of 1025 octets".into());
        assert_eq!(reason, short);
        assert!(pair.left.plane.sas.is_empty() && pair.right.plane.sas.is_empty());
    }
}

#[test]
fn an_identity_of_ours_without_end_is_not_compared_with_policies() {
    let mut pair = Pair::with(10, |who, set| {
        if who == Who::Left
            && let IdMatch::Exact(id) = &mut set.policies[0].peer_id
        {
            id.data = vec![b'a'; 1025];
        }
    });
    pair.command(Who::Left, Command::Up("tunnel".into()));
    pair.run_for(Duration::from_secs(5));
    let reason = pair.right.reasons()[0].clone();
    assert!(matches!(reason, Reason::InvalidSyntax(_)), "{reason}");
}

#[test]
fn a_peer_cannot_have_ike_sas_without_end() {
    const PATHS: usize = 67;
    let mut pair = Pair::with(11, |who, set| {
        if who == Who::Left {
            let policy = set.policies.remove(0);
            for n in 0..PATHS {
                let mut policy = policy.clone();
                policy.name = format!("path{n}");
                set.policies.push(policy);
            }
        }
    });
    let psk = pair.left.psk["tunnel"].clone();
    for n in 0..PATHS {
        let name = format!("path{n}");
        pair.left.psk.insert(name.clone(), psk.clone());
        let done = pair.command_and_wait(Who::Left, Command::Up(name), Duration::from_secs(5));
        assert_eq!(done, Some(Ok(())), "{n}");
        assert!(pair.right.sas(pair.now).len() <= 65);
    }
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.right.sas(pair.now).len(), 64);
    let left = pair.left.sas(pair.now);
    let names: Vec<_> = left.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names.len(), 64);
    assert!(!names.contains(&"path0") && names.contains(&"path66"));
}
