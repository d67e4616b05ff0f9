//! Runs one command: asks, prints, and says by its exit status how it went.
use crate::{
    cli::{Cli, Command, Log, Rekey, Show},
    client::{self, ClientError},
    decode_run, json,
    output::{self, Style},
    show, text,
};
use clap::CommandFactory as _;
use iked::control::proto::{self, DEFAULT_SOCKET, FailCode, Failed, Reply, Request};
use std::{path::Path, process::ExitCode};

/// How a run ended, by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// 0
    Done,
    /// 1
    Failed,
    /// 2
    Usage,
    /// 3
    NoDaemon,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Done => 0,
            Status::Failed => 1,
            Status::Usage => 2,
            Status::NoDaemon => 3,
        })
    }
}

/// Runs the command line.
pub(crate) fn run(cli: &Cli) -> Status {
    if let Some(words) = cli.command.not_yet() {
        output::complain(&format!(
            "`{words}` is not there yet; `ikectl help` lists what is"
        ));
        return Status::Usage;
    }
    if let Command::Completions { shell } = &cli.command {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "ikectl", &mut script);
        return printed(&String::from_utf8_lossy(&script));
    }
    if let Command::Decode { file, keys } = &cli.command {
        return decode_run::run(file, keys.as_deref(), cli.json);
    }
    let Some(request) = request(&cli.command) else {
        return Status::Usage;
    };
    let waits = request.waits_for_peer();
    match client::ask(&cli.socket, &request, cli.wait(waits)) {
        Ok(replies) => answered(cli, &replies),
        Err(error) => unanswered(cli, waits, &error),
    }
}

fn request(command: &Command) -> Option<Request> {
    Some(match command {
        Command::Show { what } => match what {
            Show::Sa => Request::ShowSa,
            Show::Stats => Request::ShowStats,
            Show::Failures => Request::ShowFailures,
            Show::Ca(_) | Show::Certstore(_) | Show::Policy(_) | Show::Leases(_) => return None,
        },
        Command::Up { name } => Request::Up(name.clone()),
        Command::Down { name } => Request::Down(name.clone()),
        Command::Rekey { name, what } => Request::Rekey {
            name: name.clone(),
            what: match what {
                Rekey::Ike => proto::Rekey::Ike,
                Rekey::Child => proto::Rekey::Child,
            },
        },
        Command::Reload => Request::Reload,
        Command::Log { how: Log::Verbose } => Request::LogVerbose(true),
        Command::Log { how: Log::Brief } => Request::LogVerbose(false),
        Command::Reset { .. } => Request::ResetSa,
        Command::Active => Request::Active(true),
        Command::Passive => Request::Active(false),
        Command::Couple => Request::Couple(true),
        Command::Decouple => Request::Couple(false),
        Command::Completions { .. }
        | Command::Load(_)
        | Command::Monitor(_)
        | Command::Ca(_)
        | Command::Decode { .. }
        | Command::Check(_)
        | Command::Explain(_) => return None,
    })
}

