//! What people see of `show sa`, `show stats`, `show failures` and `reload`.
use crate::{
    json, names,
    output::Style,
    text::{clean, clean_lines, octets, row, seconds, seconds_or_dash, wrap},
};
use ike_sa::{ChildSaSnapshot, Event, EventKind, Id, IkeSaSnapshot};
use iked::control::proto::{DaemonInfo, Failure, ReloadReport, Stat};
use std::net::SocketAddr;

const NAME: usize = 24;
const STATE: usize = 12;
const COLUMN: usize = 11;

/// `show sa`. `ikectl` is how to call this program again, socket included.
pub(crate) fn sas(
    daemon: Option<&DaemonInfo>,
    sas: &[&IkeSaSnapshot],
    ikectl: &str,
    style: Style,
) -> String {
    let mut out = String::new();
    if !sas.is_empty() {
        let heading = row(
            0,
            &[
                ("NAME", NAME),
                ("STATE", STATE),
                ("ROLE", COLUMN),
                ("UP", COLUMN),
                ("REKEY IN", COLUMN),
            ],
        );
        out.push_str(&style.heading(heading.trim_end()));
        out.push('\n');
        for sa in sas {
            ike_sa(&mut out, sa, style);
        }
        out.push('\n');
    }
    if sas.iter().all(|sa| sa.established_s.is_none()) {
        nothing_established(&mut out, daemon, sas, ikectl);
        out.push('\n');
    }
    if let Some(daemon) = daemon {
        out.push_str(&data_plane(daemon));
    }
    out
}

fn ike_sa(out: &mut String, sa: &IkeSaSnapshot, style: Style) {
    let line = row(
        0,
        &[
            (&clean(&sa.name), NAME),
            (&clean(&sa.state), STATE),
            (json::role(sa.initiator), COLUMN),
            (&seconds_or_dash(sa.established_s), COLUMN),
            (&seconds_or_dash(sa.rekey_in_s), COLUMN),
        ],
    );
    out.push_str(&paint_state(&line, &sa.state, "ESTABLISHED", style));
    let (nat_local, nat_peer) = sa.nat;
    out.push_str(&end("  local  ", &sa.local, nat_local));
    out.push_str(&end("  peer   ", &sa.peer, nat_peer));
    if let Some((encr, bits, integ, prf, ke)) = sa.ike {
        let mut words = vec![names::encr(encr, bits)];
        words.extend(names::integ(integ));
        words.push(format!("prf {}", names::prf(prf)));
        words.extend(names::ke(ke));
        out.push_str(&wrap("  ike    ", words));
    }
    for child in &sa.children {
        child_sa(out, child, style);
    }
}

fn child_sa(out: &mut String, child: &ChildSaSnapshot, style: Style) {
    // An indented child in the columns of its IKE SA; what follows is indented once more.
    let kind = json::mode(child.mode);
    let encap = if child.udp_encap { "udp" } else { "esp" };
    let name = clean(&child.name);
    let line = row(
        2,
        &[
            (&name, NAME - 2),
            (&clean(&child.state), STATE),
            (kind, COLUMN),
            (encap, COLUMN),
            (&seconds_or_dash(child.rekey_in_s), COLUMN),
        ],
    );
    out.push_str(&paint_state(&line, &child.state, "INSTALLED", style));
    out.push_str(&selectors("    local  ", &child.ts_local));
    out.push_str(&selectors("    peer   ", &child.ts_peer));
    let c = child.counters;
    out.push_str(&row(
        4,
        &[
            ("in", 5),
            (&octets(c.bytes_in), 10),
            (&packets(c.packets_in), 28),
            (&format!("spi 0x{}", child.spi_in), 14),
        ],
    ));
    out.push_str(&row(
        4,
        &[
            ("out", 5),
            (&octets(c.bytes_out), 10),
            (&packets(c.packets_out), 28),
            (&format!("spi 0x{}", child.spi_out), 14),
        ],
    ));
    let (encr, bits) = child.suite.cipher.encr();
    let mut words = vec![names::encr(encr, bits)];
    words.extend(names::integ(child.suite.cipher.integ()));
    words.extend(child.ke.and_then(names::ke));
    if child.suite.esn {
        words.push("esn".into());
    }
    out.push_str(&wrap("    with   ", words));
}

