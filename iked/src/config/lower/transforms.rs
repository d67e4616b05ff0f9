//! `ikesa` and `childsa` into proposals. What is given replaces the default of its kind only;
//! what the crypto library lacks is refused with what to take instead.
use super::super::ast::Transforms;
use super::super::diagnostic::Diagnostic;
use super::super::line::Report;
use super::super::source::Spanned;
use super::super::words::{self, Cipher};
use ike_crypto::Prf;
use ike_sa::{ChildProposal, IkeProposal};
use ike_wire::{EncrId, IntegId, KeMethod, PrfId};

type Encr = (EncrId, Option<u16>);

const AES_CBC: [Encr; 3] = [
    (EncrId::AES_CBC, Some(256)),
    (EncrId::AES_CBC, Some(192)),
    (EncrId::AES_CBC, Some(128)),
];
const IKE_AEAD: [Encr; 2] = [
    (EncrId::AES_GCM_16, Some(256)),
    (EncrId::AES_GCM_16, Some(128)),
];
const ESP_AEAD: [Encr; 3] = [
    (EncrId::AES_GCM_16, Some(256)),
    (EncrId::AES_GCM_16, Some(128)),
    (EncrId::CHACHA20_POLY1305, None),
];
const MACS: [IntegId; 3] = [
    IntegId::HMAC_SHA2_256_128,
    IntegId::HMAC_SHA2_384_192,
    IntegId::HMAC_SHA2_512_256,
];
const PRFS: [PrfId; 3] = [
    PrfId::HMAC_SHA2_256,
    PrfId::HMAC_SHA2_384,
    PrfId::HMAC_SHA2_512,
];
const GROUPS: [KeMethod; 7] = [
    KeMethod::CURVE25519,
    KeMethod::ECP256,
    KeMethod::ECP384,
    KeMethod::ECP521,
    KeMethod::MODP2048,
    KeMethod::MODP3072,
    KeMethod::MODP4096,
];

/// Where a transform stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Ike,
    Child,
}

/// IKE proposals, the defaults if nothing is given.
pub(super) fn ike(report: &mut Report, given: &[Transforms]) -> Vec<IkeProposal> {
    let mut out = Vec::new();
    let empty = empty(given);
    for set in given.iter().chain(&empty) {
        let suite = suite(report, set, Place::Ike, &IKE_AEAD);
        let prf: Vec<_> = set
            .prf
            .iter()
            .filter_map(|word| prf(report, word))
            .collect();
        for (encr, integ) in suite.ciphers {
            out.push(IkeProposal {
                encr,
                integ,
                prf: if set.prf.is_empty() {
                    PRFS.to_vec()
                } else {
                    unique(&prf)
                },
                ke: if set.group.is_empty() {
                    GROUPS.to_vec()
                } else {
                    suite.ke.clone()
                },
                additional_ke: Vec::new(),
            });
        }
    }
    out
}

/// Child proposals, the defaults if nothing is given.
pub(super) fn child(report: &mut Report, given: &[Transforms]) -> Vec<ChildProposal> {
    let mut out = Vec::new();
    let empty = empty(given);
    for set in given.iter().chain(&empty) {
        let suite = suite(report, set, Place::Child, &ESP_AEAD);
        let esn: Vec<_> = set.esn.iter().map(|e| e.value).collect();
        for (encr, integ) in suite.ciphers {
            out.push(ChildProposal {
                encr,
                integ,
                ke: if set.group.is_empty() {
                    default_pfs()
                } else {
                    suite.ke.clone()
                },
                additional_ke: Vec::new(),
                esn: if esn.is_empty() {
                    vec![true, false]
                } else {
                    unique(&esn)
                },
            });
        }
    }
    out
}

/// PFS is offered and not insisted on.
fn default_pfs() -> Vec<KeMethod> {
    GROUPS.iter().copied().chain([KeMethod::NONE]).collect()
}

fn empty(given: &[Transforms]) -> Vec<Transforms> {
    let nothing = Transforms {
        span: super::Span {
            file: 0,
            start: 0,
            end: 0,
        },
        enc: Vec::new(),
        auth: Vec::new(),
        prf: Vec::new(),
        group: Vec::new(),
        ke: Vec::new(),
        esn: Vec::new(),
    };
    if given.is_empty() {
        vec![nothing]
    } else {
        Vec::new()
    }
}

struct Suite {
    /// Ciphers with their MACs; one entry is one proposal.
    ciphers: Vec<(Vec<Encr>, Vec<IntegId>)>,
    ke: Vec<KeMethod>,
}

