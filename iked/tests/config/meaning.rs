//! What configurations mean: defaults, derivation, lists, order, macros.
use crate::{PSK, good, host, loader};
use ike_sa::{Id, IdMatch, Initiation};
use ike_wire::{EncrId, IdType, IntegId, KeMethod, PrfId};
use iked::config::{self, Dataplane, HostInfo, print};
use std::path::Path;

fn flows(text: &str) -> Vec<String> {
    let loaded = good(&format!("ikev2 {text} {PSK}\n"));
    let child = &loaded.policies.policies[0].children[0];
    let side = |s: &ike_ts::TrafficSelector| {
        let nets: Vec<_> = s.addrs.prefixes().map(|p| p.to_string()).collect();
        format!("{}:{}-{}", nets.join("+"), s.ports.start(), s.ports.end())
    };
    child
        .flows
        .iter()
        .map(|(a, b)| format!("{} {} {}", a.protocol, side(a), side(b)))
        .collect()
}

#[test]
fn defaults_are_spelled_out_by_the_canonical_form() {
    let text = format!("ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 {PSK}\n");
    insta::assert_snapshot!("defaults", print::canonical(&good(&text)));
}

#[test]
fn an_empty_configuration_has_the_default_settings() {
    let loaded = good("");
    assert_eq!(loaded.policies.settings, ike_sa::Settings::default());
    assert_eq!(loaded.daemon, config::DaemonSettings::default());
}

#[test]
fn settings_are_heard() {
    let loaded = good(
        "set passive\nset decouple\nset dataplane userspace\nset leak\nset dpd_check_interval 5\n\
         set enforcesingleikesa\nset cookie_threshold 0\nset nomobike\nset nofragmentation\n",
    );
    let settings = loaded.policies.settings;
    assert!(settings.passive && settings.decouple && settings.enforce_single_ike_sa);
    assert_eq!(
        (settings.dpd_check_interval_s, settings.cookie_threshold),
        (5, 0)
    );
    assert_eq!(loaded.daemon.dataplane, Dataplane::Userspace);
    assert!(loaded.daemon.leak && loaded.daemon.decouple);
    assert_eq!(
        good("set passive\nset active\n").policies.settings,
        ike_sa::Settings::default()
    );
}

#[test]
fn options_come_in_any_order() {
    let one = good(&format!(
        "ikev2 \"x\" quick active tunnel esp inet proto udp from 10.1.0.0/24 port 53 to any \
         peer 192.0.2.2 local 192.0.2.1 ikesa enc aes-128 childsa enc aes-128-gcm srcid a dstid b \
         ikelifetime 1h lifetime 10m bytes 1M {PSK}\n"
    ));
    let other = good(&format!(
        "ikev2 \"x\" {PSK} lifetime 600 bytes 1024K ikelifetime 60m dstid b srcid a \
         childsa enc aes-128-gcm ikesa enc aes-128 local 192.0.2.1 peer 192.0.2.2 \
         to any from 10.1.0.0/24 port domain proto 17 inet esp tunnel active quick\n"
    ));
    assert_eq!(one.policies, other.policies);
    let policy = &one.policies.policies[0];
    assert_eq!(policy.initiation, Initiation::Active);
    assert!(policy.quick);
    assert_eq!(policy.ike_lifetime_s, 3600);
    assert_eq!(
        (
            policy.children[0].lifetime_s,
            policy.children[0].lifetime_bytes
        ),
        (600, 1 << 20)
    );
}

#[test]
fn lists_protocols_and_repeats_multiply_out() {
    assert_eq!(
        flows("proto { tcp, udp } from { 10.1.0.0/24, 10.3.0.0/24 } to 10.2.0.0/24 port 53"),
        [
            "6 10.1.0.0/24:0-65535 10.2.0.0/24:53-53",
            "6 10.3.0.0/24:0-65535 10.2.0.0/24:53-53",
            "17 10.1.0.0/24:0-65535 10.2.0.0/24:53-53",
            "17 10.3.0.0/24:0-65535 10.2.0.0/24:53-53",
        ]
    );
    assert_eq!(
        flows("from 10.1.0.0/24 to 10.2.0.0/24, from 10.3.0.1 to any from 2001:db8::/64 to any"),
        [
            "0 10.1.0.0/24:0-65535 10.2.0.0/24:0-65535",
            "0 10.3.0.1/32:0-65535 0.0.0.0/0:0-65535",
            "0 2001:db8::/64:0-65535 ::/0:0-65535",
        ]
    );
}

