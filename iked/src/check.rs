//! `iked -n`: reads the configuration as the daemon would, changes nothing, needs no privilege.
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use crate::cli::{Cli, EXIT_FAILURE};
use crate::{config, load};

/// Prints `configuration OK`, or everything that is wrong with it.
pub(crate) fn run(cli: &Cli) -> ExitCode {
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match load::load(cli) {
        Ok(loaded) => {
            if !loaded.warnings.is_empty() {
                let _ = writeln!(
                    std::io::stderr(),
                    "{}",
                    loaded.warnings.render(color).trim_end()
                );
            }
            let mut out = std::io::stdout();
            let written = if cli.verbose > 0 {
                write!(out, "{}", config::print::canonical(&loaded))
                    .and_then(|()| writeln!(std::io::stderr(), "configuration OK"))
            } else {
                writeln!(out, "configuration OK")
            };
            match written {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::from(EXIT_FAILURE),
            }
        }
        Err(diagnostics) => {
            let _ = writeln!(
                std::io::stderr(),
                "{}",
                diagnostics.render(color).trim_end()
            );
            ExitCode::from(EXIT_FAILURE)
        }
    }
}
