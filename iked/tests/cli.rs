//! The command line: what it prints and how it exits.
#![allow(clippy::unwrap_used)]
mod common;

use std::path::PathBuf;
use std::process::{Command, Output};

use common::write_config;

const GOOD: &str = "ikev2 \"gw\" active esp from 10.1.0.0/24 to 10.2.0.0/24 \
     peer 192.0.2.2 psk \"do not print me\"\n";

fn iked(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_iked"))
        .args(args)
        .output()
        .unwrap()
}

fn config(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("iked.conf");
    write_config(&path, text);
    (dir, path)
}

fn check(text: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let (_dir, path) = config(text);
    let mut args = vec!["-n", "-f", path.to_str().unwrap()];
    args.extend(more);
    let output = iked(&args);
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_right_configuration_is_ok() {
    let (code, out, _) = check(GOOD, &[]);
    assert_eq!(code, Some(0));
    assert_eq!(out, "configuration OK\n");
}

#[test]
fn verbose_checking_prints_the_meaning_without_secrets() {
    let (code, out, err) = check(GOOD, &["-v"]);
    assert_eq!(code, Some(0));
    assert!(
        out.contains("10.1.0.0/24") && out.contains("\"gw\""),
        "{out}"
    );
    assert!(!format!("{out}{err}").contains("do not print me"));
}

#[test]
fn all_errors_are_told_at_once_with_their_place() {
    let (code, out, err) = check("set nonsense\nikev2 esp from 10.1.0.0/33 to any\n", &[]);
    assert_eq!(code, Some(1));
    assert_eq!(out, "");
    assert!(err.contains("iked.conf:1:"), "{err}");
    assert!(err.contains("iked.conf:2:"), "{err}");
}

#[test]
fn a_macro_on_the_command_line_overrides_the_file() {
    let text = "remote = \"192.0.2.2\"\n\
        ikev2 \"gw\" esp from 10.1.0.0/24 to 10.2.0.0/24 peer $remote psk \"x\"\n";
    let (code, out, err) = check(text, &["-v", "-D", "remote=198.51.100.7"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains("198.51.100.7") && !out.contains("192.0.2.2"),
        "{out}"
    );
}

#[test]
fn a_file_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, path) = config(GOOD);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = iked(&["-n", "-f", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("chmod 600"), "{err}");
}

#[test]
fn a_missing_file_is_named() {
    let output = iked(&["-n", "-f", "/nonexistent/iked.conf"]);
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("/nonexistent/iked.conf"), "{err}");
    assert!(err.contains("no such file"), "{err}");
}

#[test]
fn a_daemon_with_a_wrong_configuration_ends_with_its_errors() {
    let (_dir, path) = config("set nonsense\n");
    for flags in [&["-d"][..], &[]] {
        let mut args = vec!["-f", path.to_str().unwrap()];
        args.extend(flags);
        let output = iked(&args);
        assert_eq!(output.status.code(), Some(1), "{flags:?}");
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains("iked.conf:1:"), "{flags:?} {err}");
    }
}

#[test]
fn wrong_usage_ends_with_two() {
    for args in [&["--no-such-flag"][..], &["-D", "novalue"], &["extra"]] {
        assert_eq!(iked(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn help_and_version_are_there() {
    let output = iked(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("iked {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = String::from_utf8(iked(&["--help"]).stdout).unwrap();
    for flag in [
        "-d", "-n", "-s", "-T", "-v", "-D", "-f", "--socket", "--etc", "--state", "--keylog",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
    for hidden in ["--process", "--daemonized", "--tun"] {
        assert!(!help.contains(hidden), "{hidden}");
    }
}

#[test]
fn a_process_is_not_for_people() {
    let output = iked(&["--process", "ikev2"]);
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("started by iked itself"), "{err}");
}