fn suite(report: &mut Report, set: &Transforms, place: Place, aead: &[Encr]) -> Suite {
    let macs: Vec<_> = set
        .auth
        .iter()
        .filter_map(|word| mac(report, word))
        .collect();
    let macs = if set.auth.is_empty() {
        MACS.to_vec()
    } else {
        unique(&macs)
    };
    let groups = set
        .group
        .iter()
        .filter_map(|word| group(report, word, place))
        .collect::<Vec<_>>();
    let found: Vec<_> = set
        .enc
        .iter()
        .map(|word| (word, cipher(report, word)))
        .collect();
    let known: Vec<(&Spanned<String>, Cipher)> = found
        .iter()
        .filter_map(|(word, cipher)| cipher.map(|c| (*word, c)))
        .collect();
    let combined = known.iter().find(|(_, c)| c.aead);
    let plain = known.iter().find(|(_, c)| !c.aead);
    let encr = || {
        unique(
            &known
                .iter()
                .map(|(_, c)| (c.id, c.bits))
                .collect::<Vec<_>>(),
        )
    };
    let ciphers = match (combined, plain) {
        (Some((a, _)), Some((p, _))) => {
            let (keyword, verb) = match place {
                Place::Ike => ("ikesa", "an `ikesa`"),
                Place::Child => ("childsa", "a `childsa`"),
            };
            report.push(
                Diagnostic::error(
                    p.span,
                    format!("ciphers with and without authentication in one `{keyword}`"),
                )
                .label("needs a MAC")
                .related(a.span, "authenticates by itself")
                .help(format!("write {verb} for each of the two kinds")),
            );
            Vec::new()
        }
        (Some((a, _)), None) => {
            if let Some(auth) = set.auth.first() {
                let help = match place {
                    Place::Ike => "remove it; the PRF is chosen with `prf`",
                    Place::Child => "remove it",
                };
                report.push(
                    Diagnostic::error(auth.span, format!("`auth` with the cipher {}", a.value))
                        .label("has no place here")
                        .related(a.span, "authenticates by itself")
                        .help(help),
                );
            }
            vec![(encr(), Vec::new())]
        }
        (None, Some(_)) => vec![(encr(), macs)],
        // Each of them was wrong, and reported.
        (None, None) if !set.enc.is_empty() => Vec::new(),
        // A MAC asks for ciphers that need one.
        (None, None) if !set.auth.is_empty() => vec![(AES_CBC.to_vec(), macs)],
        (None, None) => vec![(aead.to_vec(), Vec::new()), (AES_CBC.to_vec(), macs)],
    };
    Suite {
        ciphers,
        ke: unique(&groups),
    }
}

fn unknown<'a>(
    report: &mut Report,
    word: &Spanned<String>,
    what: &str,
    known: impl IntoIterator<Item = &'a str>,
    example: &str,
) {
    let text = &word.value;
    let help = words::did_you_mean(text, known).unwrap_or_else(|| format!("such as {example}"));
    report.push(
        Diagnostic::error(word.span, format!("`{text}` is not {what}"))
            .label(format!("unknown as {what}"))
            .help(help),
    );
}

/// Known, but not built in.
fn refuse(report: &mut Report, word: &Spanned<String>, why: &str, instead: &str) {
    let text = &word.value;
    report.push(
        Diagnostic::error(word.span, format!("not supported yet: `{text}`"))
            .label(why)
            .help(format!("use {instead}")),
    );
}

fn cipher(report: &mut Report, word: &Spanned<String>) -> Option<Cipher> {
    let Some(cipher) = words::CIPHERS.iter().find(|c| c.word == word.value) else {
        let known = words::CIPHERS.iter().map(|c| c.word);
        unknown(
            report,
            word,
            "a cipher",
            known,
            "aes-256-gcm, aes-128-gcm or aes-256",
        );
        return None;
    };
    let mac = (!cipher.aead).then_some(IntegId::HMAC_SHA2_256_128);
    if offered_cipher(cipher.id)
        && ike_crypto::Cipher::from_transforms(cipher.id, cipher.bits, mac).is_some()
    {
        return Some(*cipher);
    }
    let (why, instead) = match cipher.id {
        EncrId::TRIPLE_DES => ("64-bit blocks: weak", "aes-256-gcm"),
        EncrId::DES => ("56-bit keys: broken (RFC 8247)", "aes-256-gcm"),
        EncrId::BLOWFISH | EncrId::CAST => ("64-bit blocks: weak (RFC 8221)", "aes-256-gcm"),
        EncrId::NULL => ("does not encrypt", "aes-128-gcm"),
        EncrId::NULL_AUTH_AES_GMAC => ("does not encrypt", "aes-128-gcm"),
        EncrId::AES_CTR => (
            "not built in",
            "aes-128-gcm, which is AES-CTR with authentication",
        ),
        EncrId::AES_CCM_16 => ("not built in", "aes-128-gcm"),
        _ => ("not built in", "aes-256-gcm"),
    };
    refuse(report, word, why, instead);
    None
}

