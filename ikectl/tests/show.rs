//! What people and programs see.
#![allow(clippy::unwrap_used)]
mod common;
use common::{Act, Daemon, daemon_info, office, warehouse};
use ike_sa::{Event, EventKind, Id, Instant, ProposalMismatch, Reason};
use ike_wire::{IdType, NotifyType, ProtocolId, TransformType};
use iked::control::proto::{DaemonInfo, Failure, Reply, Request, Stat};

fn show_sa(daemon: DaemonInfo, sas: Vec<ike_sa::IkeSaSnapshot>, words: &str) -> common::Ran {
    let mut replies = vec![Reply::Daemon(Box::new(daemon))];
    replies.extend(sas.into_iter().map(|sa| Reply::Sa(Box::new(sa))));
    replies.push(Reply::End);
    let (request, ran) = Daemon::start(Act::Say(replies)).ikectl(words);
    assert_eq!(request, Request::ShowSa);
    ran
}

#[test]
fn sas_are_a_table_that_fits_80_columns() {
    let ran = show_sa(daemon_info(), vec![office(), warehouse()], "show sa");
    let too_wide: Vec<&str> = ran.out.lines().filter(|l| l.chars().count() > 80).collect();
    assert!(too_wide.is_empty(), "{too_wide:#?}");
    assert!(!ran.out.contains('\x1b'), "colour without a terminal");
    insta::assert_snapshot!(ran);
}

#[test]
fn sas_are_an_array_with_the_documented_fields() {
    let ran = show_sa(daemon_info(), vec![office(), warehouse()], "--json show sa");
    let documented: serde_json::Value =
        serde_json::from_str(example_of("show sa")).expect("the example is JSON");
    let printed: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(keys(&printed[0]), keys(&documented[0]));
    assert_eq!(keys(&printed[0]["local"]), ["addr", "id"]);
    assert_eq!(keys(&printed[0]["ike"]), keys(&documented[0]["ike"]));
    assert_eq!(
        keys(&printed[0]["children"][0]),
        keys(&documented[0]["children"][0])
    );
    insta::assert_snapshot!(ran);
}

#[test]
fn no_sas_are_an_empty_array() {
    let ran = show_sa(daemon_info(), vec![], "show sa --json");
    assert_eq!((ran.status, ran.out.as_str()), (0, "[]\n"));
}

#[test]
fn without_sas_it_says_so_and_what_to_try() {
    insta::assert_snapshot!(show_sa(daemon_info(), vec![], "show sa"));
}

#[test]
fn while_connecting_it_says_that_nothing_is_established_yet() {
    insta::assert_snapshot!(show_sa(daemon_info(), vec![warehouse()], "show sa"));
}

#[test]
fn a_passive_and_decoupled_daemon_is_called_that() {
    let daemon = DaemonInfo {
        active: false,
        coupled: false,
        dataplane: "none".into(),
        dataplane_configured: "none".into(),
        dataplane_note: String::new(),
        policies: vec!["it's one".into()],
        ..daemon_info()
    };
    insta::assert_snapshot!(show_sa(daemon, vec![], "show sa"));
}

#[test]
fn a_daemon_without_policies_is_told_how_to_get_one() {
    let daemon = DaemonInfo {
        policies: vec![],
        ..daemon_info()
    };
    insta::assert_snapshot!(show_sa(daemon, vec![], "show sa"));
}

#[test]
fn an_identity_cannot_steer_the_terminal() {
    let mut sa = office();
    sa.name = "a\x1b[2J".into();
    sa.peer.0 = Some(Id {
        kind: IdType::FQDN,
        data: b"evil\x1b[31m\r\n".to_vec(),
    });
    let ran = show_sa(daemon_info(), vec![sa], "show sa");
    assert!(
        ran.out.chars().all(|c| c == '\n' || !c.is_control()),
        "{ran}"
    );
}

#[test]
fn a_thousand_sas_come_through() {
    let ran = show_sa(daemon_info(), vec![office(); 1000], "show sa --json");
    let printed: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed.as_array().unwrap().len(), 1000);
}

