//! The examples of OpenIKED's documents: iked.conf(5), the slides and the paper of 2013.
//! Blank lines and page breaks that the documents' typesetting put between continued lines are
//! left out, nothing else.
use crate::{good, load, loader};
use ike_sa::{AuthPolicy, IdMatch, Initiation};
use iked::config::ast::{Auth, Config, HostSpec, Statement};
use iked::config::{self, Severity};
use std::path::Path;

const MAN_MACRO: &str = "remote_gw = \"192.168.3.12\"
ikev2 esp from 192.168.7.0/24 to 192.168.8.0/24 peer $remote_gw
";
const MAN_VPN: &str = "# Set up a VPN:
# First between the gateway machines 192.168.3.1 and 192.168.3.2
# Second between the networks 10.1.1.0/24 and 10.1.2.0/24
ikev2 esp from 192.168.3.1 to 192.168.3.2
ikev2 esp from 10.1.1.0/24 to 10.1.2.0/24 peer 192.168.3.2
";
const MAN_TAG: &str = "ikev2 esp from 10.1.1.0/24 to 10.1.2.0/24 peer 192.168.3.2 \\
    tag ipsec-$domain
";
const MAN_SRCNAT: &str = "ikev2 esp from 10.10.10.1 (192.168.1.0/24) to 192.168.2.0/24 \\
peer 10.10.20.1
";
const MAN_WIN7: &str = "user \"test\" \"password123\"

ikev2 \"win7\" esp \\
  from 172.16.2.0/24 to 0.0.0.0/0 \\
  peer 10.0.0.0/8 local 192.168.56.0/24 \\
  eap \"mschap-v2\" \\
  config address 172.16.2.1 \\
  tag \"$name-$id\"
";
const MAN_BIG: &str = "ikev2 \"big test\" \\
  esp proto tcp \\
  from 10.0.0.0/8 port 23 to 20.0.0.0/8 port 40 \\
  from 192.168.1.1 to 192.168.2.2 \\
  peer any local any \\
  ikesa enc 3des auth hmac-sha1 group modp1024 \\
  childsa enc aes-128 auth hmac-sha1 \\
  srcid host.example.com \\
  dstid 192.168.0.254 \\
  psk \"foobar\"
";
const SLIDES: &str = "# Simple gateway to gateway configuration (remote iked)
ikev2 esp from 10.0.5.0/30 to 10.0.5.4/30 peer 192.168.1.2
# A bit more complicated: Accepting a Windows client
user \"user1\" \"password123\"
ikev2 \"win7\" passive esp \\
       from 10.1.0.0/24 to 10.2.0.0/24 \\
       local any peer any \\
       eap \"mschap-v2\" \\
       config address 10.2.0.1 \\
       config name-server 10.1.0.2 \\
       tag \"$name-$id\"
";
const PAPER: &str = "user \"user1\" \"password123\"
user \"user2\" \"password456\"

iked2 \"win7\" passive esp \\
    from 10.1.0.0/24 to 10.2.0.0/24 \\
    local any peer any \\
    eap \"mschap-v2\" \\
    config address 10.2.0.1 \\
    config name-server 10.1.0.2 \\
    tag \"$name-$id\"

iked2 esp \\
    from 10.3.0.0/24 to 10.1.0.0/24 \\
    from 10.5.0.0/24 to 10.1.0.0/24 \\
    from 10.5.0.0/24 to 172.16.1.0/24 \\
    local 192.168.1.1 peer 192.168.2.1 \\
    psk \"mekmitasdi goat\"
";

fn parse(text: &str) -> Config {
    let (config, diagnostics) = config::parse(&mut loader(text), Path::new("iked.conf"), &[]);
    assert!(!diagnostics.has_errors(), "{}", diagnostics.render(false));
    config
}

#[test]
fn every_example_is_in_the_grammar() {
    for (text, statements) in [
        (MAN_MACRO, 1),
        (MAN_VPN, 2),
        (MAN_TAG, 1),
        (MAN_SRCNAT, 1),
        (MAN_WIN7, 2),
        (MAN_BIG, 1),
        (SLIDES, 3),
        (PAPER, 4),
    ] {
        assert_eq!(parse(text).statements.len(), statements, "{text}");
    }
}

#[test]
fn the_windows_example_is_understood_in_full() {
    let config = parse(MAN_WIN7);
    let Statement::User(user) = &config.statements[0] else {
        panic!()
    };
    assert_eq!(user.name.value, "test");
    assert_eq!(user.password.value.expose(), b"password123");
    let Statement::Policy(policy) = &config.statements[1] else {
        panic!()
    };
    assert_eq!(policy.name.as_ref().unwrap().value, "win7");
    assert!(matches!(&policy.auth.as_ref().unwrap().value, Auth::Eap(kind) if kind == "mschap-v2"));
    assert_eq!(policy.config[0].name.value, "address");
    assert_eq!(
        policy.config[0].value.value,
        HostSpec::Addr("172.16.2.1".parse().unwrap())
    );
    assert_eq!(policy.tag.as_ref().unwrap().value, "$name-$id");
    assert_eq!(
        policy.peer.as_ref().unwrap().value,
        HostSpec::Net("10.0.0.0".parse().unwrap(), 8)
    );
}

