//! The words of the language: keywords, protocol, port and algorithm names, and the nearest
//! known word to an unknown one.
use ike_wire::{EncrId, IntegId, KeMethod, PrfId};

/// Words that start a statement.
pub(super) const STATEMENTS: &[&str] = &["ikev2", "include", "radius", "set", "user"];

/// Words of ipsec.conf(5) that start a statement there.
pub(super) const FOREIGN: &[&str] = &["flow", "ike", "sa", "tcpmd5"];

/// Words of a policy.
pub(super) const POLICY: &[&str] = &[
    "active",
    "ah",
    "childless",
    "childsa",
    "config",
    "default",
    "dstid",
    "eap",
    "ecdsa256",
    "ecdsa384",
    "ecdsa521",
    "esp",
    "from",
    "iface",
    "ikelifetime",
    "ikesa",
    "inet",
    "inet6",
    "ipcomp",
    "lifetime",
    "local",
    "natt",
    "passive",
    "peer",
    "ppk",
    "proto",
    "psk",
    "quick",
    "rdomain",
    "request",
    "rfc7427",
    "rsa",
    "signature",
    "skip",
    "srcid",
    "tag",
    "tap",
    "to",
    "transport",
    "tunnel",
    "bytes",
    "port",
    "any",
    "dynamic",
];

/// Words that people write for `psk`.
pub(super) const PSK_LIKE: &[&str] = &[
    "key",
    "passphrase",
    "passwd",
    "password",
    "pre-shared-key",
    "presharedkey",
    "secret",
];

/// Words of `ikesa` and `childsa`.
pub(super) const TRANSFORMS: &[&str] = &[
    "auth", "enc", "esn", "group", "ke1", "ke2", "ke3", "ke4", "ke5", "ke6", "ke7", "noesn", "prf",
];

/// Words that a value cannot be unless in quotes.
pub(super) fn is_reserved(word: &str) -> bool {
    POLICY.contains(&word) || TRANSFORMS.contains(&word) || STATEMENTS.contains(&word)
}

/// Words that may start the options of a policy; not those that only follow others.
pub(super) fn is_option(word: &str) -> bool {
    POLICY.contains(&word) && !matches!(word, "bytes" | "port" | "any" | "dynamic")
}

/// Words of `set`, without the `no` form.
pub(super) const SETTINGS: &[&str] = &[
    "active",
    "allow-legacy",
    "cert_partial_chain",
    "cookie_threshold",
    "couple",
    "dataplane",
    "decouple",
    "dpd_check_interval",
    "enforcesingleikesa",
    "fragmentation",
    "fulltranscript",
    "leak",
    "mobike",
    "noenforcesingleikesa",
    "nofragmentation",
    "nofulltranscript",
    "noleak",
    "nomobike",
    "nostickyaddress",
    "novendorid",
    "ocsp",
    "passive",
    "stickyaddress",
    "vendorid",
];

/// Attributes of `config` and `request`.
pub(super) const ATTRIBUTES: &[&str] = &[
    "access-server",
    "address",
    "dhcp-server",
    "name-server",
    "netbios-server",
    "netmask",
    "protected-subnet",
];

/// IP protocols with a name.
pub(super) const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("ipip", 4),
    ("tcp", 6),
    ("egp", 8),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", 58),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("pim", 103),
    ("carp", 112),
    ("vrrp", 112),
    ("sctp", 132),
];

/// Ports with a name, the same for TCP and UDP.
pub(super) const PORTS: &[(&str, u16)] = &[
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("http", 80),
    ("www", 80),
    ("kerberos", 88),
    ("pop3", 110),
    ("sunrpc", 111),
    ("ntp", 123),
    ("netbios-ns", 137),
    ("netbios-dgm", 138),
    ("netbios-ssn", 139),
    ("imap", 143),
    ("snmp", 161),
    ("snmp-trap", 162),
    ("bgp", 179),
    ("ldap", 389),
    ("https", 443),
    ("microsoft-ds", 445),
    ("syslog", 514),
    ("submission", 587),
    ("ldaps", 636),
    ("imaps", 993),
    ("pop3s", 995),
    ("l2tp", 1701),
    ("radius", 1812),
    ("nfs", 2049),
    ("sip", 5060),
];

/// What `enc` names: transform, key length, and whether it needs no MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cipher {
    pub(super) word: &'static str,
    pub(super) id: EncrId,
    pub(super) bits: Option<u16>,
    pub(super) aead: bool,
}

