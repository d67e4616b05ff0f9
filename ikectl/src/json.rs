//! JSON for programs. The fields are a promise, written down in docs/json.md: fields may be added,
//! none changes or goes without a new major release.
use crate::names;
use ike_sa::{ChildSaSnapshot, Event, Id, IkeSaSnapshot, Mode};
use iked::control::proto::{Failure, ReloadReport, Stat};
use serde::Serialize;
use std::{collections::BTreeMap, net::SocketAddr};

#[derive(Serialize)]
struct IkeSa<'a> {
    name: &'a str,
    state: &'a str,
    role: &'static str,
    spi_i: String,
    spi_r: String,
    local: End,
    peer: End,
    ike: Option<Ike>,
    established_s: Option<u64>,
    rekey_in_s: Option<u64>,
    children: Vec<ChildSa<'a>>,
}

#[derive(Serialize)]
struct End {
    id: Option<String>,
    addr: SocketAddr,
}

#[derive(Serialize)]
struct Ike {
    encr: String,
    integ: Option<String>,
    prf: String,
    ke: Option<String>,
}

#[derive(Serialize)]
struct ChildSa<'a> {
    state: &'a str,
    mode: &'static str,
    encap: &'static str,
    spi_in: String,
    spi_out: String,
    encr: String,
    integ: Option<String>,
    ke: Option<String>,
    esn: bool,
    ts_local: Vec<String>,
    ts_peer: Vec<String>,
    bytes_in: u64,
    bytes_out: u64,
    packets_in: u64,
    packets_out: u64,
    rekey_in_s: Option<u64>,
}

#[derive(Serialize)]
struct FailureLine<'a> {
    age_s: u64,
    policy: Option<&'a str>,
    peer: Option<SocketAddr>,
    what: String,
}

/// How a command without data ended.
#[derive(Serialize)]
struct Ended<'a> {
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// `show sa --json`: an array of IKE SAs.
pub(crate) fn sas(sas: &[&IkeSaSnapshot]) -> String {
    print(&sas.iter().map(|sa| ike_sa(sa)).collect::<Vec<_>>())
}

/// `show stats --json`: sections of counters.
pub(crate) fn stats(stats: &[&Stat]) -> String {
    let mut sections: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for stat in stats {
        sections
            .entry(&stat.section)
            .or_default()
            .insert(&stat.name, stat.value);
    }
    print(&sections)
}

/// `show failures --json`: an array, newest last.
pub(crate) fn failures(failures: &[&Failure], what: impl Fn(&Event) -> String) -> String {
    let lines: Vec<FailureLine<'_>> = failures
        .iter()
        .map(|failure| FailureLine {
            age_s: failure.age_s,
            policy: failure.event.policy.as_deref(),
            peer: failure.event.peer,
            what: what(&failure.event),
        })
        .collect();
    print(&lines)
}

/// `reload --json`.
pub(crate) fn reloaded(report: &ReloadReport) -> String {
    print(report)
}

/// Any other command with `--json`.
pub(crate) fn ended(failure: Option<&str>) -> String {
    print(&Ended {
        result: if failure.is_none() { "done" } else { "failed" },
        reason: failure,
    })
}

fn ike_sa(sa: &IkeSaSnapshot) -> IkeSa<'_> {
    let end = |(id, addr): &(Option<Id>, SocketAddr)| End {
        id: id.as_ref().map(ToString::to_string),
        addr: *addr,
    };
    IkeSa {
        name: &sa.name,
        state: &sa.state,
        role: role(sa.initiator),
        spi_i: sa.spi_i.to_string(),
        spi_r: sa.spi_r.to_string(),
        local: end(&sa.local),
        peer: end(&sa.peer),
        ike: sa.ike.map(|(encr, bits, integ, prf, ke)| Ike {
            encr: names::encr(encr, bits),
            integ: names::integ(integ),
            prf: names::prf(prf),
            ke: names::ke(ke),
        }),
        established_s: sa.established_s,
        rekey_in_s: sa.rekey_in_s,
        children: sa.children.iter().map(child_sa).collect(),
    }
}

fn child_sa(child: &ChildSaSnapshot) -> ChildSa<'_> {
    let (encr, bits) = child.suite.cipher.encr();
    ChildSa {
        state: &child.state,
        mode: mode(child.mode),
        encap: if child.udp_encap { "udp" } else { "none" },
        spi_in: format!("0x{}", child.spi_in),
        spi_out: format!("0x{}", child.spi_out),
        encr: names::encr(encr, bits),
        integ: names::integ(child.suite.cipher.integ()),
        ke: child.ke.and_then(names::ke),
        esn: child.suite.esn,
        ts_local: child.ts_local.iter().map(ToString::to_string).collect(),
        ts_peer: child.ts_peer.iter().map(ToString::to_string).collect(),
        bytes_in: child.counters.bytes_in,
        bytes_out: child.counters.bytes_out,
        packets_in: child.counters.packets_in,
        packets_out: child.counters.packets_out,
        rekey_in_s: child.rekey_in_s,
    }
}

/// "initiator" or "responder".
pub(crate) fn role(initiator: bool) -> &'static str {
    if initiator { "initiator" } else { "responder" }
}

/// "tunnel" or "transport".
pub(crate) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Tunnel => "tunnel",
        Mode::Transport => "transport",
    }
}

fn print(value: &impl Serialize) -> String {
    // Maps with text keys, no floats: this cannot fail.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
