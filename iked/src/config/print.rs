//! The canonical form of a loaded configuration (`iked -nv`): one policy per statement, macros
//! and names resolved, defaults spelled out, secrets as `<hidden>`.
use super::Loaded;
use super::loaded::Dataplane;
use super::words;
use ike_sa::{ChildPolicy, Id, IdMatch, Initiation, Policy};
use ike_ts::{AddrRange, PortRange, TrafficSelector};
use ike_wire::{EncrId, IdType, IntegId, KeMethod, PrfId};
use std::fmt::Write;

/// Prints a configuration that loads to the same policies, but for the secrets.
pub fn canonical(loaded: &Loaded) -> String {
    let mut out = String::new();
    settings(&mut out, loaded);
    for user in loaded.secrets.users.keys() {
        let _ = writeln!(out, "user {} \"<hidden>\"", quote(user));
    }
    for policy in &loaded.policies.policies {
        out.push('\n');
        out.push_str(&self::policy(policy));
    }
    out
}

fn settings(out: &mut String, loaded: &Loaded) {
    let settings = &loaded.policies.settings;
    let mut set = |what: &str| {
        let _ = writeln!(out, "set {what}");
    };
    set(if settings.passive {
        "passive"
    } else {
        "active"
    });
    set(if settings.decouple {
        "decouple"
    } else {
        "couple"
    });
    set(match loaded.daemon.dataplane {
        Dataplane::Auto => "dataplane auto",
        Dataplane::Userspace => "dataplane userspace",
        Dataplane::Xfrm => "dataplane xfrm",
        Dataplane::None => "dataplane none",
    });
    set(if loaded.daemon.leak { "leak" } else { "noleak" });
    set(if settings.enforce_single_ike_sa {
        "enforcesingleikesa"
    } else {
        "noenforcesingleikesa"
    });
    set(&format!(
        "dpd_check_interval {}",
        settings.dpd_check_interval_s
    ));
    set(&format!("cookie_threshold {}", settings.cookie_threshold));
}

fn policy(policy: &Policy) -> String {
    let mut head = format!("ikev2 {}", quote(&policy.name));
    for (set, word) in [
        (policy.quick, " quick"),
        (policy.skip, " skip"),
        (policy.default, " default"),
    ] {
        if set {
            head.push_str(word);
        }
    }
    head.push_str(match policy.initiation {
        Initiation::Active => " active",
        Initiation::Passive => " passive",
    });
    head.push_str(" tunnel esp");
    let mut lines = vec![head];
    for child in &policy.children {
        flows(&mut lines, child);
    }
    lines.push(format!(
        "local {} peer {}",
        end(policy.local),
        end(policy.peer)
    ));
    for proposal in &policy.ike {
        let mut line = "ikesa".to_owned();
        proposal
            .encr
            .iter()
            .for_each(|encr| line.push_str(&cipher(*encr)));
        proposal
            .integ
            .iter()
            .for_each(|integ| line.push_str(&mac(*integ)));
        proposal
            .prf
            .iter()
            .for_each(|prf| line.push_str(&self::prf(*prf)));
        proposal.ke.iter().for_each(|ke| line.push_str(&group(*ke)));
        lines.push(line);
    }
    for child in &policy.children {
        for proposal in &child.proposals {
            let mut line = "childsa".to_owned();
            proposal
                .encr
                .iter()
                .for_each(|encr| line.push_str(&cipher(*encr)));
            proposal
                .integ
                .iter()
                .for_each(|integ| line.push_str(&mac(*integ)));
            proposal.ke.iter().for_each(|ke| line.push_str(&group(*ke)));
            for esn in &proposal.esn {
                line.push_str(if *esn { " esn" } else { " noesn" });
            }
            lines.push(line);
        }
    }
    lines.push(format!("srcid {}", quote(&identity(&policy.local_id))));
    if let IdMatch::Exact(id) = &policy.peer_id {
        lines.push(format!("dstid {}", quote(&identity(id))));
    }
    lines.push(format!("ikelifetime {}", policy.ike_lifetime_s));
    for child in &policy.children {
        let (time, bytes) = (child.lifetime_s, child.lifetime_bytes);
        lines.push(format!("lifetime {time} bytes {bytes}"));
    }
    if !policy.skip {
        lines.push("psk \"<hidden>\"".to_owned());
    }
    lines.join(" \\\n\t") + "\n"
}

fn identity(id: &Id) -> String {
    match id.kind {
        IdType::FQDN | IdType::RFC822_ADDR => String::from_utf8_lossy(&id.data).into_owned(),
        _ => id.to_string(),
    }
}

/// `proto` belongs to the policy, so every protocol has all flows: print each flow once.
fn flows(lines: &mut Vec<String>, child: &ChildPolicy) {
    let mut protocols: Vec<u8> = Vec::new();
    let mut pairs: Vec<String> = Vec::new();
    for (from, to) in &child.flows {
        if from.protocol != 0 && !protocols.contains(&from.protocol) {
            protocols.push(from.protocol);
        }
        let pair = format!("from {} to {}", selector(from), selector(to));
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    if !protocols.is_empty() {
        let names: Vec<_> = protocols.iter().map(|p| protocol(*p)).collect();
        lines.push(match names.as_slice() {
            [one] => format!("proto {one}"),
            _ => format!("proto {{ {} }}", names.join(", ")),
        });
    }
    lines.extend(pairs);
}

fn protocol(number: u8) -> String {
    let known = words::PROTOCOLS.iter().find(|(_, n)| *n == number);
    known.map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}

fn selector(selector: &TrafficSelector) -> String {
    let addrs = range(selector.addrs);
    match selector.ports {
        PortRange::ANY => addrs,
        ports => format!("{addrs} port {}", ports.start()),
    }
}

fn end(addrs: Option<AddrRange>) -> String {
    addrs.map_or_else(|| "any".to_owned(), range)
}

/// Ranges in a configuration are always one prefix.
fn range(addrs: AddrRange) -> String {
    match addrs.is_host() {
        true => addrs.start().to_string(),
        false => addrs
            .prefixes()
            .map(|p| p.to_string())
            .collect::<Vec<_>>()
            .join(" "),
    }
}

fn cipher((id, bits): (EncrId, Option<u16>)) -> String {
    let known = words::CIPHERS.iter().find(|c| c.id == id && c.bits == bits);
    format!(" enc {}", known.map_or("?", |c| c.word))
}

fn mac(id: IntegId) -> String {
    format!(" auth {}", word(words::MACS, id))
}

fn prf(id: PrfId) -> String {
    format!(" prf {}", word(words::PRFS, id))
}

fn group(id: KeMethod) -> String {
    format!(" group {}", word(words::GROUPS, id))
}

/// The first word of a table for an algorithm.
fn word<T: PartialEq>(table: &[(&'static str, T)], id: T) -> &'static str {
    table
        .iter()
        .find(|(_, known)| *known == id)
        .map_or("?", |(word, _)| word)
}

/// In quotes, such that the lexer reads the same text: there `\` has a meaning before a quote and
/// before a blank only.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    let mut before = '"';
    for c in text.chars() {
        if c == '"' || (before == '\\' && matches!(c, ' ' | '\t')) {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out.push('"');
    out
}
