//! Configurations that load, with a warning.
use crate::{PSK, load};
use iked::config::{self, Severity};
use std::path::Path;

fn check(name: &str, text: &str) {
    let loaded = load(text).unwrap_or_else(|errors| panic!("{}", errors.render(false)));
    assert!(
        loaded
            .warnings
            .iter()
            .all(|d| d.severity == Severity::Warning)
    );
    insta::assert_snapshot!(name, loaded.warnings.render(false));
}

#[test]
fn a_short_key() {
    check(
        "a_short_key",
        "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 psk \"foobar\"\n",
    );
}

#[test]
fn a_network_with_host_bits() {
    check(
        "a_network_with_host_bits",
        &format!("ikev2 esp from 10.1.0.1/24 to any {PSK}\n"),
    );
}

#[test]
fn a_name_like_a_keyword() {
    check(
        "a_name_like_a_keyword",
        &format!("ikev2 pasive esp from 10.1.0.0/24 to any {PSK}\n"),
    );
}

#[test]
fn a_macro_that_is_not_used() {
    let text = format!("gw = \"192.0.2.2\"\nikev2 esp from 10.1.0.0/24 to any {PSK}\n");
    check("a_macro_that_is_not_used", &text);
}

#[test]
fn a_misprint_of_old() {
    check(
        "a_misprint_of_old",
        &format!("iked2 esp from 10.1.0.0/24 to any {PSK}\n"),
    );
}

#[test]
fn a_key_that_is_hidden() {
    let text = "ikev2 \"office\" esp from 10.1.0.0/24 to any psk \"<hidden>\"\n";
    check("a_key_that_is_hidden", text);
    assert!(load(text).unwrap().secrets.psk.is_empty());
}

#[test]
fn a_define_that_is_not_used() {
    let text = format!("ikev2 esp from 10.1.0.0/24 to any {PSK}\n");
    let defines = [("gw".to_owned(), "192.0.2.2".to_owned())];
    let mut loader = crate::loader(&text);
    let loaded = config::load(
        &mut loader,
        Path::new("iked.conf"),
        &defines,
        &crate::host(),
    );
    let warnings = loaded.unwrap().warnings;
    insta::assert_snapshot!("a_define_that_is_not_used", warnings.render(false));
}

#[test]
fn a_prf_of_yesterday() {
    let text = format!("ikev2 esp from 10.1.0.0/24 to any ikesa prf hmac-sha1 {PSK}\n");
    check("a_prf_of_yesterday", &text);
}
