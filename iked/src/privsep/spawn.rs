//! Starting a process, and the boot messages every process exchanges with the parent before it
//! does its work.
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ike_kernel::socket::SocketRole;
use rustix::thread::CapabilitySet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Role;
use super::channel::{Channel, ChannelError, socket_pair};
use super::sandbox::{self, Ids};
use crate::log;

/// How long a process may take to start.
pub const BOOT_TIMEOUT: Duration = Duration::from_secs(10);

/// The first message to a process. Its descriptors are those listed, in that order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Boot {
    /// New root directory.
    pub root: PathBuf,
    /// New ids.
    pub ids: Ids,
    /// Where log lines go.
    pub log: log::Target,
    /// How many.
    pub level: log::Level,
    /// What the descriptors are.
    pub fds: Vec<FdKind>,
}

/// What a descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FdKind {
    /// A channel to another process.
    Channel(Role),
    /// A socket for IKE or ESP.
    Socket(SocketRole),
    /// The TUN device.
    Tun,
    /// The listening control socket.
    Listener,
}

/// The answer when the process is locked in.
#[derive(Debug, Serialize, Deserialize)]
pub enum Booted {
    /// It is.
    Yes,
    /// It is not, and why. The process ends.
    No(String),
}

/// What a process was given.
#[derive(Debug, Default)]
pub struct Fds(Vec<(FdKind, OwnedFd)>);

impl Fds {
    /// The first of a kind.
    pub fn take(&mut self, kind: FdKind) -> Option<OwnedFd> {
        let at = self.0.iter().position(|(k, _)| *k == kind)?;
        Some(self.0.remove(at).1)
    }

    /// All sockets.
    pub fn take_sockets(&mut self) -> Vec<(SocketRole, OwnedFd)> {
        let (sockets, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(kind, _)| matches!(kind, FdKind::Socket(_)));
        self.0 = rest;
        let role = |(kind, fd)| match kind {
            FdKind::Socket(role) => Some((role, fd)),
            _ => None,
        };
        sockets.into_iter().filter_map(role).collect()
    }

    /// The channel to another process.
    pub fn channel<Tx: Serialize, Rx: DeserializeOwned>(
        &mut self,
        role: Role,
    ) -> Result<Channel<Tx, Rx>, BootError> {
        self.take(FdKind::Channel(role))
            .map(Channel::new)
            .ok_or(BootError::Missing(role))
    }
}

/// A process that did not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// It could not be run.
    #[error("cannot run process {role}: {source}")]
    Spawn {
        /// Which.
        role: Role,
        /// Why.
        source: std::io::Error,
    },
    /// The channel failed.
    #[error("{0}")]
    Channel(#[from] ChannelError),
    /// No answer.
    #[error("process {0} does not answer")]
    Silent(Role),
    /// It said no.
    #[error("process {0}: {1}")]
    Refused(Role, String),
    /// The parent did not send what the process needs.
    #[error("no descriptor for {0}")]
    Missing(Role),
    /// Descriptor 0 is not our channel: started by hand.
    #[error("this process is started by iked itself")]
    NotOurs,
}

/// A process just started, not locked in yet.
#[derive(Debug)]
pub struct Spawned {
    /// Which.
    pub role: Role,
    /// The process.
    pub process: Child,
    /// Its channel.
    pub channel: Channel<Boot, Booted>,
}

/// Runs our own binary as `role`, in an empty environment.
pub fn spawn(role: Role) -> Result<Spawned, BootError> {
    let (ours, theirs) = socket_pair().map_err(ChannelError::from)?;
    let process = Command::new("/proc/self/exe")
        .arg0(format!("iked: {role}"))
        .args(["--process", role.name()])
        .env_clear()
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .spawn()
        .map_err(|source| BootError::Spawn { role, source })?;
    Ok(Spawned {
        role,
        process,
        channel: Channel::new(ours),
    })
}

impl Spawned {
    /// Waits until the process is locked in and hands its channel over to the work.
    pub fn booted<Tx: Serialize, Rx: DeserializeOwned>(
        mut self,
    ) -> Result<(Child, Channel<Tx, Rx>), BootError> {
        match self.channel.receive_within(BOOT_TIMEOUT)? {
            Some((Booted::Yes, _)) => Ok((self.process, self.channel.retype()?)),
            Some((Booted::No(why), _)) => Err(BootError::Refused(self.role, why)),
            None => Err(BootError::Silent(self.role)),
        }
    }
}

/// In the new process: takes the channel from descriptor 0, waits for the boot message, locks
/// itself in and says so.
pub fn boot<Tx: Serialize, Rx: DeserializeOwned>(
    role: Role,
) -> Result<(Channel<Tx, Rx>, Fds), BootError> {
    let mut channel = take_channel()?;
    // What ps(1) and ss(8) show; we were started as /proc/self/exe.
    if let Ok(name) = std::ffi::CString::new(format!("iked: {role}")) {
        let _ = rustix::thread::set_name(&name);
    }
    let (boot, fds) = channel
        .receive_within(BOOT_TIMEOUT)
        .map_err(|_| BootError::NotOurs)?
        .ok_or(BootError::NotOurs)?;
    log::init(role.name(), boot.log, boot.level);
    if fds.len() != boot.fds.len() {
        return Err(ChannelError::Violation("descriptors are missing").into());
    }
    match lock_in(role, &boot.root, boot.ids) {
        Ok(()) => channel.send(&Booted::Yes)?,
        Err(e) => {
            channel.send(&Booted::No(e.to_string()))?;
            return Err(BootError::Refused(role, e.to_string()));
        }
    }
    tracing::debug!("{}", role.pledge());
    let fds = Fds(boot.fds.into_iter().zip(fds).collect());
    Ok((channel.retype()?, fds))
}

fn take_channel() -> Result<Channel<Booted, Boot>, BootError> {
    use std::os::fd::AsFd;
    let stdin = std::io::stdin();
    let is_ours = rustix::net::sockopt::socket_type(stdin.as_fd())
        .is_ok_and(|kind| kind == rustix::net::SocketType::SEQPACKET);
    if !is_ours {
        return Err(BootError::NotOurs);
    }
    let socket = stdin
        .as_fd()
        .try_clone_to_owned()
        .map_err(|_| BootError::NotOurs)?;
    let null = std::fs::File::open("/dev/null").map_err(|_| BootError::NotOurs)?;
    rustix::stdio::dup2_stdin(null).map_err(ChannelError::from)?;
    Ok(Channel::new(socket))
}

fn lock_in(role: Role, root: &Path, ids: Ids) -> Result<(), sandbox::SandboxError> {
    sandbox::no_core_dumps()?;
    let keep = match role {
        Role::Kernel => CapabilitySet::NET_ADMIN,
        Role::Ca | Role::Ikev2 | Role::Esp | Role::Control => CapabilitySet::empty(),
    };
    sandbox::confine(root, ids, keep)
}
