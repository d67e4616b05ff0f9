//! For normal users: the program starts itself again inside
//! `unshare -Urnm`, where it may make namespaces, links and mounts of its own.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::geteuid;

use crate::command::run;
use crate::report::say;

/// Set for the second start.
const INSIDE: &str = "TESTLAB_INSIDE";

/// Where this process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the machine itself, as root.
    Machine,
    /// In a user namespace of our own, with a private `/run`.
    UserNamespace,
}

/// Makes sure that namespaces can be made. As a normal user it starts the program
/// again, with the same arguments, and does not come back.
pub fn enter() -> Result<Place> {
    if std::env::var_os(INSIDE).is_some() {
        run(
            Command::new("mount").args(["-t", "tmpfs", "none", "/run"]),
            Duration::from_secs(5),
        )
        .context("cannot mount a private /run")?;
        return Ok(Place::UserNamespace);
    }
    if geteuid().is_root() {
        return Ok(Place::Machine);
    }
    say("Not root: starting again in a user namespace (unshare -Urnm).");
    let error = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount"])
        .arg(std::env::current_exe().context("where is testlab?")?)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    Err(anyhow::Error::from(error)
        .context("cannot start `unshare`; run this as root, or allow unprivileged user namespaces"))
}
