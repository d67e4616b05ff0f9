use super::*;
use crate::testing::{Pair, Who, psk_policy};

fn policy(name: &str) -> Policy {
    Policy {
        name: name.into(),
        ..psk_policy(&Pair::scene(Who::Right))
    }
}

fn facts<'a>() -> Facts<'a> {
    Facts {
        path: Path {
            local: "192.0.2.2:500".parse().unwrap(),
            peer: "192.0.2.1:500".parse().unwrap(),
        },
        offer: None,
        suite: None,
        peer_id: None,
        local_id: None,
    }
}

fn name(policies: Vec<Policy>, facts: &Facts<'_>) -> Result<String, Reason> {
    let policies: Vec<_> = policies.into_iter().map(Arc::new).collect();
    find(&policies, facts).map(|p| p.name.clone())
}

#[test]
fn the_last_match_wins_unless_an_earlier_one_is_quick() {
    let found = name(vec![policy("a"), policy("b")], &facts());
    assert_eq!(found, Ok("b".into()));
    let mut quick = policy("a");
    quick.quick = true;
    assert_eq!(name(vec![quick, policy("b")], &facts()), Ok("a".into()));
}

#[test]
fn the_default_is_only_for_what_nothing_else_matches() {
    let mut fallback = policy("fallback");
    fallback.default = true;
    fallback.peer = None;
    let found = name(vec![policy("a"), fallback.clone()], &facts());
    assert_eq!(found, Ok("a".into()));
    let mut elsewhere = policy("a");
    elsewhere.peer = Some(AddrRange::host("203.0.113.1".parse().unwrap()));
    let found = name(vec![elsewhere, fallback], &facts());
    assert_eq!(found, Ok("fallback".into()));
}

#[test]
fn each_policy_is_refused_with_its_first_field() {
    let mut by_peer = policy("by peer");
    by_peer.peer = Some(AddrRange::host("203.0.113.1".parse().unwrap()));
    let mut by_local = policy("by local");
    by_local.local = by_peer.peer;
    let by_id = policy("by id");
    let stranger = Id {
        kind: IdType::FQDN,
        data: b"stranger".to_vec(),
    };
    let facts = Facts {
        peer_id: Some(&stranger),
        ..facts()
    };
    let Err(Reason::NoPolicy { tried }) = name(vec![by_peer, by_local, by_id], &facts) else {
        panic!();
    };
    let fields: Vec<_> = tried.iter().map(|t| (&*t.policy, &*t.field)).collect();
    assert_eq!(
        fields,
        [
            ("by peer", "peer"),
            ("by local", "local"),
            ("by id", "dstid")
        ]
    );
}

#[test]
fn names_compare_without_case_and_addresses_exactly() {
    let id = |kind, data: &[u8]| Id {
        kind,
        data: data.to_vec(),
    };
    assert!(id(IdType::FQDN, b"A.example").matches(&id(IdType::FQDN, b"a.EXAMPLE")));
    assert!(!id(IdType::FQDN, b"a").matches(&id(IdType::RFC822_ADDR, b"a")));
    assert!(!id(IdType::KEY_ID, b"A").matches(&id(IdType::KEY_ID, b"a")));
}
