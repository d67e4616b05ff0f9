//! The daemon's loader: who owns a file, who else can read it, where paths start.
use crate::host;
use iked::config::file::FileLoader;
use iked::config::{self, Diagnostics, Loaded};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    config::load(&mut FileLoader, path, &[], &host())
}

const POLICY: &str = "ikev2 \"a\" from 10.1.0.0/24 to any psk \"correct horse battery staple\"\n";

#[test]
fn files_that_others_can_read_are_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("iked.conf");
    for mode in [0o644, 0o660, 0o604, 0o610, 0o602] {
        write(&path, POLICY, mode);
        let shown = load(&path).unwrap_err().render(false);
        assert!(
            shown.contains("group writable or world read/writable"),
            "{shown}"
        );
        assert!(
            shown.contains(&format!("chmod 600 {}", path.display())),
            "{shown}"
        );
    }
    for mode in [0o600, 0o640, 0o400] {
        write(&path, POLICY, mode);
        assert_eq!(load(&path).unwrap().policies.policies.len(), 1, "{mode:o}");
    }
}

#[test]
fn includes_and_key_files_are_relative_to_their_file_and_checked_alike() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("iked.conf");
    fs::create_dir(dir.path().join("more")).unwrap();
    let included = dir.path().join("more/office.conf");
    let key = dir.path().join("more/office.psk");
    write(&path, "include \"more/office.conf\"\n", 0o600);
    write(
        &included,
        "ikev2 \"a\" from 10.1.0.0/24 to any psk file \"office.psk\"\n",
        0o600,
    );
    write(&key, "correct horse battery staple\n", 0o600);
    let loaded = load(&path).unwrap();
    assert_eq!(
        loaded.secrets.psk["a"].expose(),
        b"correct horse battery staple"
    );

    write(&key, "0x00ff\n", 0o600);
    assert_eq!(load(&path).unwrap().secrets.psk["a"].expose(), [0, 0xff]);

    write(&key, "correct horse battery staple\n", 0o644);
    let shown = load(&path).unwrap_err().render(false);
    assert!(
        shown.contains("chmod 600") && shown.contains("office.psk"),
        "{shown}"
    );

    write(&key, "correct horse battery staple\n", 0o600);
    write(&included, "", 0o666);
    let shown = load(&path).unwrap_err().render(false);
    assert!(
        shown.contains("chmod 600") && shown.contains("office.conf"),
        "{shown}"
    );
}

#[test]
fn a_missing_file_and_a_directory_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let shown = load(&dir.path().join("gone.conf"))
        .unwrap_err()
        .render(false);
    assert!(shown.contains("no such file"), "{shown}");
    let shown = load(dir.path()).unwrap_err().render(false);
    assert!(shown.contains("it is a directory"), "{shown}");
}

#[test]
fn a_file_that_is_not_text_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("iked.conf");
    fs::write(&path, b"set active\nuser \"a\" \"\xff\"\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let shown = load(&path).unwrap_err().render(false);
    assert!(shown.contains("not UTF-8: line 2"), "{shown}");
}

#[test]
fn the_default_configuration_loads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("iked.conf");
    write(&path, include_str!("../../etc/iked.conf"), 0o600);
    let loaded = load(&path).unwrap();
    assert!(
        loaded.warnings.is_empty(),
        "{}",
        loaded.warnings.render(false)
    );
    assert!(loaded.policies.policies.is_empty());
}

#[test]
fn the_examples_in_the_default_configuration_load() {
    // What a person does: take away the `#` of the examples.
    let text: String = include_str!("../../etc/iked.conf")
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|l| !l.starts_with([' ', '#']))
                .unwrap_or(line)
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let loaded = crate::good(&text);
    assert_eq!(loaded.policies.policies.len(), 3);
}
