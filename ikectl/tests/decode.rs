//! `ikectl decode` as it is run: files, standard output and error, exit status.
#![allow(clippy::unwrap_used)]
use std::process::{Command, Output, Stdio};

const CAPTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures");

fn ikectl(words: &[&str], stdin: Stdio) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ikectl"))
        .args(words)
        .current_dir(CAPTURES)
        .stdin(stdin)
        .output()
        .unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn a_file_and_standard_input_are_decoded_with_keys() {
    let file = ikectl(&["decode", "own.pcap", "--keys", "own-keys"], Stdio::null());
    assert_eq!((file.status.code(), err(&file)), (Some(0), ""));
    assert!(out(&file).contains("client.example.org"));
    assert!(out(&file).contains("20 frames, 15 IKE messages"));
    let capture = std::fs::File::open(format!("{CAPTURES}/own.pcapng")).unwrap();
    let stdin = ikectl(&["decode", "--keys", "own-keys", "-"], capture.into());
    assert_eq!(out(&stdin), out(&file));
}

/// A message, in the form that the documentation gives it.
#[test]
fn the_documented_json_is_what_is_printed() {
    let ran = ikectl(&["--json", "decode", "own.pcap"], Stdio::null());
    let lines = out(&ran).lines().map(serde_json::from_str);
    let lines: Vec<serde_json::Value> = lines.map(Result::unwrap).collect();
    assert_eq!(lines.len(), 16);
    let text = include_str!("../../docs/json.md");
    let (_, section) = text.split_once("## `ikectl decode FILE --json`").unwrap();
    let (_, block) = section.split_once("```json").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let documented: serde_json::Value = serde_json::from_str(block).unwrap();
    assert_eq!(lines[1], documented);
    assert_eq!(lines[15]["kind"], "summary");
    assert_eq!(lines[15]["esp_in_udp"], 1);
}

#[test]
fn what_cannot_be_read_is_status_1_with_the_reason() {
    let missing = ikectl(&["decode", "nothing.pcap"], Stdio::null());
    assert_eq!(missing.status.code(), Some(1));
    assert!(err(&missing).starts_with("ikectl: nothing.pcap: "));
    let no_capture = ikectl(&["decode", "own-keys"], Stdio::null());
    assert_eq!(no_capture.status.code(), Some(1));
    let reason = "ikectl: own-keys: not a capture: neither pcap nor pcapng\n";
    assert_eq!(err(&no_capture), reason);
    let no_keys = ikectl(&["decode", "own.pcap", "--keys", "nothing"], Stdio::null());
    assert_eq!((no_keys.status.code(), out(&no_keys)), (Some(1), ""));
}

#[test]
fn a_file_that_is_cut_is_shown_as_far_as_it_goes_and_is_status_1() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cut.pcap");
    let whole = std::fs::read(format!("{CAPTURES}/own.pcap")).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let ran = ikectl(&["decode", file.to_str().unwrap()], Stdio::null());
    assert_eq!(ran.status.code(), Some(1));
    assert!(out(&ran).contains("19 frames, 14 IKE messages"));
    assert!(err(&ran).ends_with("the file is cut after frame 19\n"));
}

#[test]
fn a_row_of_keys_in_error_is_told_and_the_others_are_used() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys");
    let keys = std::fs::read_to_string(format!("{CAPTURES}/own-keys")).unwrap();
    std::fs::write(&file, format!("one,two\n{keys}")).unwrap();
    let words = ["decode", "own.pcap", "--keys", file.to_str().unwrap()];
    let ran = ikectl(&words, Stdio::null());
    assert_eq!(ran.status.code(), Some(0));
    assert!(err(&ran).contains("line 1: a row has eight fields"));
    assert!(out(&ran).contains("client.example.org"));
}
