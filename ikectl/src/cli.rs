//! The command line: words and options of ikectl(8). Every keyword may be shortened as long as it
//! stays the only one that fits; that holds for commands and for what follows them.
use clap::{Args, Parser, Subcommand, builder::PossibleValue};
use iked::control::proto::DEFAULT_SOCKET;
use std::{path::PathBuf, time::Duration};

/// Control the IKEv2 daemon iked.
#[derive(Debug, Parser)]
#[command(
    name = "ikectl",
    version,
    infer_subcommands = true,
    subcommand_required = true,
    arg_required_else_help = false,
    after_help = "Keywords may be shortened to a unique prefix: `ikectl sh sa`.\n\
        Exit status: 0 done, 1 failed (with the reason), 2 wrong usage, 3 no daemon."
)]
pub(crate) struct Cli {
    /// Socket of the daemon
    #[arg(short, long, global = true, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Wait at most so long [default: 10, or 60 where the peer has to answer]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: Option<u64>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show SAs, counters or failures
    #[command(infer_subcommands = true)]
    Show {
        /// What.
        #[command(subcommand)]
        what: Show,
    },
    /// Establish the SAs of a policy and wait until traffic can pass
    Up {
        /// Policy
        name: String,
    },
    /// Close the SAs of a policy and keep it closed until `up` or `reload`
    Down {
        /// Policy
        name: String,
    },
    /// Rekey the SAs of a policy now and wait for the new ones
    Rekey {
        /// Policy
        name: String,
        /// Its IKE SA, or its child SAs
        #[arg(value_parser = rekey_words(), default_value = "child")]
        what: Rekey,
    },
    /// Read the configuration file again
    Reload,
    /// Log in detail or briefly
    #[command(infer_subcommands = true)]
    Log {
        /// How.
        #[command(subcommand)]
        how: Log,
    },
    /// Forget state
    #[command(infer_subcommands = true)]
    Reset {
        /// What.
        #[command(subcommand)]
        what: Reset,
    },
    /// Initiate connections
    Active,
    /// Initiate nothing, only answer
    Passive,
    /// Put SAs and flows into the data plane
    Couple,
    /// Take SAs and flows out of the data plane, for testing: traffic may pass in clear
    Decouple,
    /// Print a completion script for a shell
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// (Not there yet) Read another configuration file.
    #[command(hide = true)]
    Load(Rest),
    /// (Not there yet) Follow events.
    #[command(hide = true)]
    Monitor(Rest),
    /// (Not there yet) Certificate authority.
    #[command(hide = true)]
    Ca(Rest),
    /// Show the IKE messages of a capture (pcap or pcapng)
    Decode {
        /// Capture, - for standard input
        file: PathBuf,
        /// Keys of IKE SAs, as Wireshark (ikev2_decryption_table) or `iked --keylog` writes them
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
    },
    /// (Not there yet) Try two configurations against each other.
    #[command(hide = true)]
    Check(Rest),
    /// (Not there yet) Say why something does not come up.
    #[command(hide = true)]
    Explain(Rest),
}

/// `ikectl show …`
#[derive(Debug, Subcommand)]
pub(crate) enum Show {
    /// IKE SAs and their child SAs
    Sa,
    /// Counters
    Stats,
    /// What failed lately, and why
    Failures,
    /// (Not there yet) Certificates of a CA.
    #[command(hide = true)]
    Ca(Rest),
    /// (Not there yet) Certificates known.
    #[command(hide = true)]
    Certstore(Rest),
    /// (Not there yet) Policies.
    #[command(hide = true)]
    Policy(Rest),
    /// (Not there yet) Addresses given out.
    #[command(hide = true)]
    Leases(Rest),
}

/// `ikectl log …`
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Log {
    /// Everything worth knowing when something does not work
    Verbose,
    /// What an administrator wants to see every day
    Brief,
}

