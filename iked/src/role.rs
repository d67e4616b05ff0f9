//! What the processes have in common: which function runs a role, and how one ends.
use crate::privsep::Role;
use crate::privsep::channel::ChannelError;
use crate::privsep::sandbox::SandboxError;
use crate::privsep::spawn::BootError;

/// A process ended as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The parent is gone; nothing to do for us any more.
    ParentGone,
}

/// Why a process ends early.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// It did not start.
    #[error("{0}")]
    Boot(#[from] BootError),
    /// A channel broke.
    #[error("{0}")]
    Channel(#[from] ChannelError),
    /// A system call failed.
    #[error("{0}")]
    System(#[from] rustix::io::Errno),
    /// I/O failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The sandbox cannot be had.
    #[error("{0}")]
    Sandbox(#[from] SandboxError),
    /// The data plane cannot go on.
    #[error("data plane: {0}")]
    Plane(String),
}

/// The end of the parent's channel is the end of us, and no error.
pub(crate) fn closed_parent_is(error: ChannelError) -> Result<Exit, RoleError> {
    match error {
        ChannelError::Closed => Ok(Exit::ParentGone),
        other => Err(other.into()),
    }
}

/// Runs a role until it ends. Signals that stop the daemon are the parent's business: a terminal
/// or a service manager sends them to every process, and all but the parent must outlive the
/// orderly stop.
pub fn run(role: Role) -> Result<Exit, RoleError> {
    let ignored = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, ignored.clone())?;
    }
    match role {
        Role::Ca => crate::ca::run(),
        Role::Ikev2 => crate::ikev2::run(),
        Role::Kernel => crate::kernel::run(),
        Role::Esp => crate::esp::run(),
        Role::Control => crate::control::server::run(),
    }
}