fn answered(cli: &Cli, replies: &[Reply]) -> Status {
    let style = Style::of_stdout();
    match replies.last() {
        Some(Reply::Failed(failed)) => return refused(cli, failed),
        Some(Reply::Done) => {
            return printed(&if cli.json {
                json::ended(None)
            } else {
                done(&cli.command)
            });
        }
        Some(Reply::Reloaded(report)) => {
            return printed(&if cli.json {
                json::reloaded(report)
            } else {
                show::reloaded(report)
            });
        }
        _ => {}
    }
    let mut daemon = None;
    let (mut sas, mut stats, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for reply in replies {
        match reply {
            Reply::Daemon(info) => daemon = Some(&**info),
            Reply::Sa(sa) => sas.push(&**sa),
            Reply::Stat(stat) => stats.push(stat),
            Reply::Failure(failure) => failures.push(&**failure),
            _ => {}
        }
    }
    let text = match (&cli.command, cli.json) {
        (Command::Show { what: Show::Sa }, true) => json::sas(&sas),
        (Command::Show { what: Show::Sa }, false) => {
            show::sas(daemon, &sas, &ikectl(&cli.socket), style)
        }
        (Command::Show { what: Show::Stats }, true) => json::stats(&stats),
        (Command::Show { what: Show::Stats }, false) => show::stats(&stats, style),
        (
            Command::Show {
                what: Show::Failures,
            },
            true,
        ) => json::failures(&failures, show::what),
        (
            Command::Show {
                what: Show::Failures,
            },
            false,
        ) => show::failures(&failures),
        // A list to a question that has none.
        _ => {
            output::complain("the daemon gave an answer to another question");
            return Status::Failed;
        }
    };
    printed(&text)
}

fn refused(cli: &Cli, failed: &Failed) -> Status {
    if cli.json {
        let _ = output::print(&json::ended(Some(&failed.reason)));
    }
    let what = match &cli.command {
        Command::Up { name } => format!("{}: not established: ", text::clean(name)),
        Command::Down { name } => format!("{}: not closed: ", text::clean(name)),
        Command::Rekey { name, .. } => format!("{}: not rekeyed: ", text::clean(name)),
        Command::Reload => "not reloaded, the old configuration stays in force: ".into(),
        _ => String::new(),
    };
    let mut reason = text::clean_lines(&failed.reason);
    if failed.code == FailCode::Unsupported
        && matches!(cli.command, Command::Couple | Command::Decouple)
    {
        reason.push_str("; write `set couple` or `set decouple` in iked.conf and start iked again");
    }
    match failed.code {
        // Diagnostics have a form of their own, which starts in the first column.
        FailCode::Config => output::complain(&format!("{}\n{reason}", what.trim_end())),
        _ => output::complain(&format!("{what}{reason}")),
    }
    Status::Failed
}

fn unanswered(cli: &Cli, waits: bool, error: &ClientError) -> Status {
    let socket = cli.socket.display();
    match error {
        ClientError::NoDaemon(error) => {
            let other = if cli.socket == Path::new(DEFAULT_SOCKET) {
                String::new()
            } else {
                format!(" --socket {socket}")
            };
            output::complain(&format!(
                "no iked answers at {socket}: {error}\n\
                 Start it with one of\n\
                 \x20 iked -d -f /etc/iked.conf{other}    (in the foreground)\n\
                 \x20 systemctl start iked\n\
                 or name the socket of a running one with `-s PATH`."
            ));
            Status::NoDaemon
        }
        ClientError::Denied(error) => {
            output::complain(&format!("{socket}: {error}; run ikectl as root"));
            Status::Failed
        }
        ClientError::Timeout(wait) if waits => {
            let again = ikectl(&cli.socket);
            output::complain(&format!(
                "not finished within {} s; it may go on, see `{again} show sa` and `{again} show failures`",
                wait.as_secs()
            ));
            Status::Failed
        }
        ClientError::Timeout(_) | ClientError::Closed => {
            output::complain(&format!("the iked at {socket} does not answer: {error}"));
            Status::NoDaemon
        }
        ClientError::Io(_) | ClientError::Protocol(_) => {
            output::complain(&format!("{socket}: {error}"));
            Status::Failed
        }
    }
}

/// How to call this program for the same daemon.
fn ikectl(socket: &Path) -> String {
    if socket == Path::new(DEFAULT_SOCKET) {
        "ikectl".into()
    } else {
        format!("ikectl -s {}", socket.display())
    }
}

fn done(command: &Command) -> String {
    match command {
        Command::Up { name } => format!("{}: established\n", text::clean(name)),
        Command::Down { name } => format!("{}: closed\n", text::clean(name)),
        Command::Rekey { name, what } => {
            let which = match what {
                Rekey::Ike => "IKE SA",
                Rekey::Child => "child SAs",
            };
            format!("{}: {which} rekeyed\n", text::clean(name))
        }
        Command::Log { how: Log::Verbose } => "logging in detail\n".into(),
        Command::Log { how: Log::Brief } => "logging briefly\n".into(),
        Command::Reset { .. } => "all SAs closed; active policies start again\n".into(),
        Command::Active => "active: connections are initiated\n".into(),
        Command::Passive => "passive: nothing is initiated\n".into(),
        Command::Couple => "coupled: SAs and flows are in the data plane\n".into(),
        Command::Decouple => {
            "decoupled: SAs and flows are out of the data plane; traffic may pass in clear\n".into()
        }
        _ => "done\n".into(),
    }
}

fn printed(text: &str) -> Status {
    match output::print(text) {
        Ok(()) => Status::Done,
        Err(error) => {
            output::complain(&format!("standard output: {error}"));
            Status::Failed
        }
    }
}