#[test]
fn a_tag_keeps_its_variables_without_quotes_too() {
    let config = parse(MAN_TAG);
    let Statement::Policy(policy) = &config.statements[0] else {
        panic!()
    };
    assert_eq!(policy.tag.as_ref().unwrap().value, "ipsec-$domain");
}

#[test]
fn what_is_for_later_is_said_at_its_word_and_nothing_else_is_wrong() {
    for (text, words) in [
        (MAN_MACRO, &["authentication with certificates"][..]),
        (
            MAN_VPN,
            &[
                "authentication with certificates",
                "authentication with certificates",
            ],
        ),
        (
            MAN_TAG,
            &["authentication with certificates", "packet tags (`tag`)"],
        ),
        (
            MAN_SRCNAT,
            &[
                "authentication with certificates",
                "address translation before the tunnel (`srcnat`)",
            ],
        ),
        (
            MAN_WIN7,
            &[
                "EAP",
                "addresses and settings for clients (`config`)",
                "packet tags (`tag`)",
            ],
        ),
        (
            MAN_BIG,
            &["`3des`", "`hmac-sha1`", "`modp1024`", "`hmac-sha1`"],
        ),
    ] {
        let errors = load(text).unwrap_err();
        let found: Vec<_> = errors
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .map(|d| {
                d.message
                    .strip_prefix("not supported yet: ")
                    .unwrap_or(&d.message)
            })
            .collect();
        assert_eq!(found, words, "{text}");
    }
}

#[test]
fn the_key_example_of_the_paper_means_what_it_says() {
    let (_, policy) = PAPER.split_once("tag \"$name-$id\"\n").unwrap();
    let loaded = good(policy);
    let [policy] = loaded.policies.policies.as_slice() else {
        panic!()
    };
    assert_eq!(policy.name, "policy1");
    assert_eq!(policy.initiation, Initiation::Passive);
    assert_eq!(policy.auth, AuthPolicy::Psk);
    assert_eq!(
        policy.local.unwrap().start(),
        "192.168.1.1".parse::<std::net::IpAddr>().unwrap()
    );
    assert_eq!(policy.peer_addr(), Some("192.168.2.1".parse().unwrap()));
    assert_eq!(policy.peer_id, IdMatch::Any);
    assert_eq!(loaded.secrets.psk["policy1"].expose(), b"mekmitasdi goat");
    let flows: Vec<_> = policy.children[0]
        .flows
        .iter()
        .map(|(a, b)| {
            (
                a.addrs.prefixes().next().unwrap().to_string(),
                b.addrs.prefixes().next().unwrap().to_string(),
            )
        })
        .collect();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        flows,
        [
            pair("10.3.0.0/24", "10.1.0.0/24"),
            pair("10.5.0.0/24", "10.1.0.0/24"),
            pair("10.5.0.0/24", "172.16.1.0/24"),
        ]
    );
}

#[test]
fn the_big_test_with_algorithms_of_today_means_what_it_says() {
    let text = MAN_BIG
        .replace(
            "3des auth hmac-sha1 group modp1024",
            "aes-256 auth hmac-sha2-256 group modp2048",
        )
        .replace("auth hmac-sha1", "auth hmac-sha2-256");
    let loaded = good(&text);
    assert_eq!(loaded.warnings.len(), 1, "the key is short");
    insta::assert_snapshot!("big_test", config::print::canonical(&loaded));
}

#[test]
fn host_to_host_needs_no_peer() {
    let text = MAN_VPN.replace("\nikev2", " psk \"correct horse battery staple\"\nikev2");
    let text = text.replacen(" psk \"correct horse battery staple\"", "", 1);
    let text = text.trim_end().to_owned() + " psk \"correct horse battery staple\"\n";
    let loaded = good(&text);
    let [hosts, nets] = loaded.policies.policies.as_slice() else {
        panic!()
    };
    assert_eq!(hosts.peer_addr(), Some("192.168.3.2".parse().unwrap()));
    assert_eq!(
        hosts.local.unwrap().start(),
        "192.168.3.1".parse::<std::net::IpAddr>().unwrap()
    );
    assert_eq!(nets.peer_addr(), Some("192.168.3.2".parse().unwrap()));
    assert_eq!(nets.local, None);
}
