//! Making the other processes, connecting them, and knowing which of them died and how.
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::EXIT_NEIGHBOUR;
use crate::log;
use crate::privsep::Role;
use crate::privsep::channel::{Channel, ChannelError, socket_pair};
use crate::privsep::sandbox::Ids;
use crate::privsep::spawn::{self, Boot, BootError, FdKind, Spawned};

/// How long processes may take to end once their channels are closed.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Everything processes are given at their start.
pub(super) struct Plan {
    /// Descriptors by process.
    pub(super) fds: BTreeMap<Role, Vec<(FdKind, OwnedFd)>>,
    /// Who may not change ids, or which ones to take.
    pub(super) ids: Ids,
    /// Root directory of most processes.
    pub(super) empty: PathBuf,
    /// Root directory of ca.
    pub(super) etc: PathBuf,
    /// Where log lines go.
    pub(super) log: log::Target,
    /// How many.
    pub(super) level: log::Level,
}

impl Plan {
    /// Gives a descriptor to a process.
    pub(super) fn give(&mut self, role: Role, kind: FdKind, fd: OwnedFd) {
        self.fds.entry(role).or_default().push((kind, fd));
    }

    /// Connects two processes.
    pub(super) fn connect(&mut self, one: Role, other: Role) -> Result<(), BootError> {
        let (a, b) = socket_pair().map_err(ChannelError::from)?;
        self.give(one, FdKind::Channel(other), a);
        self.give(other, FdKind::Channel(one), b);
        Ok(())
    }

    /// Starts a process and sends its boot message.
    fn start(&mut self, role: Role) -> Result<Spawned, BootError> {
        let mut spawned = spawn::spawn(role)?;
        let (kinds, fds): (Vec<_>, Vec<_>) = self
            .fds
            .remove(&role)
            .unwrap_or_default()
            .into_iter()
            .unzip();
        let boot = Boot {
            root: if role == Role::Ca {
                self.etc.clone()
            } else {
                self.empty.clone()
            },
            ids: self.ids,
            log: self.log,
            level: self.level,
            fds: kinds,
        };
        spawned.channel.send_with(&boot, fds)?;
        Ok(spawned)
    }

    /// Starts a process, waits until it is locked in, and keeps it in `children`.
    pub(super) fn run<Tx: Serialize, Rx: DeserializeOwned>(
        &mut self,
        role: Role,
        children: &mut Children,
    ) -> Result<Channel<Tx, Rx>, BootError> {
        let spawned = self.start(role)?;
        tracing::debug!("process {role} is {}", spawned.process.id());
        let (process, channel) = spawned.booted()?;
        children.0.push((role, process));
        Ok(channel)
    }
}

/// The processes that run.
#[derive(Debug, Default)]
pub(super) struct Children(Vec<(Role, Child)>);

/// A process that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Death {
    role: Role,
    pid: u32,
    status: ExitStatus,
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} ({}) ", self.role, self.pid)?;
        match (self.status.signal(), self.status.code()) {
            (Some(signal), _) => write!(f, "was killed by signal {signal}"),
            (None, Some(code)) => write!(f, "ended with status {code}"),
            (None, None) => write!(f, "ended"),
        }
    }
}

impl Death {
    /// Ended only because another process was gone first.
    fn is_collateral(self) -> bool {
        matches!(self.status.code(), Some(0)) || self.status.code() == Some(EXIT_NEIGHBOUR.into())
    }
}

impl Children {
    /// Those that ended, taken out.
    pub(super) fn reap(&mut self) -> Vec<Death> {
        let mut dead = Vec::new();
        self.0.retain_mut(|(role, child)| match child.try_wait() {
            Ok(Some(status)) => {
                dead.push(Death {
                    role: *role,
                    pid: child.id(),
                    status,
                });
                false
            }
            _ => true,
        });
        dead
    }

    /// Of those that die now, the one that began: waits a little for the others' statuses.
    pub(super) fn culprit(&mut self) -> Option<Death> {
        let end = Instant::now() + Duration::from_millis(500);
        let mut dead = self.reap();
        while dead.iter().all(|d| d.is_collateral()) && !self.0.is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
            dead.extend(self.reap());
        }
        let began = dead.iter().find(|d| !d.is_collateral());
        began.or(dead.first()).copied()
    }

    /// Waits for all to end; their channels are closed. Kills who does not.
    pub(super) fn end(&mut self) {
        let end = Instant::now() + END_TIMEOUT;
        while !self.0.is_empty() && Instant::now() < end {
            self.reap();
            std::thread::sleep(Duration::from_millis(5));
        }
        for (role, child) in &mut self.0 {
            tracing::warn!("process {role} does not end, killing it");
            let _ = child.kill();
            let _ = child.wait();
        }
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn who_was_killed_is_blamed_and_not_who_followed() {
        let start = |script: &str| Command::new("sh").args(["-c", script]).spawn().unwrap();
        let mut children = Children(vec![
            (Role::Ikev2, start("exit 3")),
            (Role::Esp, start("sleep 0.1; kill -9 $$")),
        ]);
        std::thread::sleep(Duration::from_millis(50));
        let death = children.culprit().unwrap();
        assert!(death.to_string().starts_with("process esp ("), "{death}");
        assert!(death.to_string().ends_with("was killed by signal 9"));
    }

    #[test]
    fn who_does_not_end_is_killed() {
        let mut children = Children(vec![(
            Role::Ca,
            Command::new("sleep").arg("60").spawn().unwrap(),
        )]);
        children.end();
        assert!(children.0.is_empty());
    }
}