const fn cbc(word: &'static str, id: EncrId, bits: Option<u16>) -> Cipher {
    Cipher {
        word,
        id,
        bits,
        aead: false,
    }
}

const fn aead(word: &'static str, id: EncrId, bits: Option<u16>) -> Cipher {
    Cipher {
        word,
        id,
        bits,
        aead: true,
    }
}

/// Ciphers; the first word of several for one is the canonical one.
#[rustfmt::skip]
pub(super) const CIPHERS: &[Cipher] = &[
    aead("aes-256-gcm", EncrId::AES_GCM_16, Some(256)),
    aead("aes-192-gcm", EncrId::AES_GCM_16, Some(192)),
    aead("aes-128-gcm", EncrId::AES_GCM_16, Some(128)),
    aead("aes-256-gcm-12", EncrId::AES_GCM_12, Some(256)),
    aead("aes-192-gcm-12", EncrId::AES_GCM_12, Some(192)),
    aead("aes-128-gcm-12", EncrId::AES_GCM_12, Some(128)),
    aead("aes-256-gcm-8", EncrId::AES_GCM_8, Some(256)),
    aead("aes-192-gcm-8", EncrId::AES_GCM_8, Some(192)),
    aead("aes-128-gcm-8", EncrId::AES_GCM_8, Some(128)),
    aead("chacha20-poly1305", EncrId::CHACHA20_POLY1305, None),
    aead("aes-256-ccm", EncrId::AES_CCM_16, Some(256)),
    aead("aes-192-ccm", EncrId::AES_CCM_16, Some(192)),
    aead("aes-128-ccm", EncrId::AES_CCM_16, Some(128)),
    aead("aes-256-gmac", EncrId::NULL_AUTH_AES_GMAC, Some(256)),
    aead("aes-192-gmac", EncrId::NULL_AUTH_AES_GMAC, Some(192)),
    aead("aes-128-gmac", EncrId::NULL_AUTH_AES_GMAC, Some(128)),
    cbc("aes-256", EncrId::AES_CBC, Some(256)),
    cbc("aes-192", EncrId::AES_CBC, Some(192)),
    cbc("aes-128", EncrId::AES_CBC, Some(128)),
    cbc("aes-256-ctr", EncrId::AES_CTR, Some(256)),
    cbc("aes-192-ctr", EncrId::AES_CTR, Some(192)),
    cbc("aes-128-ctr", EncrId::AES_CTR, Some(128)),
    cbc("aes-ctr", EncrId::AES_CTR, Some(128)),
    cbc("3des", EncrId::TRIPLE_DES, None),
    cbc("3des-cbc", EncrId::TRIPLE_DES, None),
    cbc("des", EncrId::DES, None),
    cbc("blowfish", EncrId::BLOWFISH, Some(160)),
    cbc("cast", EncrId::CAST, Some(128)),
    cbc("null", EncrId::NULL, None),
    cbc("camellia-256", EncrId::CAMELLIA_CBC, Some(256)),
    cbc("camellia-128", EncrId::CAMELLIA_CBC, Some(128)),
];

/// What `auth` names.
pub(super) const MACS: &[(&str, IntegId)] = &[
    ("hmac-sha2-256", IntegId::HMAC_SHA2_256_128),
    ("hmac-sha2-384", IntegId::HMAC_SHA2_384_192),
    ("hmac-sha2-512", IntegId::HMAC_SHA2_512_256),
    ("hmac-sha1", IntegId::HMAC_SHA1_96),
    ("hmac-md5", IntegId::HMAC_MD5_96),
    ("aes-xcbc", IntegId::AES_XCBC_96),
    ("aes-cmac", IntegId::AES_CMAC_96),
];

/// What `prf` names.
pub(super) const PRFS: &[(&str, PrfId)] = &[
    ("hmac-sha2-256", PrfId::HMAC_SHA2_256),
    ("hmac-sha2-384", PrfId::HMAC_SHA2_384),
    ("hmac-sha2-512", PrfId::HMAC_SHA2_512),
    ("hmac-sha1", PrfId::HMAC_SHA1),
    ("hmac-md5", PrfId::HMAC_MD5),
    ("aes-xcbc", PrfId::AES128_XCBC),
    ("aes-cmac", PrfId::AES128_CMAC),
];