fn mac(report: &mut Report, word: &Spanned<String>) -> Option<IntegId> {
    let Some((_, id)) = words::MACS.iter().find(|(name, _)| *name == word.value) else {
        let known = words::MACS.iter().map(|(name, _)| *name);
        unknown(report, word, "a MAC", known, "hmac-sha2-256");
        return None;
    };
    if offered_mac(*id) && ike_crypto::Integ::from_id(*id).is_some() {
        return Some(*id);
    }
    let why = match *id {
        IntegId::HMAC_MD5_96 => "MD5 is broken (RFC 8247)",
        IntegId::HMAC_SHA1_96 => "SHA-1 is on its way out (RFC 8247)",
        _ => "not built in",
    };
    refuse(report, word, why, "hmac-sha2-256");
    None
}

fn prf(report: &mut Report, word: &Spanned<String>) -> Option<PrfId> {
    let Some((_, id)) = words::PRFS.iter().find(|(name, _)| *name == word.value) else {
        let known = words::PRFS.iter().map(|(name, _)| *name);
        unknown(report, word, "a PRF", known, "hmac-sha2-256");
        return None;
    };
    if offered_prf(*id) && Prf::from_id(*id).is_some() {
        if matches!(*id, PrfId::HMAC_SHA1 | PrfId::HMAC_MD5) {
            let text = &word.value;
            report.push(
                Diagnostic::warning(word.span, format!("`{text}` as PRF is of yesterday"))
                    .label("kept for old peers (RFC 8247)")
                    .help("use hmac-sha2-256 if the peer can"),
            );
        }
        return Some(*id);
    }
    let why = match *id {
        PrfId::HMAC_MD5 => "MD5 is broken (RFC 8247)",
        PrfId::HMAC_SHA1 => "SHA-1 is on its way out (RFC 8247)",
        _ => "not built in",
    };
    refuse(report, word, why, "hmac-sha2-256");
    None
}

fn group(report: &mut Report, word: &Spanned<String>, place: Place) -> Option<KeMethod> {
    let Some((_, id)) = words::GROUPS.iter().find(|(name, _)| *name == word.value) else {
        let known = words::GROUPS.iter().map(|(name, _)| *name);
        unknown(
            report,
            word,
            "a group",
            known,
            "curve25519, ecp256 or modp2048",
        );
        return None;
    };
    if *id == KeMethod::NONE {
        if place == Place::Ike {
            report.push(
                Diagnostic::error(word.span, "`group none` in `ikesa`")
                    .label("an IKE SA always has a key exchange")
                    .help("use curve25519, or remove it to have the defaults"),
            );
            return None;
        }
        return Some(*id);
    }
    if offered_group(*id) && ike_crypto::ke::is_supported(*id) {
        return Some(*id);
    }
    let (why, instead) = match *id {
        KeMethod(3 | 4) => ("an EC2N group; IKEv2 has no number for it", "ecp256"),
        KeMethod::MODP768 | KeMethod::MODP1024 | KeMethod::MODP1536 => {
            ("too small (RFC 8247)", "modp2048 or curve25519")
        }
        KeMethod::MODP1024_160 | KeMethod::MODP2048_224 | KeMethod::MODP2048_256 => (
            "a prime that may have a trap door (RFC 8247)",
            "modp2048 or curve25519",
        ),
        KeMethod::ECP192 | KeMethod::ECP224 => ("too small", "ecp256"),
        KeMethod::ML_KEM_512 | KeMethod::ML_KEM_768 | KeMethod::ML_KEM_1024 => {
            ("post-quantum key exchange", "curve25519")
        }
        _ => ("not built in", "curve25519 or ecp256"),
    };
    refuse(report, word, why, instead);
    None
}

// What may be configured is decided here; ike-crypto has more built in, weak algorithms among it.

fn offered_cipher(id: EncrId) -> bool {
    matches!(
        id,
        EncrId::AES_GCM_16
            | EncrId::AES_GCM_12
            | EncrId::AES_GCM_8
            | EncrId::AES_CBC
            | EncrId::CHACHA20_POLY1305
    )
}

fn offered_mac(id: IntegId) -> bool {
    matches!(
        id,
        IntegId::HMAC_SHA2_256_128 | IntegId::HMAC_SHA2_384_192 | IntegId::HMAC_SHA2_512_256
    )
}

fn offered_prf(id: PrfId) -> bool {
    matches!(
        id,
        PrfId::HMAC_SHA1 | PrfId::HMAC_SHA2_256 | PrfId::HMAC_SHA2_384 | PrfId::HMAC_SHA2_512
    )
}

fn offered_group(id: KeMethod) -> bool {
    matches!(
        id,
        KeMethod::CURVE25519
            | KeMethod::ECP256
            | KeMethod::ECP384
            | KeMethod::ECP521
            | KeMethod::MODP2048
            | KeMethod::MODP3072
            | KeMethod::MODP4096
            | KeMethod::MODP6144
            | KeMethod::MODP8192
    )
}

fn unique<T: PartialEq + Copy>(list: &[T]) -> Vec<T> {
    let mut out = Vec::new();
    for item in list {
        if !out.contains(item) {
            out.push(*item);
        }
    }
    out
}
