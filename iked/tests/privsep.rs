//! What each process may and may not do, as the kernel tells it.
#![allow(clippy::unwrap_used)]
mod common;

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;

use common::{Daemon, Netns, is_root, run, wait_for};

const PASSIVE: &str = "set passive\n\
    ikev2 \"gw\" passive esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2 psk \"secret\"\n";
const USERSPACE: &str = "set dataplane userspace\n";
const NONE: &str = "set dataplane none\n";
const CAP_KILL: u64 = 1 << 5;
const CAP_NET_ADMIN: u64 = 1 << 12;

fn status(pid: u32, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|l| l.starts_with(&format!("{field}:")));
    line.unwrap().split_once(':').unwrap().1.trim().to_owned()
}

fn capabilities(pid: u32, set: &str) -> u64 {
    u64::from_str_radix(&status(pid, set), 16).unwrap()
}

#[test]
fn every_process_has_only_what_its_task_takes() {
    if !is_root() {
        return;
    }
    let netns = Netns::new("privsep");
    let daemon = Daemon::ready(&netns, &format!("{USERSPACE}{PASSIVE}"), &[]);
    let mut roles: Vec<String> = daemon.processes().into_iter().map(|p| p.0).collect();
    roles.sort();
    assert_eq!(roles, ["ca", "control", "esp", "ikev2", "kernel"]);
    let switches = run("id -u _iked").status.success() || !in_user_namespace();
    for (role, pid) in daemon.processes() {
        let wanted = if role == "kernel" { CAP_NET_ADMIN } else { 0 };
        for set in ["CapEff", "CapPrm", "CapBnd"] {
            assert_eq!(capabilities(pid, set), wanted, "{role} {set}");
        }
        for set in ["CapInh", "CapAmb"] {
            assert_eq!(capabilities(pid, set), 0, "{role} {set}");
        }
        assert_eq!(status(pid, "NoNewPrivs"), "1", "{role}");
        assert_eq!(status(pid, "Threads"), "1", "{role}");
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits.lines().find(|l| l.starts_with("Max core file size"));
        let core: Vec<&str> = core.unwrap().split_whitespace().collect();
        assert_eq!(&core[4..6], ["0", "0"], "{role}");
        if switches {
            let uids = status(pid, "Uid");
            let uids: Vec<&str> = uids.split_whitespace().collect();
            assert!(
                uids.iter().all(|uid| *uid == uids[0] && *uid != "0"),
                "{role} {uids:?}"
            );
            let gids = status(pid, "Gid");
            assert!(
                gids.split_whitespace().all(|gid| gid != "0"),
                "{role} {gids}"
            );
            assert_eq!(status(pid, "Groups"), "", "{role}");
            // The files of an undumpable process belong to root, not to its user.
            let environ = std::fs::metadata(format!("/proc/{pid}/environ")).unwrap();
            assert_eq!(environ.uid(), 0, "{role} is dumpable");
        }
        let root = std::fs::read_link(format!("/proc/{pid}/root")).unwrap();
        if role == "ca" {
            assert_eq!(root, daemon.path("etc"), "{role}");
        } else {
            let entries = std::fs::read_dir(format!("/proc/{pid}/root")).unwrap();
            assert_eq!(
                entries.count(),
                0,
                "{role} sees files in {}",
                root.display()
            );
            assert_ne!(root, std::path::Path::new("/"), "{role}");
        }
        assert_eq!(
            std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default(),
            b"",
            "{role} has an environment"
        );
    }
    let parent = daemon.pid();
    assert_eq!(capabilities(parent, "CapEff"), CAP_KILL);
    assert_eq!(capabilities(parent, "CapBnd"), CAP_KILL);
    assert_eq!(status(parent, "NoNewPrivs"), "1");
}

fn in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    !map.contains("4294967295")
}

#[test]
fn sockets_of_the_network_are_only_where_packets_are_read() {
    if !is_root() {
        return;
    }
    let netns = Netns::new("sockets");
    let daemon = Daemon::ready(&netns, &format!("{USERSPACE}{PASSIVE}"), &[]);
    let inodes = |pid: u32| -> Vec<String> {
        std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok())
            .filter_map(|to| {
                let to = to.to_string_lossy().into_owned();
                Some(to.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
            })
            .collect()
    };
    let network: Vec<String> = ["udp", "udp6", "raw", "raw6"]
        .iter()
        .flat_map(|table| {
            let text = netns.must(&format!("cat /proc/net/{table}"));
            let inode = |line: &str| line.split_whitespace().nth(9).map(str::to_owned);
            text.lines().skip(1).filter_map(inode).collect::<Vec<_>>()
        })
        .collect();
    assert!(network.len() >= 4, "{network:?}");
    let holds = |pid| inodes(pid).iter().any(|i| network.contains(i));
    for (role, pid) in daemon.processes() {
        let wanted = role == "ikev2" || role == "esp";
        assert_eq!(holds(pid), wanted, "{role}");
    }
    assert!(!holds(daemon.pid()), "parent");
}

