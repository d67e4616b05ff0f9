//! Narrowing and TS_UNACCEPTABLE (RFC 7296 §2.9).
use core::net::IpAddr;
use core::time::Duration;
use ike_sa::testing::{Pair, Who, ts};
use ike_sa::{Command, Reason};
use ike_wire::NotifyType;

fn net(a: [u8; 4], b: [u8; 4]) -> (IpAddr, IpAddr) {
    (IpAddr::from(a), IpAddr::from(b))
}

#[test]
fn a_wide_offer_is_narrowed_and_stays_so_after_rekeying() {
    let mut pair = Pair::with(1, |who, set| {
        if who == Who::Left {
            let everything = ts(net([0, 0, 0, 0], [255, 255, 255, 255]));
            set.policies[0].children[0].flows = vec![(everything, everything)];
        }
    });
    pair.establish(Who::Left);
    let narrow = |pair: &Pair| {
        let sas = pair.left.sas(pair.now);
        let child = &sas[0].children[0];
        assert_eq!(child.ts_local, [ts(net([10, 1, 0, 0], [10, 1, 0, 255]))]);
        assert_eq!(child.ts_peer, [ts(net([10, 2, 0, 0], [10, 2, 0, 255]))]);
        let installed = pair.left.plane.sender("tunnel").unwrap();
        assert_eq!(
            installed.spec.flows,
            [(child.ts_local[0], child.ts_peer[0])]
        );
    };
    narrow(&pair);
    for who in [Who::Left, Who::Right] {
        let done = pair.command_and_wait(
            who,
            Command::RekeyChild("tunnel".into()),
            Duration::from_secs(5),
        );
        assert_eq!(done, Some(Ok(())));
        pair.run_for(Duration::from_secs(6));
        pair.check_quiet().unwrap();
        narrow(&pair);
    }
}

#[test]
fn nothing_in_common_refuses_the_child_and_keeps_the_ike_sa() {
    let mut pair = Pair::with(2, |who, set| {
        if who == Who::Right {
            let other = ts(net([172, 16, 0, 0], [172, 16, 0, 255]));
            set.policies[0].children[0].flows[0].0 = other;
        }
    });
    let up = pair.command_and_wait(
        Who::Left,
        Command::Up("tunnel".into()),
        Duration::from_secs(5),
    );
    assert_eq!(
        up,
        Some(Err(Reason::PeerNotify(NotifyType::TS_UNACCEPTABLE)))
    );
    for who in [Who::Left, Who::Right] {
        let sas = pair.at(who).sas(pair.now);
        assert_eq!(sas.len(), 1);
        assert_eq!(sas[0].state, "ESTABLISHED");
        assert!(sas[0].children.is_empty());
        assert!(pair.at(who).plane.sas.is_empty());
    }
    let Reason::TsUnacceptable {
        offered,
        configured,
    } = pair.right.reasons()[0]
    else {
        panic!("{:?}", pair.right.reasons());
    };
    assert!(offered.contains("10.2.0.0-10.2.0.255"), "{offered}");
    assert!(
        configured.contains("172.16.0.0-172.16.0.255"),
        "{configured}"
    );
}

#[test]
fn only_configured_pairs_of_networks_are_installed() {
    let a1 = ts(net([10, 1, 0, 0], [10, 1, 0, 255]));
    let a2 = ts(net([10, 1, 1, 0], [10, 1, 1, 255]));
    let b1 = ts(net([10, 2, 0, 0], [10, 2, 0, 255]));
    let b2 = ts(net([10, 2, 1, 0], [10, 2, 1, 255]));
    let mut pair = Pair::with(3, |who, set| {
        set.policies[0].children[0].flows = match who {
            Who::Left => vec![(a1, b1), (a2, b2)],
            Who::Right => vec![(b1, a1), (b2, a2)],
        };
    });
    pair.establish(Who::Left);
    pair.check_quiet().unwrap();
    let flows = &pair.left.plane.sender("tunnel").unwrap().spec.flows;
    assert_eq!(flows, &[(a1, b1), (a2, b2)]);
}