#[test]
fn any_has_the_family_of_the_policy() {
    assert_eq!(
        flows("from any to any"),
        ["0 0.0.0.0/0:0-65535 0.0.0.0/0:0-65535"]
    );
    assert_eq!(
        flows("inet6 from any to any"),
        ["0 ::/0:0-65535 ::/0:0-65535"]
    );
}

#[test]
fn names_stand_for_all_their_addresses_of_the_family() {
    assert_eq!(
        flows("from dual.example to any"),
        [
            "0 192.0.2.2/32:0-65535 0.0.0.0/0:0-65535",
            "0 2001:db8::2/128:0-65535 ::/0:0-65535"
        ]
    );
    assert_eq!(
        flows("inet from dual.example to any"),
        ["0 192.0.2.2/32:0-65535 0.0.0.0/0:0-65535"]
    );
    assert_eq!(flows("from dual.example to 2001:db8::/32").len(), 1);
}

#[test]
fn a_peer_name_takes_the_family_of_local() {
    let peer = |local: &str| {
        let text = format!("ikev2 from 10.1.0.0/24 to any local {local} peer dual.example {PSK}");
        good(&text).policies.policies[0]
            .peer_addr()
            .unwrap()
            .to_string()
    };
    assert_eq!(peer("any"), "192.0.2.2");
    assert_eq!(peer("2001:db8::1"), "2001:db8::2");
    assert_eq!(peer("192.0.2.1"), "192.0.2.2");
}

#[test]
fn peer_is_derived_for_host_to_host_only() {
    let ends = |text: &str| {
        let loaded = good(&format!("ikev2 {text} {PSK}"));
        let policy = &loaded.policies.policies[0];
        let show = |r: Option<ike_ts::AddrRange>| r.map(|r| r.start().to_string());
        (show(policy.local), show(policy.peer))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        ends("active from 192.0.2.1 to 192.0.2.2"),
        (some("192.0.2.1"), some("192.0.2.2"))
    );
    assert_eq!(ends("from 10.1.0.0/24 to 10.2.0.0/24"), (None, None));
    assert_eq!(ends("from 10.1.0.0/24 to 192.0.2.2"), (None, None));
    assert_eq!(
        ends("from 192.0.2.1 to 192.0.2.2 peer 192.0.2.3"),
        (None, some("192.0.2.3"))
    );
    assert_eq!(ends("from 192.0.2.1 to 192.0.2.2 peer any"), (None, None));
    assert_eq!(
        ends("from 192.0.2.1 to 192.0.2.2 from 192.0.2.1 to 192.0.2.3"),
        (None, None)
    );
}