fn packets(n: u64) -> String {
    format!("{n} packet{}", if n == 1 { "" } else { "s" })
}

fn end(first: &str, (id, addr): &(Option<Id>, SocketAddr), nat: bool) -> String {
    let mut words = vec![addr.to_string()];
    words.extend(id.as_ref().map(|id| clean(&id.to_string())));
    if nat {
        words.push("(behind NAT)".into());
    }
    wrap(first, words)
}

fn selectors(first: &str, list: &[ike_ts::TrafficSelector]) -> String {
    let last = list.len().saturating_sub(1);
    wrap(
        first,
        list.iter().enumerate().map(|(n, ts)| {
            if n == last {
                ts.to_string()
            } else {
                format!("{ts},")
            }
        }),
    )
}

fn paint_state(line: &str, state: &str, good: &str, style: Style) -> String {
    let shown = clean(state);
    let painted = if state == good {
        style.good(&shown)
    } else {
        style.changing(&shown)
    };
    // The name comes first and may read like the state: paint the last place.
    match line.rfind(&format!(" {shown} ")) {
        Some(at) => {
            let (before, after) = line.split_at(at + 1);
            let after = after.get(shown.len()..).unwrap_or_default();
            format!("{before}{painted}{after}")
        }
        None => line.to_owned(),
    }
}

fn nothing_established(
    out: &mut String,
    daemon: Option<&DaemonInfo>,
    sas: &[&IkeSaSnapshot],
    ikectl: &str,
) {
    let policies = daemon.map(|d| d.policies.as_slice()).unwrap_or_default();
    out.push_str(if sas.is_empty() {
        "No SAs.\n"
    } else {
        "Nothing is established yet.\n"
    });
    if daemon.is_some_and(|d| d.policies.is_empty()) {
        out.push_str("The configuration has no policy: add an `ikev2` line to it, then\n");
        out.push_str(&format!("  {ikectl} reload\n"));
        return;
    }
    if daemon.is_some_and(|d| !d.active) {
        out.push_str(&wrap(
            "",
            "The daemon is in passive mode and only waits for peers; this changes it:".split(' '),
        ));
        out.push_str(&format!("  {ikectl} active\n"));
    }
    if !policies.is_empty() {
        let last = policies.len() - 1;
        out.push_str(&wrap(
            "Policies: ",
            policies.iter().enumerate().map(|(n, name)| {
                let name = quoted(name);
                if n == last { name } else { format!("{name},") }
            }),
        ));
    }
    out.push_str("Try:\n");
    let name = policies
        .first()
        .map_or_else(|| "NAME".into(), |n| quoted(n));
    let tries = [
        (
            format!("{ikectl} up {name}"),
            "connect now and say why it fails",
        ),
        (format!("{ikectl} show failures"), "what failed lately"),
        (format!("{ikectl} log verbose"), "more in the log"),
    ];
    let width = tries.iter().map(|(t, _)| t.chars().count()).max();
    for (command, what) in &tries {
        out.push_str(&row(2, &[(command, width.unwrap_or(0)), (what, 0)]));
    }
}

/// A name as a shell takes it.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/".contains(c);
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("'{}'", clean(name).replace('\'', "'\\''"))
    }
}

fn data_plane(daemon: &DaemonInfo) -> String {
    let mut text = format!("Data plane: {}", clean(&daemon.dataplane));
    if !daemon.dataplane_note.is_empty() {
        text.push_str(&format!(" ({})", clean(&daemon.dataplane_note)));
    } else if daemon.dataplane_configured != daemon.dataplane {
        text.push_str(&format!(
            " (set dataplane {})",
            clean(&daemon.dataplane_configured)
        ));
    }
    if !daemon.coupled {
        text.push_str("; decoupled: nothing is protected");
    }
    wrap("", text.split(' '))
}