/// What `group` names; the first word of several for one is the canonical one.
pub(super) const GROUPS: &[(&str, KeMethod)] = &[
    ("none", KeMethod::NONE),
    ("curve25519", KeMethod::CURVE25519),
    ("grp31", KeMethod::CURVE25519),
    ("curve448", KeMethod::CURVE448),
    ("grp32", KeMethod::CURVE448),
    ("ecp256", KeMethod::ECP256),
    ("ec256", KeMethod::ECP256),
    ("grp19", KeMethod::ECP256),
    ("ecp384", KeMethod::ECP384),
    ("ec384", KeMethod::ECP384),
    ("grp20", KeMethod::ECP384),
    ("ecp521", KeMethod::ECP521),
    ("ec521", KeMethod::ECP521),
    ("grp21", KeMethod::ECP521),
    ("ecp192", KeMethod::ECP192),
    ("ec192", KeMethod::ECP192),
    ("grp25", KeMethod::ECP192),
    ("ecp224", KeMethod::ECP224),
    ("ec224", KeMethod::ECP224),
    ("grp26", KeMethod::ECP224),
    ("modp768", KeMethod::MODP768),
    ("grp1", KeMethod::MODP768),
    ("modp1024", KeMethod::MODP1024),
    ("grp2", KeMethod::MODP1024),
    ("modp1536", KeMethod::MODP1536),
    ("grp5", KeMethod::MODP1536),
    ("modp2048", KeMethod::MODP2048),
    ("grp14", KeMethod::MODP2048),
    ("modp3072", KeMethod::MODP3072),
    ("grp15", KeMethod::MODP3072),
    ("modp4096", KeMethod::MODP4096),
    ("grp16", KeMethod::MODP4096),
    ("modp6144", KeMethod::MODP6144),
    ("grp17", KeMethod::MODP6144),
    ("modp8192", KeMethod::MODP8192),
    ("grp18", KeMethod::MODP8192),
    ("modp1024-160", KeMethod::MODP1024_160),
    ("grp22", KeMethod::MODP1024_160),
    ("modp2048-224", KeMethod::MODP2048_224),
    ("grp23", KeMethod::MODP2048_224),
    ("modp2048-256", KeMethod::MODP2048_256),
    ("grp24", KeMethod::MODP2048_256),
    ("brainpool224", KeMethod::BRAINPOOL224),
    ("grp27", KeMethod::BRAINPOOL224),
    ("brainpool256", KeMethod::BRAINPOOL256),
    ("grp28", KeMethod::BRAINPOOL256),
    ("brainpool384", KeMethod::BRAINPOOL384),
    ("grp29", KeMethod::BRAINPOOL384),
    ("brainpool512", KeMethod::BRAINPOOL512),
    ("grp30", KeMethod::BRAINPOOL512),
    ("mlkem512", KeMethod::ML_KEM_512),
    ("mlkem768", KeMethod::ML_KEM_768),
    ("mlkem1024", KeMethod::ML_KEM_1024),
    ("sntrup761x25519", KeMethod(1035)),
    // EC2N groups of RFC 2409: no IKEv2 number.
    ("ec155", KeMethod(3)),
    ("grp3", KeMethod(3)),
    ("ec185", KeMethod(4)),
    ("grp4", KeMethod(4)),
    ("curve25519-sha256", KeMethod::CURVE25519),
    ("x25519", KeMethod::CURVE25519),
];

/// The known word nearest to this one, if one is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.len() / 3).clamp(1, 3);
    if word.len() > 32 || !word.is_ascii() {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let known: Vec<_> = known.into_iter().collect();
    // `aes` for `aes-256-gcm`
    let begun = |candidate: &&&str| {
        candidate
            .strip_prefix(word.as_str())
            .is_some_and(|rest| rest.starts_with('-'))
    };
    if let Some(begun) = known.iter().find(begun).filter(|_| word.len() >= 3) {
        return Some(begun);
    }
    known
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?`, if something near is known.
pub(super) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}

/// Number of letters to insert, delete, replace or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let width = b.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&last, j + 1) + 1).min(at(&row, j) + 1);
            best = best.min(at(&last, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(word: &str) -> Option<&'static str> {
        nearest(word, POLICY.iter().copied())
    }

    #[test]
    fn the_nearest_word_is_a_likely_typo() {
        assert_eq!(near("pasive"), Some("passive"));
        assert_eq!(near("form"), Some("from"));
        assert_eq!(near("pks"), Some("psk"));
        assert_eq!(near("childsas"), Some("childsa"));
        assert_eq!(near("banana"), None);
        assert_eq!(near("zz"), None);
    }

    #[test]
    fn every_policy_word_is_there_once() {
        for (i, word) in POLICY.iter().enumerate() {
            assert!(!POLICY[i + 1..].contains(word), "{word}");
        }
    }
}
