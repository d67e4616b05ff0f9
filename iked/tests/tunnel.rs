//! Two daemons, two network namespaces, the userspace data plane: packets go through, nothing
//! leaves in clear, and a clean stop leaves nothing behind.
#![allow(clippy::unwrap_used)]
mod common;

use common::{Daemon, Netns, is_root, must, wait_for};

/// Two gateways on one link, each with an address of its LAN.
struct Site {
    left: Netns,
    right: Netns,
}

fn site(name: &str) -> Site {
    let left = Netns::new(&format!("{name}-l"));
    let right = Netns::new(&format!("{name}-r"));
    must(&format!(
        "ip -n {l} link add wan type veth peer name wan netns {r} && \
         ip -n {l} addr add 192.0.2.1/24 dev wan && ip -n {r} addr add 192.0.2.2/24 dev wan && \
         ip -n {l} link set wan up && ip -n {r} link set wan up && \
         ip -n {l} addr add 10.1.0.1/24 dev lo && ip -n {r} addr add 10.2.0.1/24 dev lo && \
         ip -n {l} route add 10.2.0.0/24 via 192.0.2.2 && \
         ip -n {r} route add 10.1.0.0/24 via 192.0.2.1",
        l = left.0,
        r = right.0
    ));
    Site { left, right }
}

fn config(mode: &str, local: u8, peer: u8, psk: &str) -> String {
    format!(
        "set dataplane userspace\n\
         ikev2 \"gw\" {mode} esp from 10.{local}.0.0/24 to 10.{peer}.0.0/24 \
         local 192.0.2.{local} peer 192.0.2.{peer} srcid gw{local}.example dstid gw{peer}.example \
         psk \"{psk}\"\n"
    )
}

fn ping(netns: &Netns, from: &str, to: &str, count: u32) -> bool {
    let command = format!("ping -q -i 0.2 -W 1 -c {count} -I {from} {to}");
    netns.run(&command).status.success()
}

/// Rules, routes and devices that are not the system's own or the site's.
fn traces(netns: &Netns) -> String {
    netns.must(
        "sh -c 'ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; ip -o link' \
         | grep -E 'iked|unreachable|lookup [0-9]|table [0-9]' | grep -v 'iked[0-9]*-' || true",
    )
}

#[test]
fn two_daemons_carry_packets_and_leave_nothing_behind() {
    if !is_root() {
        return;
    }
    let site = site("tunnel");
    let (before_left, before_right) = (traces(&site.left), traces(&site.right));
    let mut right = Daemon::ready(&site.right, &config("passive", 2, 1, "key"), &[]);
    let mut left = Daemon::ready(&site.left, &config("active", 1, 2, "key"), &[]);
    left.wait_for_line("child SA gw established");
    right.wait_for_line("child SA gw established");
    assert!(
        ping(&site.left, "10.1.0.1", "10.2.0.1", 5),
        "{}",
        left.log()
    );
    assert!(ping(&site.right, "10.2.0.1", "10.1.0.1", 3));
    // The initiator's routes are there, and go with it.
    assert_ne!(traces(&site.left), before_left);
    left.signal("TERM");
    assert_eq!(left.wait().code(), Some(0), "{}", left.log());
    assert_eq!(traces(&site.left), before_left);
    // The responder was told, and lets go of what only the SA needed.
    right.wait_for_line("deleted by peer");
    right.signal("TERM");
    assert_eq!(right.wait().code(), Some(0), "{}", right.log());
    assert_eq!(traces(&site.right), before_right);
}

#[test]
fn nothing_leaves_in_clear_before_during_and_after() {
    if !is_root() {
        return;
    }
    let site = site("leak");
    assert!(
        ping(&site.left, "10.1.0.1", "10.2.0.1", 1),
        "the site works"
    );
    // Nobody answers: the policy stays without SA.
    let mut left = Daemon::ready(&site.left, &config("active", 1, 2, "key"), &[]);
    assert!(!ping(&site.left, "10.1.0.1", "10.2.0.1", 2));
    let esp = left.process("esp");
    must(&format!("kill -9 {esp}"));
    assert_eq!(left.wait().code(), Some(1));
    assert!(left.log().contains("process esp"));
    assert!(
        !ping(&site.left, "10.1.0.1", "10.2.0.1", 2),
        "the block is gone"
    );
    // A new daemon takes over what the dead one left.
    let mut left = Daemon::ready(&site.left, &config("active", 1, 2, "key"), &[]);
    assert!(!ping(&site.left, "10.1.0.1", "10.2.0.1", 2));
    left.signal("TERM");
    assert_eq!(left.wait().code(), Some(0));
    assert!(
        ping(&site.left, "10.1.0.1", "10.2.0.1", 1),
        "the block stayed"
    );
}