#[test]
fn the_death_of_a_process_ends_the_daemon_and_is_named() {
    if !is_root() {
        return;
    }
    for role in ["ca", "kernel", "ikev2", "control"] {
        let netns = Netns::new(&format!("death-{role}"));
        let mut daemon = Daemon::ready(&netns, &format!("{NONE}{PASSIVE}"), &[]);
        let others: Vec<u32> = daemon.processes().into_iter().map(|p| p.1).collect();
        let pid = daemon.process(role);
        run(&format!("kill -9 {pid}"));
        let status = daemon.wait();
        assert_eq!(status.code(), Some(1), "{role}");
        let log = daemon.log();
        assert!(
            log.contains(&format!("process {role} ({pid}) was killed by signal 9")),
            "{log}"
        );
        for other in others {
            wait_for("the end of all processes", || {
                !std::path::Path::new(&format!("/proc/{other}")).exists()
            });
        }
        assert!(!daemon.path("sock").exists());
    }
}

#[test]
fn a_stop_signal_to_all_processes_is_a_clean_stop() {
    if !is_root() {
        return;
    }
    let netns = Netns::new("stop");
    let mut daemon = Daemon::ready(&netns, &format!("{NONE}{PASSIVE}"), &[]);
    assert!(daemon.path("sock").exists());
    // As a terminal or a service manager does it.
    for (_, pid) in daemon.processes() {
        run(&format!(
            "kill -TERM {pid}; kill -INT {pid}; kill -HUP {pid}"
        ));
    }
    daemon.signal("TERM");
    let status = daemon.wait();
    assert_eq!(
        (status.code(), status.signal()),
        (Some(0), None),
        "{}",
        daemon.log()
    );
    assert!(!daemon.path("sock").exists());
}

#[test]
fn when_the_parent_is_killed_nobody_is_left() {
    if !is_root() {
        return;
    }
    let netns = Netns::new("orphans");
    let mut daemon = Daemon::ready(&netns, &format!("{NONE}{PASSIVE}"), &[]);
    let children = daemon.processes();
    daemon.signal("KILL");
    daemon.wait();
    for (role, pid) in children {
        wait_for(&format!("the end of {role}"), || {
            !std::path::Path::new(&format!("/proc/{pid}")).exists()
        });
    }
}

#[test]
fn the_control_socket_is_private() {
    if !is_root() {
        return;
    }
    let netns = Netns::new("socket");
    let daemon = Daemon::ready(&netns, &format!("{NONE}{PASSIVE}"), &[]);
    let socket = std::fs::metadata(daemon.path("sock")).unwrap();
    assert_eq!(socket.mode() & 0o777, 0o660);
    assert_eq!(socket.uid(), 0);
}

#[test]
fn without_d_the_command_returns_when_the_daemon_works() {
    if !is_root() {
        return;
    }
    let netns = Netns::new("background");
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("iked.conf");
    common::write_config(&conf, &format!("{NONE}{PASSIVE}"));
    let socket = dir.path().join("sock");
    let command = format!(
        "{} -f {} --socket {} --etc {d} --state {d}/state",
        env!("CARGO_BIN_EXE_iked"),
        conf.display(),
        socket.display(),
        d = dir.path().display()
    );
    netns.must(&command);
    // Whoever listens is the parent of the daemon.
    let stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    let pid = rustix::net::sockopt::socket_peercred(&stream).unwrap().pid;
    let pid = pid.as_raw_nonzero().get();
    let session = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let session = session.rsplit(") ").next().unwrap().split(' ').nth(3);
    assert_eq!(session.unwrap(), pid.to_string(), "a session of its own");
    let again = netns.run(&command);
    assert_eq!(again.status.code(), Some(1));
    let text = String::from_utf8(again.stderr).unwrap();
    assert!(text.contains("another iked answers"), "{text}");
    common::must(&format!("kill -TERM {pid}"));
    wait_for("the end", || !socket.exists());
}
