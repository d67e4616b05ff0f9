//! The command line of `testlab`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};

use crate::report::{complain, say};
use crate::scenario::{Kernel, Scenario};
use crate::suite::{self, Options};
use crate::userns::{self, Place};
use crate::{badinput, bench, capture, command, demo, netns, probe, scenarios, uml};

/// Runs iked and other IKEv2 daemons against each other in network namespaces.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Name the scenarios.
    List,
    /// Run scenarios by name (a name without the pair behind the dot means all pairs).
    Run {
        #[command(flatten)]
        choice: Choice,
        /// How many at a time.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Keep logs and captures of what passes, too.
        #[arg(long)]
        keep: bool,
    },
    /// Two gateways with a LAN each, a tunnel between them, packets through it.
    Demo {
        /// Leave it standing and say how to look around.
        #[arg(long)]
        keep: bool,
    },
    /// Measure the tunnel of two iked against that of two strongSwan, in turn.
    Bench,
    /// Run scenarios that need a kernel with IPsec, inside User-Mode Linux.
    Uml {
        #[command(flatten)]
        choice: Choice,
    },
    /// Answer test vectors, JSON lines on standard input, with what the crates compute (PROBE.md).
    Probe,
    /// Remove what a killed testlab or `demo --keep` left.
    Clean,
    /// (inside User-Mode Linux) Run scenarios, write the outcomes, power off.
    #[command(hide = true)]
    UmlInit { result: PathBuf, names: Vec<String> },
    /// (inside a namespace) Record an interface.
    #[command(hide = true)]
    Record {
        #[arg(long)]
        interface: String,
        #[arg(long)]
        file: PathBuf,
        #[arg(long)]
        ready: PathBuf,
    },
    /// (inside a namespace) Send damaged and random datagrams.
    #[command(hide = true)]
    Flood {
        #[arg(long)]
        target: IpAddr,
        #[arg(long)]
        count: u32,
        #[arg(long)]
        seeds: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Choice {
    /// Scenario names.
    names: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "names")]
    all: bool,
}

/// Runs the program.
pub fn main() -> ExitCode {
    match dispatch(Cli::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            complain(format!("testlab: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Record {
            interface,
            file,
            ready,
        } => return capture::record(&interface, &file, &ready).map(|()| ExitCode::SUCCESS),
        Verb::Flood {
            target,
            count,
            seeds,
        } => return badinput::flood(target, count, &seeds).map(|()| ExitCode::SUCCESS),
        Verb::Probe => {
            let mut output = std::io::BufWriter::new(std::io::stdout().lock());
            return probe::run(std::io::stdin(), &mut output).map(|()| ExitCode::SUCCESS);
        }
        _ => command::catch_signals()?,
    }
    let good = match verb {
        Verb::List => {
            list();
            true
        }
        Verb::Run { choice, jobs, keep } => {
            let chosen = choose(&choice, Kernel::Host)?;
            ready()?;
            let outcomes = suite::run(chosen, Options { jobs, keep })?;
            suite::conclude(&outcomes)
        }
        Verb::Demo { keep } => demo::run(keep)?,
        Verb::Bench => {
            ready()?;
            bench::run()?;
            true
        }
        Verb::Uml { choice } => {
            let outcomes = uml::run(&choose(&choice, Kernel::Uml)?)?;
            suite::conclude(&outcomes)
        }
        Verb::Clean => {
            demo::clean()?;
            true
        }
        Verb::UmlInit { result, names } => {
            uml::inside(&result, &names)?;
            true
        }
        Verb::Record { .. } | Verb::Flood { .. } | Verb::Probe => true,
    };
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn list() {
    for scenario in scenarios::all() {
        let place = match scenario.kernel {
            Kernel::Host => "",
            Kernel::Uml => " (testlab uml)",
        };
        say(format!("{:<34} {}{place}", scenario.name, scenario.about));
    }
}

fn choose(choice: &Choice, kernel: Kernel) -> Result<Vec<Scenario>> {
    let mut chosen: Vec<Scenario> = Vec::new();
    if choice.all {
        chosen = scenarios::all();
        chosen.retain(|scenario| scenario.kernel == kernel);
    }
    for name in &choice.names {
        let found = scenarios::named(name);
        if found.is_empty() {
            bail!("no scenario is called {name}; `testlab list` names them");
        }
        // The scenarios of the host run inside User-Mode Linux, too, but not the other way round.
        if kernel == Kernel::Host && found.iter().any(|scenario| scenario.kernel != kernel) {
            bail!("{name} needs a kernel with IPsec: `testlab uml {name}`");
        }
        for scenario in found {
            if chosen.iter().all(|other| other.name != scenario.name) {
                chosen.push(scenario);
            }
        }
    }
    if chosen.is_empty() {
        bail!("name a scenario, or say --all; `testlab list` names them");
    }
    Ok(chosen)
}

/// Namespaces can be made, and nothing of a killed run is in the way.
fn ready() -> Result<()> {
    if userns::enter()? == Place::Machine {
        netns::sweep(&demo::kept(), false);
    }
    netns::available()
}