#[test]
fn identities_have_the_type_of_their_shape() {
    let id = |text: &str| {
        let loaded = good(&format!("ikev2 from 10.1.0.0/24 to any dstid {text} {PSK}"));
        match &loaded.policies.policies[0].peer_id {
            IdMatch::Exact(id) => (id.kind, id.data.clone()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(id("192.0.2.1"), (IdType::IPV4_ADDR, vec![192, 0, 2, 1]));
    assert_eq!(id("::1").0, IdType::IPV6_ADDR);
    assert_eq!(
        id("\"me@example.com\""),
        (IdType::RFC822_ADDR, b"me@example.com".to_vec())
    );
    assert_eq!(
        id("gw.example.com"),
        (IdType::FQDN, b"gw.example.com".to_vec())
    );
}

#[test]
fn srcid_defaults_to_the_hostname_and_then_to_the_local_address() {
    let text = format!("ikev2 from 10.1.0.0/24 to any local 192.0.2.1 {PSK}");
    let id = |host: &HostInfo| {
        let loaded = config::load(&mut loader(&text), Path::new("iked.conf"), &[], host).unwrap();
        loaded.policies.policies[0].local_id.clone()
    };
    assert_eq!(
        id(&host()),
        Id {
            kind: IdType::FQDN,
            data: b"a.example".to_vec()
        }
    );
    assert_eq!(
        id(&HostInfo::default()),
        Id {
            kind: IdType::IPV4_ADDR,
            data: vec![192, 0, 2, 1]
        }
    );
    let text = format!("ikev2 from 10.1.0.0/24 to any {PSK}");
    let nameless = config::load(
        &mut loader(&text),
        Path::new("iked.conf"),
        &[],
        &HostInfo::default(),
    );
    assert!(
        nameless
            .unwrap_err()
            .render(false)
            .contains("add one: srcid")
    );
}

#[test]
fn given_transforms_replace_the_defaults_of_their_kind_only() {
    let loaded = good(&format!(
        "ikev2 \"a\" from 10.1.0.0/24 to any ikesa group ecp384 childsa enc aes-128 noesn {PSK}\n\
         ikev2 \"b\" from 10.1.0.0/24 to any ikesa enc aes-256-gcm enc aes-256-gcm ikesa auth \
         hmac-sha2-512 childsa group none esn {PSK}\n"
    ));
    let [a, b] = loaded.policies.policies.as_slice() else {
        panic!()
    };
    assert_eq!(a.ike.len(), 2);
    assert!(a.ike.iter().all(|p| p.ke == [KeMethod::ECP384]));
    assert!(a.ike[0].integ.is_empty() && !a.ike[1].integ.is_empty());
    assert_eq!(a.ike[0].prf[0], PrfId::HMAC_SHA2_256);
    let child = &a.children[0].proposals;
    assert_eq!(child.len(), 1);
    assert_eq!(child[0].encr, [(EncrId::AES_CBC, Some(128))]);
    assert_eq!(child[0].integ.len(), 3);
    assert_eq!(child[0].esn, [false]);
    assert_eq!(b.ike.len(), 2);
    assert_eq!(b.ike[0].encr, [(EncrId::AES_GCM_16, Some(256))]);
    assert_eq!(b.ike[1].integ, [IntegId::HMAC_SHA2_512_256]);
    assert_eq!(b.children[0].proposals[0].ke, [KeMethod::NONE]);
    assert_eq!(b.children[0].proposals[0].esn, [true]);
}

#[test]
fn everything_by_default_is_built_in() {
    let loaded = good(&format!("ikev2 from 10.1.0.0/24 to any {PSK}"));
    let policy = &loaded.policies.policies[0];
    let ciphers = policy.ike.iter().map(|p| (&p.encr, &p.integ)).chain(
        policy.children[0]
            .proposals
            .iter()
            .map(|p| (&p.encr, &p.integ)),
    );
    for (encr, integ) in ciphers {
        for (id, bits) in encr {
            let macs: Vec<_> = integ.iter().map(|i| Some(*i)).collect();
            for mac in if macs.is_empty() { vec![None] } else { macs } {
                assert!(ike_crypto::Cipher::from_transforms(*id, *bits, mac).is_some());
            }
        }
    }
    for proposal in &policy.ike {
        assert!(
            proposal
                .ke
                .iter()
                .all(|ke| ike_crypto::ke::is_supported(*ke))
        );
        assert!(
            proposal
                .prf
                .iter()
                .all(|prf| ike_crypto::Prf::from_id(*prf).is_some())
        );
    }
}

#[test]
fn macros_are_expanded_at_the_start_of_tokens_and_not_in_quotes() {
    let loaded = good(
        &format!(
            "net = 10.1.0.0\nnets = \"{{ $net/24, 10.3.0.0/24 }}\"\nmode = active\n\
         one = \"10.9.0.1\"\ntwo = $one '10.9.0.2'\nlist = \"from $one\"\n\
         ikev2 \"$mode\" $mode from $net/24 to 10.2.0.0/24 peer 192.0.2.2 {PSK}\n\
         ikev2 x from 10.0.0.0/8 to any peer $one {PSK}\n"
        )
        .replace("nets = \"{ $net/24, 10.3.0.0/24 }\"\n", "")
        .replace("two = $one '10.9.0.2'\nlist = \"from $one\"\n", ""),
    );
    let policy = &loaded.policies.policies[0];
    assert_eq!(policy.name, "$mode");
    assert_eq!(policy.initiation, Initiation::Active);
    assert_eq!(
        policy.children[0].flows[0]
            .0
            .addrs
            .prefixes()
            .next()
            .unwrap()
            .to_string(),
        "10.1.0.0/24"
    );
}

#[test]
fn a_macro_can_hold_a_list_and_other_macros() {
    let loaded = good(&format!(
        "a = 10.1.0.0/24\nlans = \"{{ 10.1.0.0/24, 10.3.0.0/24 }}\"\nboth = $a '10.3.0.0/24'\n\
         ikev2 from $lans to 10.2.0.0/24 {PSK}\nikev2 from {{ $both }} to 10.2.0.0/24 {PSK}\n"
    ));
    let [one, two] = loaded.policies.policies.as_slice() else {
        panic!()
    };
    assert_eq!(one.children[0].flows, two.children[0].flows);
}

#[test]
fn defines_win_over_the_file() {
    let text = format!("gw = 192.0.2.1\nikev2 from 10.1.0.0/24 to any peer $gw {PSK}");
    let defines = [("gw".to_owned(), "192.0.2.9".to_owned())];
    let loaded = config::load(
        &mut loader(&text),
        Path::new("iked.conf"),
        &defines,
        &host(),
    );
    assert_eq!(
        loaded.unwrap().policies.policies[0].peer_addr(),
        Some("192.0.2.9".parse().unwrap())
    );
}

#[test]
fn includes_stand_where_they_are_included() {
    let mut loader = loader(&format!(
        "include \"macros.conf\"\nikev2 \"first\" from $net to any {PSK}\ninclude 'sub/more.conf'\n"
    ));
    loader
        .files
        .insert("macros.conf".into(), "net = 10.1.0.0/24\n".into());
    let more = format!("include \"deep.conf\"\nikev2 \"third\" from $net to any {PSK}");
    loader.files.insert("sub/more.conf".into(), more);
    let deep = format!("ikev2 \"second\" from $net to any {PSK}");
    loader.files.insert("sub/deep.conf".into(), deep);
    let loaded = config::load(&mut loader, Path::new("iked.conf"), &[], &host()).unwrap();
    let names: Vec<_> = loaded
        .policies
        .policies
        .iter()
        .map(|p| p.name.as_str())
        .collect();
    assert_eq!(names, ["first", "second", "third"]);
}

#[test]
fn keys_are_text_or_hexadecimal() {
    let loaded = good(
        "ikev2 \"a\" from 10.1.0.0/24 to any psk \"with \\\" and # and $x\"\n\
         ikev2 \"b\" from 10.1.0.0/24 to any psk 0x0001Ff\n\
         key = \"'two words'\"\nikev2 \"c\" from 10.1.0.0/24 to any psk $key\n",
    );
    assert_eq!(loaded.secrets.psk["a"].expose(), b"with \" and # and $x");
    assert_eq!(loaded.secrets.psk["b"].expose(), [0, 1, 0xff]);
    assert_eq!(loaded.secrets.psk["c"].expose(), b"two words");
}

#[test]
fn a_policy_to_skip_needs_no_key() {
    let loaded = good("ikev2 skip from 10.1.0.0/24 to any peer 192.0.2.9\n");
    assert!(loaded.policies.policies[0].skip);
    assert!(loaded.secrets.psk.is_empty());
}

#[test]
fn secrets_cross_between_processes_and_do_not_show() {
    let loaded = good(&format!(
        "user \"u\" \"swordfish\"\nikev2 \"a\" from 10.1.0.0/24 to any {PSK}"
    ));
    let octets = postcard::to_stdvec(&loaded.secrets).unwrap();
    let back: config::Secrets = postcard::from_bytes(&octets).unwrap();
    assert_eq!(back, loaded.secrets);
    let shown = format!("{loaded:?}");
    assert!(
        !shown.contains("swordfish") && !shown.contains("horse"),
        "{shown}"
    );
    assert!(!print::canonical(&loaded).contains("horse"));
}

#[test]
fn a_line_has_its_place_in_included_files() {
    let mut loader = loader("include \"b.conf\"\nset passiv\n");
    loader
        .files
        .insert("b.conf".into(), "\n  set activ\n".into());
    let errors = config::load(&mut loader, Path::new("iked.conf"), &[], &host()).unwrap_err();
    let places: Vec<_> = errors
        .iter()
        .map(|d| (d.file.as_str(), d.line, d.column))
        .collect();
    assert_eq!(places, [("iked.conf", 2, 5), ("b.conf", 2, 7)]);
}