/// `ikectl reset …`
#[derive(Debug, Subcommand)]
pub(crate) enum Reset {
    /// Close all SAs; active policies start again
    Sa,
    /// (Not there yet) Everything.
    #[command(hide = true)]
    All(Rest),
    /// (Not there yet) Certificates.
    #[command(hide = true)]
    Ca(Rest),
    /// (Not there yet) Policies.
    #[command(hide = true)]
    Policy(Rest),
    /// (Not there yet) Users.
    #[command(hide = true)]
    User(Rest),
    /// (Not there yet) SAs of an identity.
    #[command(hide = true)]
    Id(Rest),
}

/// Whatever follows a command that is not there yet.
#[derive(Debug, Args)]
pub(crate) struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _words: Vec<String>,
}

/// The word after `rekey NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rekey {
    /// `ike`
    Ike,
    /// `child`
    Child,
}

impl Cli {
    /// How long to wait for the whole of an answer.
    pub(crate) fn wait(&self, for_peer: bool) -> Duration {
        Duration::from_secs(self.timeout.unwrap_or(if for_peer { 60 } else { 10 }))
    }
}

impl Command {
    /// The words of a command that is not there yet.
    pub(crate) fn not_yet(&self) -> Option<&'static str> {
        Some(match self {
            Self::Load(_) => "load",
            Self::Monitor(_) => "monitor",
            Self::Ca(_) => "ca",
            Self::Check(_) => "check",
            Self::Explain(_) => "explain",
            Self::Show { what } => match what {
                Show::Ca(_) => "show ca",
                Show::Certstore(_) => "show certstore",
                Show::Policy(_) => "show policy",
                Show::Leases(_) => "show leases",
                Show::Sa | Show::Stats | Show::Failures => return None,
            },
            Self::Reset { what } => match what {
                Reset::All(_) => "reset all",
                Reset::Ca(_) => "reset ca",
                Reset::Policy(_) => "reset policy",
                Reset::User(_) => "reset user",
                Reset::Id(_) => "reset id",
                Reset::Sa => return None,
            },
            Self::Up { .. }
            | Self::Down { .. }
            | Self::Rekey { .. }
            | Self::Reload
            | Self::Log { .. }
            | Self::Active
            | Self::Passive
            | Self::Couple
            | Self::Decouple
            | Self::Decode { .. }
            | Self::Completions { .. } => return None,
        })
    }
}