fn stats() -> Vec<Reply> {
    let stat = |section: &str, name: &str, value| {
        Reply::Stat(Stat {
            section: section.into(),
            name: name.into(),
            value,
        })
    };
    vec![
        stat("ikev2", "datagrams_received", 1234),
        stat("ikev2", "dropped_bad_spi", 2),
        stat("esp", "replayed", 12_345_678_901),
        Reply::End,
    ]
}

#[test]
fn counters_are_grouped() {
    let (request, ran) = Daemon::start(Act::Say(stats())).ikectl("show stats");
    assert_eq!(request, Request::ShowStats);
    insta::assert_snapshot!(ran);
}

#[test]
fn counters_are_an_object_of_sections() {
    let (_, ran) = Daemon::start(Act::Say(stats())).ikectl("show stats --json");
    let printed: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed["esp"]["replayed"], 12_345_678_901u64);
    let documented: serde_json::Value = serde_json::from_str(example_of("show stats")).unwrap();
    assert!(documented["ikev2"].is_object());
}

fn failed_lately() -> Vec<Reply> {
    let failure = |age_s, policy: Option<&str>, peer: &str, kind| {
        Reply::Failure(Box::new(Failure {
            age_s,
            event: Event {
                at: Instant::default(),
                sa: None,
                policy: policy.map(Into::into),
                peer: Some(peer.parse().unwrap()),
                kind,
            },
        }))
    };
    vec![
        failure(
            7_300,
            None,
            "[2001:db8::9]:500",
            EventKind::AttemptFailed(Reason::NoProposalChosen {
                protocol: ProtocolId::IKE,
                mismatches: vec![ProposalMismatch {
                    offered: 1,
                    configured: 1,
                    kind: TransformType::KE,
                    detail: "peer offers MODP1024, we accept CURVE25519, ECP256".into(),
                }],
            }),
        ),
        failure(
            61,
            Some("office"),
            "203.0.113.7:500",
            EventKind::AttemptFailed(Reason::PeerNotify(NotifyType::AUTHENTICATION_FAILED)),
        ),
        failure(
            2,
            Some("office"),
            "203.0.113.7:4500",
            EventKind::ChildRefused {
                child: "office".into(),
                reason: Reason::TsUnacceptable {
                    offered: "10.9.0.0/16".into(),
                    configured: "10.2.0.0/24".into(),
                },
            },
        ),
        Reply::End,
    ]
}

#[test]
fn failures_say_when_who_and_why() {
    let (request, ran) = Daemon::start(Act::Say(failed_lately())).ikectl("show failures");
    assert_eq!(request, Request::ShowFailures);
    insta::assert_snapshot!(ran);
}

#[test]
fn failures_are_an_array_with_the_documented_fields() {
    let (_, ran) = Daemon::start(Act::Say(failed_lately())).ikectl("show failures --json");
    let printed: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let documented: serde_json::Value = serde_json::from_str(example_of("show failures")).unwrap();
    assert_eq!(keys(&printed[1]), keys(&documented[0]));
    assert_eq!(printed[1]["what"], "peer answered AUTHENTICATION_FAILED");
}

#[test]
fn without_failures_it_says_so() {
    let (_, ran) = Daemon::start(Act::Say(vec![Reply::End])).ikectl("show failures");
    assert_eq!(ran.status, 0);
    assert_eq!(ran.out, "Nothing failed since the daemon started.\n");
}

fn keys(value: &serde_json::Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap_or_else(|| panic!("{value} is no object"))
        .keys()
        .map(String::as_str)
        .collect()
}

/// The first JSON block under the heading of a command in docs/json.md.
fn example_of(command: &str) -> &'static str {
    let text = include_str!("../../docs/json.md");
    let (_, section) = text
        .split_once(&format!("\n## `ikectl {command} --json`\n"))
        .unwrap_or_else(|| panic!("docs/json.md has no section for {command}"));
    let (_, block) = section.split_once("```json\n").unwrap();
    block.split_once("```").unwrap().0
}
