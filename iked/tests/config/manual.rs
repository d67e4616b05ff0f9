//! iked.conf(5) says what is so: its lists of algorithms are complete.
use crate::{PSK, load};

const MANUAL: &str = include_str!("../../man/iked.conf.5.md");

#[test]
fn the_algorithms_named_are_those_built_in() {
    let (_, section) = MANUAL.split_once("# ALGORITHMS").unwrap();
    let (section, _) = section.split_once("Defaults, in this order").unwrap();
    let works =
        |option: &str| load(&format!("ikev2 from 10.1.0.0/24 to any {option} {PSK}")).is_ok();
    let tried = [
        (
            "enc",
            &[
                "aes-256-gcm",
                "aes-192-gcm",
                "aes-128-gcm",
                "chacha20-poly1305",
                "aes-256",
                "aes-192",
                "aes-128",
                "3des",
                "des",
                "aes-128-ccm",
                "aes-128-ctr",
                "null",
                "camellia-256",
            ][..],
        ),
        (
            "auth",
            &[
                "hmac-sha2-256",
                "hmac-sha2-384",
                "hmac-sha2-512",
                "aes-cmac",
                "aes-xcbc",
            ],
        ),
        (
            "prf",
            &[
                "hmac-sha2-256",
                "hmac-sha2-384",
                "hmac-sha2-512",
                "aes-cmac",
                "aes-xcbc",
            ],
        ),
        (
            "group",
            &[
                "curve25519",
                "ecp256",
                "ecp384",
                "ecp521",
                "modp2048",
                "modp3072",
                "modp4096",
                "modp6144",
                "modp8192",
                "grp31",
                "grp19",
                "ec256",
                "x25519",
                "curve448",
                "brainpool256",
                "mlkem768",
            ],
        ),
    ];
    for (kind, words) in tried {
        for word in words {
            let named = section.contains(&format!("`{word}`"));
            assert_eq!(
                works(&format!("ikesa {kind} {word}")),
                named,
                "{kind} {word}"
            );
        }
    }
    for (cipher, tag) in [
        ("aes-256-gcm", "-12"),
        ("aes-192-gcm", "-8"),
        ("aes-128-gcm", "-8"),
    ] {
        assert!(
            works(&format!("childsa enc {cipher}{tag}")),
            "{cipher}{tag}"
        );
    }
}