/// `ike` and `child`, or a prefix.
fn rekey_words() -> impl clap::builder::TypedValueParser<Value = Rekey> {
    use clap::builder::{PossibleValuesParser, TypedValueParser as _};
    const WORDS: [(&str, Rekey); 2] = [("ike", Rekey::Ike), ("child", Rekey::Child)];
    // Their first letters differ, so any prefix is unique; clap lists and completes the whole words.
    let values = WORDS.map(|(word, _)| {
        PossibleValue::new(word).aliases((1..word.len()).filter_map(move |n| word.get(..n)))
    });
    PossibleValuesParser::new(values).map(|given| {
        if given.starts_with('i') {
            Rekey::Ike
        } else {
            Rekey::Child
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, error::ErrorKind};

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("ikectl").chain(line.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn keywords_may_be_shortened_to_a_unique_prefix() {
        for line in [
            "sh sa", "s sa", "sho st", "show f", "rel", "log v", "log b", "act", "coup",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
        assert!(matches!(
            parse("reset s").unwrap().command,
            Command::Reset { what: Reset::Sa }
        ));
        assert!(matches!(
            parse("dec").unwrap_err().kind(),
            ErrorKind::InvalidSubcommand
        ));
        for (line, wanted) in [
            ("rek gw i", Rekey::Ike),
            ("rek gw ch", Rekey::Child),
            ("rekey gw", Rekey::Child),
        ] {
            let Command::Rekey { name, what } = parse(line).unwrap().command else {
                panic!("{line}");
            };
            assert_eq!((name.as_str(), what), ("gw", wanted), "{line}");
        }
        assert!(parse("rekey gw ikes").is_err());
        assert!(parse("re").is_err());
        assert!(parse("show s").is_err());
    }

    #[test]
    fn options_stand_before_or_behind_the_command() {
        for line in [
            "-s /x --json show sa",
            "show sa -s /x --json",
            "show -s/x sa --json",
        ] {
            let cli = parse(line).unwrap();
            assert!(
                cli.json && cli.socket == std::path::Path::new("/x"),
                "{line}"
            );
        }
    }

    #[test]
    fn commands_of_later_releases_are_known_with_all_their_words() {
        for line in [
            "ca test create",
            "ca test certificate gw -x install",
            "load /etc/iked.conf",
            "monitor",
            "reset all",
            "reset user",
            "show ca test certificates",
        ] {
            assert!(parse(line).unwrap().command.not_yet().is_some(), "{line}");
        }
        assert_eq!(parse("show sa").unwrap().command.not_yet(), None);
    }

    const MANUAL: &str = include_str!("../man/ikectl.8.md");

    /// The terms that the manual explains: the lines before those that start with a colon.
    fn terms() -> Vec<&'static str> {
        MANUAL
            .lines()
            .zip(MANUAL.lines().skip(1))
            .filter(|(_, next)| next.starts_with(":   "))
            .map(|(term, _)| term)
            .collect()
    }

    /// All commands as words, whether they are hidden, and their options, which are global.
    fn commands(at: &clap::Command, words: &str, hidden: bool) -> Vec<(String, bool)> {
        let children: Vec<_> = at
            .get_subcommands()
            .filter(|c| c.get_name() != "help")
            .collect();
        if children.is_empty() {
            return vec![(words.trim().to_owned(), hidden)];
        }
        children
            .into_iter()
            .flat_map(|c| {
                let words = format!("{words} {}", c.get_name());
                commands(c, &words, hidden || c.is_hide_set())
            })
            .collect()
    }

    #[test]
    fn the_manual_explains_exactly_the_commands_that_are_there() {
        let all = commands(&Cli::command(), "", false);
        assert!(all.len() > 20);
        let explained = |words: &str| {
            let term = format!("`{words}`");
            terms()
                .iter()
                .any(|t| *t == term || t.starts_with(&format!("{term} *")))
        };
        for (words, hidden) in &all {
            assert_eq!(explained(words), !hidden, "{words}");
        }
        let (_, section) = MANUAL.split_once("# COMMANDS").unwrap();
        let (section, _) = section.split_once("# EXIT STATUS").unwrap();
        let terms_there = section.lines().filter(|l| l.starts_with('`')).count();
        assert_eq!(
            terms_there,
            all.iter().filter(|(_, hidden)| !hidden).count()
        );
    }

    #[test]
    fn the_manual_explains_exactly_the_options_that_are_there() {
        let mut command = Cli::command();
        command.build();
        let there: Vec<String> = command
            .get_arguments()
            .flat_map(|a| {
                let short = a.get_short().map(|c| format!("-{c}"));
                let long = a.get_long().map(|l| format!("--{l}"));
                [short, long].into_iter().flatten()
            })
            .collect();
        let explained: Vec<&str> = terms()
            .into_iter()
            .filter(|t| t.starts_with("`-"))
            .flat_map(|t| t.split(", "))
            .filter_map(|t| t.trim_start_matches('`').split('`').next())
            .collect();
        for option in &there {
            assert!(explained.contains(&option.as_str()), "{option}");
        }
        assert_eq!(explained.len(), there.len(), "{explained:?} {there:?}");
    }

    #[test]
    fn the_manual_names_every_exit_status_and_the_default_socket() {
        for term in ["0", "1", "2", "3", "`/var/run/iked.sock`"] {
            assert!(terms().contains(&term), "{term}");
        }
        assert_eq!(DEFAULT_SOCKET, "/var/run/iked.sock");
    }
}