#[test]
fn set_leak_lets_packets_out() {
    if !is_root() {
        return;
    }
    let site = site("setleak");
    let text = format!("set leak\n{}", config("active", 1, 2, "key"));
    let _left = Daemon::ready(&site.left, &text, &[]);
    assert!(ping(&site.left, "10.1.0.1", "10.2.0.1", 1));
}

#[test]
fn another_key_is_refused_and_both_logs_say_why() {
    if !is_root() {
        return;
    }
    let site = site("psk");
    let mut right = Daemon::ready(&site.right, &config("passive", 2, 1, "one"), &[]);
    let mut left = Daemon::ready(&site.left, &config("active", 1, 2, "other"), &[]);
    right.wait_for_line("failed authentication");
    left.wait_for_line("AUTHENTICATION_FAILED");
    for log in [left.log(), right.log()] {
        assert!(!log.contains("\"one\"") && !log.contains("\"other\""));
    }
}

#[test]
fn a_reload_keeps_what_stays_and_closes_what_goes() {
    if !is_root() {
        return;
    }
    let site = site("reload");
    let mut right = Daemon::ready(&site.right, &config("passive", 2, 1, "key"), &[]);
    let mut left = Daemon::ready(&site.left, &config("active", 1, 2, "key"), &[]);
    left.wait_for_line("child SA gw established");
    let conf = left.path("iked.conf");
    common::write_config(&conf, "set nonsense\n");
    left.signal("HUP");
    left.wait_for_line("the configuration has errors");
    assert!(ping(&site.left, "10.1.0.1", "10.2.0.1", 2));
    common::write_config(&conf, &config("active", 1, 2, "key"));
    left.signal("HUP");
    left.wait_for_line("1 policies kept, 0 changed, 0 new, 0 closed");
    assert!(ping(&site.left, "10.1.0.1", "10.2.0.1", 2));
    common::write_config(&conf, "set dataplane userspace\n");
    left.signal("HUP");
    left.wait_for_line("0 policies kept, 0 changed, 0 new, 1 closed");
    right.wait_for_line("deleted by peer");
    wait_for("the end of the routes", || {
        ping(&site.left, "10.1.0.1", "10.2.0.1", 1)
    });
}

#[test]
fn decouple_takes_effect_in_a_running_daemon_and_so_does_its_end() {
    if !is_root() {
        return;
    }
    let site = site("decouple");
    let before = traces(&site.left);
    let mut right = Daemon::ready(&site.right, &config("passive", 2, 1, "key"), &[]);
    let mut left = Daemon::ready(&site.left, &config("active", 1, 2, "key"), &[]);
    left.wait_for_line("child SA gw established");
    let rules = |netns: &Netns| netns.must("ip rule");
    let with_tunnel = rules(&site.left);
    let conf = left.path("iked.conf");
    let text = config("active", 1, 2, "key");
    common::write_config(&conf, &format!("set decouple\n{text}"));
    left.signal("HUP");
    left.wait_for_line("1 policies kept");
    wait_for("the end of the flows", || rules(&site.left) != with_tunnel);
    common::write_config(&conf, &text);
    left.signal("HUP");
    left.wait_for_line("closed by command");
    right.wait_for_line("deleted by peer");
    wait_for("the return of the flows", || {
        rules(&site.left) == with_tunnel
    });
    wait_for("the tunnel", || ping(&site.left, "10.1.0.1", "10.2.0.1", 1));
    left.signal("TERM");
    assert_eq!(left.wait().code(), Some(0));
    assert_eq!(traces(&site.left), before);
}

#[test]
fn a_key_log_is_written_and_keys_appear_nowhere_else() {
    if !is_root() {
        return;
    }
    let site = site("keylog");
    let _right = Daemon::ready(&site.right, &config("passive", 2, 1, "key"), &[]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys");
    let mut left = Daemon::ready(
        &site.left,
        &config("active", 1, 2, "key"),
        &["-v", "--keylog", file.to_str().unwrap()],
    );
    left.wait_for_line("KEY LOG IS ON");
    left.wait_for_line("child SA gw established");
    let mut rows = String::new();
    wait_for("a row", || {
        rows = std::fs::read_to_string(&file).unwrap();
        rows.contains('\n')
    });
    let log = left.log();
    for key in rows.split([',', '\n']).filter(|f| f.len() >= 32) {
        assert!(!log.contains(key));
    }
}
