//! What each command asks for, what it says, and its exit status.
#![allow(clippy::unwrap_used)]
mod common;
use common::{Act, Daemon, ikectl};
use iked::control::proto::{FailCode, Rekey, ReloadReport, Reply, Request, VERSION};
use std::time::{Duration, Instant};

#[test]
fn each_command_asks_for_what_it_says() {
    for (words, wanted) in [
        ("up office", Request::Up("office".into())),
        ("down office", Request::Down("office".into())),
        (
            "rekey office ike",
            Request::Rekey {
                name: "office".into(),
                what: Rekey::Ike,
            },
        ),
        (
            "rek office",
            Request::Rekey {
                name: "office".into(),
                what: Rekey::Child,
            },
        ),
        ("log verbose", Request::LogVerbose(true)),
        ("log b", Request::LogVerbose(false)),
        ("reset sa", Request::ResetSa),
        ("active", Request::Active(true)),
        ("passive", Request::Active(false)),
        ("couple", Request::Couple(true)),
        ("decouple", Request::Couple(false)),
    ] {
        let (asked, ran) = Daemon::start(Act::Say(vec![Reply::Done])).ikectl(words);
        assert_eq!(asked, wanted, "{words}");
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{words}");
        assert_eq!(ran.out.lines().count(), 1, "{words}: {ran}");
    }
}

#[test]
fn with_json_the_end_of_a_command_is_an_object() {
    let (_, ran) = Daemon::start(Act::Say(vec![Reply::Done])).ikectl("--json up office");
    assert_eq!(ran.out, "{\n  \"result\": \"done\"\n}\n");
    let failed = vec![Reply::failed(FailCode::NotFound, "no policy \"office\"")];
    let (_, ran) = Daemon::start(Act::Say(failed)).ikectl("--json up office");
    insta::assert_snapshot!(ran);
}

#[test]
fn up_fails_with_the_reason() {
    let failed = vec![Reply::failed(
        FailCode::Failed,
        "peer answered AUTHENTICATION_FAILED",
    )];
    let (_, ran) = Daemon::start(Act::Say(failed)).ikectl("up office");
    insta::assert_snapshot!(ran);
}

#[test]
fn rekey_fails_with_the_reason() {
    let failed = vec![Reply::failed(
        FailCode::NotFound,
        "no IKE SA of policy \"office\"",
    )];
    let (_, ran) = Daemon::start(Act::Say(failed)).ikectl("rekey office ike");
    insta::assert_snapshot!(ran);
}

#[test]
fn a_daemon_that_refuses_the_caller_at_once_is_heard() {
    for _ in 0..20 {
        let refused = vec![Reply::failed(FailCode::Denied, "only root may")];
        let (_, ran) = Daemon::start(Act::Dismiss(refused)).ikectl("show sa");
        assert_eq!(
            (ran.status, ran.err.as_str()),
            (1, "ikectl: only root may\n")
        );
    }
}

#[test]
fn reload_lists_what_it_did() {
    let report = ReloadReport {
        kept: vec!["office".into(), "warehouse".into()],
        changed: vec!["lab".into()],
        closed: vec![],
        new: vec!["shop in town".into()],
        warnings: String::new(),
    };
    let (_, ran) = Daemon::start(Act::Say(vec![Reply::Reloaded(report.clone())])).ikectl("reload");
    insta::assert_snapshot!(ran);
    let (_, ran) = Daemon::start(Act::Say(vec![Reply::Reloaded(report)])).ikectl("reload --json");
    let printed: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed["changed"][0], "lab");
}

#[test]
fn a_daemon_that_cannot_decouple_leads_to_the_setting_that_does() {
    let refused = vec![Reply::failed(
        FailCode::Unsupported,
        "this daemon does not do that",
    )];
    let (_, ran) = Daemon::start(Act::Say(refused)).ikectl("decouple");
    assert_eq!(ran.status, 1);
    assert!(ran.err.contains("`set decouple` in iked.conf"), "{ran}");
}

#[test]
fn a_reload_that_fails_shows_the_diagnostics_as_they_are() {
    let diagnostics = "error: unknown word `pears`\n --> /etc/iked.conf:3:1\n  |\n3 | pears\n  | ^^^^^ help: `peer`\n";
    let failed = vec![Reply::failed(FailCode::Config, diagnostics)];
    let (_, ran) = Daemon::start(Act::Say(failed)).ikectl("reload");
    assert!(ran.err.ends_with(diagnostics), "{ran}");
    insta::assert_snapshot!(ran);
}

#[test]
fn without_a_daemon_it_names_the_socket_and_how_to_start_one() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(ikectl(&dir.path().join("sock"), "show sa"));
}

#[test]
fn a_socket_that_nobody_listens_on_is_no_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert_eq!(ikectl(&path, "reload").status, 3);
    assert_eq!(
        ikectl(&dir.path().join("x".repeat(200)), "reload").status,
        3
    );
}

#[test]
fn a_daemon_that_says_nothing_does_not_hold_it() {
    let started = Instant::now();
    let (_, ran) = Daemon::start(Act::Hang(vec![])).ikectl("show sa --timeout 1");
    assert!(started.elapsed() < Duration::from_secs(10));
    insta::assert_snapshot!(ran);
}

#[test]
fn a_peer_that_does_not_answer_does_not_hold_it() {
    let (_, ran) = Daemon::start(Act::Hang(vec![])).ikectl("up office --timeout 1");
    insta::assert_snapshot!(ran);
}

#[test]
fn a_daemon_that_accepts_nobody_does_not_hold_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let listener = rustix::net::socket(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    rustix::net::bind(&listener, &rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let started = Instant::now();
    let ran = ikectl(&path, "show sa --timeout 1");
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(ran.status, 3, "{ran}");
}

#[test]
fn a_daemon_that_goes_away_amid_its_answer_is_noticed() {
    let (_, ran) = Daemon::start(Act::Close).ikectl("show sa");
    assert_eq!(ran.status, 3);
    insta::assert_snapshot!(ran);
}

#[test]
fn a_daemon_of_another_release_is_refused_clearly() {
    let (_, ran) = Daemon::start(Act::Raw(vec![VERSION + 1, 0, 0, 0])).ikectl("show sa");
    insta::assert_snapshot!(ran);
}

#[test]
fn something_else_behind_the_socket_is_no_answer() {
    let (_, ran) = Daemon::start(Act::Raw(vec![VERSION, 0, 0, 2, 99, 99])).ikectl("show sa");
    assert_eq!(ran.status, 1);
    let (_, ran) = Daemon::start(Act::Say(vec![Reply::End])).ikectl("up office");
    assert_eq!(ran.status, 1, "{ran}");
}

#[test]
fn wrong_usage_is_status_2() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("sock");
    for words in [
        "",
        "frobnicate",
        "re",
        "up",
        "rekey gw x",
        "show s",
        "--timeout 0 reload",
    ] {
        let ran = ikectl(&socket, words);
        assert_eq!(ran.status, 2, "{words}: {ran}");
        assert!(!ran.err.is_empty());
    }
    insta::assert_snapshot!(ikectl(&socket, "re"));
}

#[test]
fn commands_of_later_releases_say_that_they_are_not_there_yet() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("sock");
    insta::assert_snapshot!(ikectl(&socket, "ca test create"));
    assert_eq!(ikectl(&socket, "monitor").status, 2);
    assert_eq!(ikectl(&socket, "reset all").status, 2);
}

#[test]
fn completions_need_no_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let ran = ikectl(&dir.path().join("sock"), "completions bash");
    assert_eq!(ran.status, 0);
    assert!(ran.out.contains("rekey"));
}