/// `show stats`.
pub(crate) fn stats(stats: &[&Stat], style: Style) -> String {
    if stats.is_empty() {
        return "No counters.\n".into();
    }
    let width = stats
        .iter()
        .map(|s| s.value.to_string().len())
        .max()
        .unwrap_or(0)
        .max(8);
    let mut out = String::new();
    let mut section = None;
    for stat in stats {
        if section != Some(&stat.section) {
            if section.is_some() {
                out.push('\n');
            }
            section = Some(&stat.section);
            out.push_str(&style.heading(&clean(&stat.section)));
            out.push('\n');
        }
        out.push_str(&format!(
            "  {:>width$}  {}\n",
            stat.value,
            clean(&stat.name)
        ));
    }
    out
}

/// `show failures`.
pub(crate) fn failures(failures: &[&Failure]) -> String {
    if failures.is_empty() {
        return "Nothing failed since the daemon started.\n".into();
    }
    let mut out = String::new();
    for failure in failures {
        let mut words = vec![format!("{} ago", seconds(failure.age_s))];
        words.extend(failure.event.policy.as_deref().map(quoted));
        words.extend(failure.event.peer.map(|peer| format!("peer {peer}")));
        out.push_str(&wrap("", words));
        out.push_str(&wrap("  ", clean(&what(&failure.event)).split(' ')));
    }
    out
}

/// An event in words.
pub(crate) fn what(event: &Event) -> String {
    match &event.kind {
        EventKind::AttemptFailed(reason) => reason.to_string(),
        EventKind::IkeSaClosed(reason) => format!("IKE SA closed: {reason}"),
        EventKind::ChildSaClosed { child, reason, .. } => {
            format!("child SA {} closed: {reason}", quoted(child))
        }
        EventKind::ChildRefused { child, reason } => {
            format!("child SA {} refused: {reason}", quoted(child))
        }
        EventKind::Retransmit {
            message_id,
            attempt,
        } => {
            format!("request {message_id} repeated for the {attempt}. time")
        }
        EventKind::Connecting => "connecting".into(),
        EventKind::IkeSaEstablished { peer_id } => format!("established with {peer_id}"),
        EventKind::IkeSaRekeyed { .. } => "IKE SA rekeyed".into(),
        EventKind::ChildSaInstalled { child, .. } => {
            format!("child SA {} installed", quoted(child))
        }
        EventKind::ChildSaRekeyed { child, .. } => format!("child SA {} rekeyed", quoted(child)),
        EventKind::NatDetected { local, peer } => match (local, peer) {
            (true, true) => "NAT on both sides".into(),
            (true, false) => "NAT on our side".into(),
            _ => "NAT on the peer's side".into(),
        },
        EventKind::PeerAddressChanged { from, to } => format!("peer moved from {from} to {to}"),
        // Never sent, and never printed if it were: it holds keys.
        EventKind::KeyLog(_) => "keys logged".into(),
        _ => "something that this ikectl does not know; use the one of the daemon's release".into(),
    }
}

/// `reload`.
pub(crate) fn reloaded(report: &ReloadReport) -> String {
    let mut out = clean_lines(&report.warnings);
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out.push_str(&format!(
        "Reloaded: {} kept, {} changed, {} closed, {} new.\n",
        report.kept.len(),
        report.changed.len(),
        report.closed.len(),
        report.new.len()
    ));
    for (heading, policies) in [
        ("  kept     ", &report.kept),
        ("  changed  ", &report.changed),
        ("  closed   ", &report.closed),
        ("  new      ", &report.new),
    ] {
        if !policies.is_empty() {
            out.push_str(&wrap(heading, policies.iter().map(|p| quoted(p))));
        }
    }
    out
}
