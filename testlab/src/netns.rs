//! Network namespaces by `ip netns`, with names that no other process uses and
//! that go away with their guard. [`sweep`] removes what a killed testlab left.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::{self, run, run_quietly};

/// Every name of ours begins so; what follows is our process id.
pub const PREFIX: &str = "testlab-";

const LIMIT: Duration = Duration::from_secs(10);

/// A namespace; removed with all its processes when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    keep: AtomicBool,
}

impl Namespace {
    /// Makes a namespace with forwarding on, reverse-path filters off and loopback up.
    pub fn create(lab: &LabId, role: &str) -> Result<Self> {
        let name = lab.namespace(role);
        run(Command::new("ip").args(["netns", "add", &name]), LIMIT)
            .context("cannot make a network namespace")?;
        let made = Self {
            name,
            keep: AtomicBool::new(false),
        };
        made.ip(&["link", "set", "lo", "up"])?;
        made.sysctl(&[
            ("net.ipv4.ip_forward", "1"),
            ("net.ipv4.conf.all.rp_filter", "0"),
            ("net.ipv4.conf.default.rp_filter", "0"),
            ("net.ipv4.conf.all.send_redirects", "0"),
            ("net.ipv4.conf.default.send_redirects", "0"),
            ("net.ipv4.conf.all.accept_redirects", "0"),
            ("net.ipv4.ping_group_range", "0 2147483647"),
            ("net.ipv6.conf.all.forwarding", "1"),
            ("net.ipv6.conf.default.accept_dad", "0"),
        ])?;
        Ok(made)
    }

    /// The name, as `ip netns exec` wants it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Leaves the namespace in place when the guard goes.
    pub fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    /// `ip` with its command inside this namespace.
    pub fn ip(&self, arguments: &[&str]) -> Result<String> {
        run(
            Command::new("ip").args(["-n", &self.name]).args(arguments),
            LIMIT,
        )
    }

    /// A program to be run in this namespace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs a short program in this namespace.
    pub fn run(&self, arguments: &[&str], limit: Duration) -> Result<String> {
        let (program, rest) = arguments.split_first().context("an empty command")?;
        run(self.command(program).args(rest), limit)
    }

    /// Kernel settings of this namespace.
    pub fn sysctl(&self, settings: &[(&str, &str)]) -> Result<()> {
        // Settings that this kernel does not have (no IPv6, say) are not worth failing for.
        let script: String = settings
            .iter()
            .map(|(key, value)| {
                let path = key.replace('.', "/");
                format!("[ -e /proc/sys/{path} ] && echo '{value}' >/proc/sys/{path}; ")
            })
            .collect();
        self.run(&["sh", "-c", &format!("{script} true")], LIMIT)?;
        Ok(())
    }

    /// The processes that live here.
    pub fn pids(&self) -> Vec<i32> {
        pids(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !self.keep.load(Ordering::Relaxed) {
            remove(&self.name);
        }
    }
}

/// The name space of one lab among all labs of this machine.
#[derive(Debug, Clone)]
pub struct LabId(String);

impl LabId {
    /// A new one.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("{PREFIX}{}-{number}", std::process::id()))
    }

    /// The namespace of a node.
    pub fn namespace(&self, role: &str) -> String {
        format!("{}-{role}", self.0)
    }
}

impl Default for LabId {
    fn default() -> Self {
        Self::new()
    }
}

/// Removes the namespaces of testlab processes that are no more; gives their names.
/// With `all`, also those that were kept on purpose.
pub fn sweep(kept: &[String], all: bool) -> Vec<String> {
    let mut removed = Vec::new();
    for name in list() {
        let Some(owner) = owner(&name) else { continue };
        let alive = std::path::Path::new(&format!("/proc/{owner}")).exists();
        if alive || (!all && kept.contains(&name)) {
            continue;
        }
        remove(&name);
        removed.push(name);
    }
    removed
}

/// The process id in one of our names.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

fn list() -> Vec<String> {
    run_quietly(Command::new("ip").args(["netns", "list"]))
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn pids(name: &str) -> Vec<i32> {
    run_quietly(Command::new("ip").args(["netns", "pids", name]))
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn remove(name: &str) {
    for _ in 0..20 {
        let alive = pids(name);
        if alive.is_empty() {
            break;
        }
        for pid in alive.into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    run_quietly(Command::new("ip").args(["netns", "del", name]));
}

/// Whether namespaces can be made here at all.
pub fn available() -> Result<()> {
    if command::find_program("ip").is_none() {
        anyhow::bail!("`ip` is missing: install iproute2");
    }
    let lab = LabId::new();
    Namespace::create(&lab, "probe").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_process_id_and_are_never_used_twice() {
        let (one, two) = (LabId::new(), LabId::new());
        assert_ne!(one.namespace("left"), two.namespace("left"));
        assert_eq!(owner(&one.namespace("left")), Some(std::process::id()));
    }

    #[test]
    fn names_of_others_are_not_ours() {
        assert_eq!(owner("moon"), None);
        assert_eq!(owner("testlab-x-1-left"), None);
    }
}
