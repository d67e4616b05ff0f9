//! The command line: flags of iked(8), and what runs for them.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Parser};

use crate::privsep::Role;
use crate::privsep::channel::ChannelError;
use crate::role::{self, RoleError};

/// Exit status for a wrong configuration, and for a daemon that failed.
pub const EXIT_FAILURE: u8 = 1;
/// Exit status of a process that ends because another one died first.
pub const EXIT_NEIGHBOUR: u8 = 3;

/// Internet Key Exchange version 2 (IKEv2) daemon.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "iked",
    version,
    about,
    after_help = "See iked(8), iked.conf(5) and ikectl(8)."
)]
pub struct Cli {
    /// Do not daemonize, log to standard error.
    #[arg(short = 'd')]
    pub foreground: bool,
    /// Only check the configuration file; with -v print what it means.
    #[arg(short = 'n')]
    pub check: bool,
    /// Passive mode: never initiate ("set passive").
    #[arg(short = 's', short_alias = 'S')]
    pub passive: bool,
    /// Disable NAT traversal.
    #[arg(short = 'T')]
    pub no_nat_traversal: bool,
    /// More verbose output; twice for even more.
    #[arg(short = 'v', action = ArgAction::Count)]
    pub verbose: u8,
    /// Define a macro, overriding the configuration file.
    #[arg(short = 'D', value_name = "macro=value", value_parser = parse_macro)]
    pub define: Vec<(String, String)>,
    /// Configuration file.
    #[arg(short = 'f', value_name = "file", default_value = "/etc/iked.conf")]
    pub config: PathBuf,
    /// Control socket.
    #[arg(long, value_name = "PATH", default_value = crate::control::proto::DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Directory of keys and certificates.
    #[arg(long, value_name = "DIR", default_value = "/etc/iked")]
    pub etc: PathBuf,
    /// Directory for what must survive a restart.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/iked")]
    pub state: PathBuf,
    /// Write IKE keys to FILE for Wireshark. Whoever reads it can read everything.
    #[arg(long, value_name = "FILE")]
    pub keylog: Option<PathBuf>,
    /// Name of the TUN device (default: the first free of iked0, iked1, …).
    #[arg(long, value_name = "NAME", hide = true)]
    pub tun: Option<String>,
    /// Run one of the daemon's processes; for iked itself.
    #[arg(long, value_name = "ROLE", hide = true)]
    pub process: Option<Role>,
    /// The daemon proper, made by an iked without -d; for iked itself.
    #[arg(long, hide = true)]
    pub daemonized: bool,
}

fn parse_macro(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not of the form macro=value"))?;
    let mut letters = name.chars();
    if letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        Ok((name.to_owned(), value.to_owned()))
    } else {
        Err(format!(
            "{name:?} is no macro name: a letter, then letters, digits and underscores"
        ))
    }
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(role) = cli.process {
        return process(role);
    }
    if cli.check {
        return crate::check::run(&cli);
    }
    if cli.foreground || cli.daemonized {
        crate::parent::run(&cli)
    } else {
        crate::daemonize::run(&cli)
    }
}

fn process(role: Role) -> ExitCode {
    match role::run(role) {
        Ok(role::Exit::ParentGone) => ExitCode::SUCCESS,
        Err(RoleError::Channel(ChannelError::Closed)) => ExitCode::from(EXIT_NEIGHBOUR),
        Err(e) => {
            // Boot errors come before logging works when iked was not the one who started us.
            if matches!(
                e,
                RoleError::Boot(crate::privsep::spawn::BootError::NotOurs)
            ) {
                complain(&format!("--process {role}: {e}"));
            }
            tracing::error!("{e}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

/// A line for the person at the terminal.
pub(crate) fn complain(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "iked: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_flags_of_the_manual_are_understood() {
        let cli = Cli::parse_from(["iked", "-dnsTvv", "-D", "gw=192.0.2.1", "-f", "x.conf"]);
        assert!(cli.foreground && cli.check && cli.passive && cli.no_nat_traversal);
        assert_eq!(cli.verbose, 2);
        assert_eq!(cli.define, [("gw".to_owned(), "192.0.2.1".to_owned())]);
        assert_eq!(cli.config, PathBuf::from("x.conf"));
    }

    #[test]
    fn a_macro_needs_a_name_and_a_value() {
        for wrong in ["gw", "=x", "1gw=x", "g-w=x"] {
            assert!(
                Cli::try_parse_from(["iked", "-D", wrong]).is_err(),
                "{wrong}"
            );
        }
        assert!(Cli::try_parse_from(["iked", "-D", "a_1="]).is_ok());
    }
}
