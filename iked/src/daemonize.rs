//! Going to the background: the iked that was called starts another one in a session of its own
//! and waits until that one says that it works, so that errors still reach the terminal and the
//! exit status. Re-execution instead of fork(2), as everywhere.
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use crate::cli::{Cli, EXIT_FAILURE, complain};

/// Starts the daemon proper and waits until it runs or failed.
pub(crate) fn run(_cli: &Cli) -> ExitCode {
    let started = Command::new("/proc/self/exe")
        .arg0("iked")
        .args(std::env::args_os().skip(1))
        .arg("--daemonized")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut daemon = match started {
        Ok(daemon) => daemon,
        Err(e) => {
            complain(&format!("cannot start the daemon: {e}"));
            return ExitCode::from(EXIT_FAILURE);
        }
    };
    let mut ready = [0u8; 1];
    let told = daemon
        .stdout
        .take()
        .is_some_and(|mut pipe| pipe.read_exact(&mut ready).is_ok());
    if told {
        return ExitCode::SUCCESS;
    }
    let code = daemon.wait().ok().and_then(|status| status.code());
    ExitCode::from(
        code.and_then(|c| u8::try_from(c).ok())
            .unwrap_or(EXIT_FAILURE),
    )
}
