//! For any configuration: what is printed loads to the same; nothing panics; nothing secret shows.
use crate::{good, load};
use iked::config::print;
use proptest::prelude::*;

const SECRET: &str = "Xyzzy-plugh-plover-42";

fn word() -> impl Strategy<Value = String> {
    // No `\` at the end: there is no way to write it in quotes.
    "[ -~äß]{1,12}".prop_filter("writable", |s| !s.ends_with('\\') && !s.contains('\\'))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\""))
}

fn net() -> impl Strategy<Value = (String, String)> {
    let v4 = (any::<u32>(), 0u8..=32, any::<u32>(), 0u8..=32).prop_map(|(a, la, b, lb)| {
        let (a, b) = (std::net::Ipv4Addr::from(a), std::net::Ipv4Addr::from(b));
        (format!("{a}/{la}"), format!("{b}/{lb}"))
    });
    let v6 = (any::<u128>(), 0u8..=128, any::<u128>(), 0u8..=128).prop_map(|(a, la, b, lb)| {
        let (a, b) = (std::net::Ipv6Addr::from(a), std::net::Ipv6Addr::from(b));
        (format!("{a}/{la}"), format!("{b}/{lb}"))
    });
    let any = Just(("any".to_owned(), "any".to_owned()));
    prop_oneof![4 => v4, 2 => v6, 1 => any]
}

fn pick(list: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(list).prop_map(str::to_owned)
}

fn maybe(strategy: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), strategy]
}

fn some(max: usize, strategy: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(strategy, 0..=max).prop_map(|list| list.join(" "))
}

fn transforms() -> impl Strategy<Value = String> {
    let aead = some(
        3,
        pick(&[
            "enc aes-256-gcm",
            "enc aes-128-gcm-12",
            "enc chacha20-poly1305",
        ]),
    );
    let plain = some(
        3,
        pick(&["enc aes-256", "enc aes-128", "auth hmac-sha2-512"]),
    );
    let groups = some(
        3,
        pick(&[
            "group grp19",
            "group modp2048",
            "group x25519",
            "group grp21",
        ]),
    );
    (prop_oneof![aead, plain], groups).prop_map(|(a, b)| format!("{a} {b}"))
}

fn policy(number: usize) -> impl Strategy<Value = String> {
    let head = (
        maybe(word()),
        maybe(pick(&["quick", "skip", "default"])),
        maybe(pick(&["passive", "active"])),
        maybe(pick(&["tunnel", "esp", "esp tunnel"])),
    );
    let proto = prop_oneof![
        Just((String::new(), false)),
        Just(("proto icmp".into(), false)),
        Just(("proto { tcp, udp }".into(), true)),
        Just(("proto 99".into(), false)),
    ];
    let flows = prop::collection::vec((net(), maybe(pick(&["port 22", "port ntp"]))), 1..4);
    let ends = pick(&[
        "peer 192.0.2.2",
        "local 2001:db8::1 peer dual.example",
        "peer 192.0.2.2 local 192.0.2.0/24",
    ]);
    let sa = (
        some(
            2,
            transforms().prop_map(|t| format!("ikesa prf hmac-sha2-384 {t}")),
        ),
        some(2, transforms().prop_map(|t| format!("childsa esn {t}"))),
    );
    let ids = (
        maybe(pick(&[
            "srcid 192.0.2.1",
            "srcid a@b.example",
            "srcid \"with \\\" quote\"",
        ])),
        maybe(pick(&["dstid ::1", "dstid b.example"])),
    );
    let life = (
        maybe(pick(&["ikelifetime 2h", "ikelifetime 0"])),
        maybe((1u64..99999, 1u64..999).prop_map(|(t, b)| format!("lifetime {t}m bytes {b}M"))),
    );
    (head, proto, flows, ends, sa, ids, life).prop_map(
        move |(head, proto, flows, ends, sa, ids, life)| {
            let name = match head.0.is_empty() {
                true => String::new(),
                false => quoted(&format!("{number}{}", head.0)),
            };
            let flows: Vec<_> = flows
                .iter()
                .map(|((a, b), port)| {
                    let port = if proto.1 { port.as_str() } else { "" };
                    format!("from {a} to {b} {port}")
                })
                .collect();
            format!(
                "ikev2 {name} {} {} {} {} {} {ends} \\\n {} {} {} {} {} {} psk \"{SECRET}\"\n",
                head.1,
                head.2,
                head.3,
                proto.0,
                flows.join(" \\\n "),
                sa.0,
                sa.1,
                ids.0,
                ids.1,
                life.0,
                life.1,
            )
        },
    )
}

fn configuration() -> impl Strategy<Value = String> {
    let settings = some(
        3,
        pick(&[
            "set passive\n",
            "set decouple\n",
            "set dataplane none\n",
            "set leak\n",
            "set dpd_check_interval 7\n",
            "set enforcesingleikesa\n",
            "set cookie_threshold 3\n",
        ]),
    );
    (settings, policy(0), policy(1), policy(2))
        .prop_map(|(s, a, b, c)| format!("{}{a}{b}{c}", s.replace("\n ", "\n")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_canonical_form_loads_to_the_same(text in configuration()) {
        let loaded = good(&text);
        let printed = print::canonical(&loaded);
        prop_assert!(!printed.contains(SECRET));
        let again = good(&printed);
        prop_assert_eq!(&again.policies, &loaded.policies);
        prop_assert_eq!(&again.daemon, &loaded.daemon);
        prop_assert_eq!(print::canonical(&again), printed);
    }

    #[test]
    fn any_text_is_an_answer(text in "\\PC{0,200}|[ -~\n\t\\\\$\"'{}()=,#]{0,200}") {
        match load(&text) {
            Ok(loaded) => drop(print::canonical(&loaded)),
            Err(errors) => prop_assert!(!errors.render(true).is_empty()),
        }
    }

    #[test]
    fn mutated_configurations_never_panic(
        text in configuration(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, "[ -~\n]{0,3}"), 1..5),
    ) {
        let mut text: Vec<char> = text.chars().collect();
        for (at, len, new) in cuts {
            let at = at.index(text.len() + 1);
            let end = (at + len).min(text.len());
            text.splice(at..end, new.chars());
        }
        let text: String = text.into_iter().collect();
        match load(&text) {
            Ok(loaded) => drop(print::canonical(&loaded)),
            Err(errors) => prop_assert!(errors.render(false).contains("error")),
        }
    }

    #[test]
    fn no_mistake_makes_the_key_show(
        text in policy(0),
        at in any::<prop::sample::Index>(),
        new in prop_oneof![
            Just(""), Just("peer"), Just("{"), Just("ikev2"), Just("banana"), Just("psk"), Just("\\"),
            Just("\n"), Just("port"), Just("from"), Just("to"), Just("\"open"), Just("set"), Just("$x"),
        ],
    ) {
        let mut tokens: Vec<&str> = text.split(' ').collect();
        // Not the key itself, nor just before it, where the mistake would make it something else.
        let at = at.index(tokens.len() - 2);
        tokens[at] = new;
        if let Err(errors) = load(&tokens.join(" ")) {
            prop_assert!(!errors.render(false).contains(SECRET), "{}", errors.render(false));
        }
    }
}
