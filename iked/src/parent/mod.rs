//! The parent process: reads the configuration, opens what only root can open, makes the other
//! processes and hands each what it needs, then keeps almost no privilege and waits: for signals,
//! for reloads asked by control, for a process that dies.
//!
//! If one process dies, all end with its name and status in the log, and what blocks clear text
//! stays in the kernel: only a clean stop (SIGTERM, SIGINT) takes it away. The parent parses
//! nothing that came from the network.
mod children;
mod commit;
mod notify;
mod open;
mod start;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ike_kernel::PlaneKind;
use ike_sa::Policy;
use rustix::event::PollFlags;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

use crate::cli::{Cli, EXIT_FAILURE, complain};
use crate::config::DaemonSettings;
use crate::control::proto::{FailCode, Reply, Request};
use crate::event_loop::PollSet;
use crate::ipc::{
    CaToParent, ControlToParent, EspToParent, Generation, Ikev2ToParent, KernelToParent,
    ParentToCa, ParentToControl, ParentToEsp, ParentToIkev2, ParentToKernel,
};
use crate::log;
use crate::privsep::channel::{Channel, ChannelError};
use crate::privsep::sandbox::SandboxError;
use crate::privsep::spawn::BootError;
use children::{Children, Death};
use notify::notify;

/// How long ikev2 may take to delete its SAs at the peers.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a process may take for a request of ours.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("{0}")]
    Config(String),
    #[error("must be run as root, or in a user namespace of its own (unshare -Urnm)")]
    NotRoot,
    #[error("set dataplane xfrm: {0}; with \"set dataplane userspace\" it would work without")]
    NoKernelEsp(String),
    #[error("{0}")]
    Kernel(#[from] ike_kernel::KernelError),
    #[error("no free name for a TUN device, iked0 to iked63 are in use")]
    NoTunName,
    #[error("state directory {}: {source}; name another with --state DIR", path.display())]
    State {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("control socket {}: {source}; name another with --socket PATH", path.display())]
    ControlSocket {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("another iked answers on {}; name another socket with --socket PATH", .0.display())]
    Running(PathBuf),
    #[error("key log {}: {source}", path.display())]
    KeyLog {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0}")]
    Boot(#[from] BootError),
    #[error("{0}")]
    Sandbox(#[from] SandboxError),
    #[error("{0}")]
    Commit(#[from] commit::CommitError),
    #[error("{0}")]
    Channel(#[from] ChannelError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// The parent at work.
struct Parent {
    cli: Cli,
    children: Children,
    ca: Channel<ParentToCa, CaToParent>,
    kernel: Channel<ParentToKernel, KernelToParent>,
    esp: Option<Channel<ParentToEsp, EspToParent>>,
    ikev2: Channel<ParentToIkev2, Ikev2ToParent>,
    control: Channel<ParentToControl, ControlToParent>,
    /// Removed with us.
    socket_file: open::SocketFile,
    keylog: Option<File>,
    generation: Generation,
    policies: Vec<Policy>,
    daemon: DaemonSettings,
    plane: PlaneKind,
    signals: Signals,
}

/// Signals as descriptors.
struct Signals {
    stop: UnixStream,
    reload: UnixStream,
    child: UnixStream,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let pipe = |signals: &[i32]| {
            let (read, write) = UnixStream::pair()?;
            read.set_nonblocking(true)?;
            for signal in signals {
                signal_hook::low_level::pipe::register(*signal, write.try_clone()?)?;
            }
            Ok::<_, std::io::Error>(read)
        };
        Ok(Self {
            stop: pipe(&[SIGTERM, SIGINT])?,
            reload: pipe(&[SIGHUP])?,
            child: pipe(&[SIGCHLD])?,
        })
    }
}

/// Forgets what a signal wrote: the readiness was the message.
fn drain(mut pipe: &UnixStream) {
    let mut buffer = [0; 64];
    while pipe.read(&mut buffer).is_ok_and(|n| n > 0) {}
}

/// How the daemon ends.
enum End {
    /// As asked.
    Clean,
    /// A process is gone.
    Death(Option<Death>),
}

/// The daemon, from its command line to its end.
pub(crate) fn run(cli: &Cli) -> ExitCode {
    let mut cli = cli.clone();
    for path in [
        &mut cli.config,
        &mut cli.socket,
        &mut cli.etc,
        &mut cli.state,
    ] {
        if let Ok(absolute) = std::path::absolute(&path) {
            *path = absolute;
        }
    }
    let level = log::Level::from_flags(cli.verbose);
    let (target, terminal) = match stage(cli.daemonized) {
        Ok(stage) => stage,
        Err(e) => {
            complain(&format!("cannot go to the background: {e}"));
            return ExitCode::from(EXIT_FAILURE);
        }
    };
    log::init("parent", target, level);
    let mut parent = match start::start(cli, target, level) {
        Ok(parent) => parent,
        Err(e) => {
            let text = match &e {
                StartError::Config(diagnostics) => format!("{}\n", diagnostics.trim_end()),
                other => format!("iked: {other}\n"),
            };
            match terminal {
                Some(fd) => {
                    tracing::error!("{e}");
                    let _ = File::from(fd).write_all(text.as_bytes());
                }
                None => {
                    let _ = std::io::stderr().write_all(text.as_bytes());
                }
            }
            return ExitCode::from(EXIT_FAILURE);
        }
    };
    if parent.cli.daemonized {
        // iked without -d waits for this.
        let _ = std::io::stdout().write_all(b"R");
        let _ = std::io::stdout().flush();
        if let Ok(null) = File::options().write(true).open("/dev/null") {
            let _ = rustix::stdio::dup2_stdout(null);
        }
    }
    drop(terminal);
    notify("READY=1");
    tracing::info!("ready, version {}", env!("CARGO_PKG_VERSION"));
    let end = parent.work();
    notify("STOPPING=1");
    parent.end(end)
}

/// Where log lines go; in the background standard error becomes syslog and the terminal is kept
/// for errors until the daemon works.
fn stage(daemonized: bool) -> std::io::Result<(log::Target, Option<OwnedFd>)> {
    let stderr = std::io::stderr();
    if !daemonized {
        let journal = std::env::var("JOURNAL_STREAM").is_ok_and(|wanted| {
            rustix::fs::fstat(stderr.as_fd())
                .is_ok_and(|s| wanted == format!("{}:{}", s.st_dev, s.st_ino))
        });
        let target = if journal {
            log::Target::Journal
        } else {
            log::Target::Stderr
        };
        return Ok((target, None));
    }
    rustix::process::setsid()?;
    rustix::thread::set_name(c"iked")?;
    let terminal = stderr.as_fd().try_clone_to_owned()?;
    let log = UnixDatagram::unbound()?;
    match log.connect("/dev/log") {
        Ok(()) => rustix::stdio::dup2_stderr(&log)?,
        Err(_) => {
            complain("there is no /dev/log: log lines are lost, with -d they go to the terminal");
            rustix::stdio::dup2_stderr(File::options().write(true).open("/dev/null")?)?;
        }
    }
    Ok((log::Target::Syslog, Some(terminal)))
}

impl Parent {
    /// Waits and serves until the daemon is to end.
    fn work(&mut self) -> End {
        loop {
            match self.turn() {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(e) => {
                    if !matches!(e, ChannelError::Closed) {
                        tracing::error!("{e}");
                    }
                    return End::Death(self.children.culprit());
                }
            }
        }
    }

    fn turn(&mut self) -> Result<Option<End>, ChannelError> {
        let mut poll = PollSet::new();
        let stop = poll.add(self.signals.stop.as_fd(), PollFlags::IN);
        let reload = poll.add(self.signals.reload.as_fd(), PollFlags::IN);
        let child = poll.add(self.signals.child.as_fd(), PollFlags::IN);
        poll.add(self.ca.as_fd(), self.ca.interest());
        poll.add(self.kernel.as_fd(), self.kernel.interest());
        if let Some(esp) = &self.esp {
            poll.add(esp.as_fd(), esp.interest());
        }
        let ikev2 = poll.add(self.ikev2.as_fd(), self.ikev2.interest());
        let control = poll.add(self.control.as_fd(), self.control.interest());
        let ready = poll.wait(None)?;

        if ready.readable(child) {
            drain(&self.signals.child);
            let dead = self.children.culprit();
            if dead.is_some() {
                return Ok(Some(End::Death(dead)));
            }
        }
        if ready.readable(stop) {
            return Ok(Some(End::Clean));
        }
        self.flush()?;
        self.unasked()?;
        if ready.readable(reload) {
            drain(&self.signals.reload);
            // Logged there; a signal has nobody to tell.
            let _ = self.reload()?;
        }
        if ready.readable(ikev2) {
            while let Some((message, _)) = self.ikev2.receive()? {
                self.on_ikev2(&message)?;
            }
        }
        if ready.readable(control) {
            while let Some((ControlToParent::Request(client, request), _)) =
                self.control.receive()?
            {
                let reply = self.answer(&request)?;
                self.control.send(&ParentToControl::Reply(client, reply))?;
            }
        }
        Ok(None)
    }

    fn flush(&mut self) -> Result<(), ChannelError> {
        self.ca.flush()?;
        self.kernel.flush()?;
        if let Some(esp) = &mut self.esp {
            esp.flush()?;
        }
        self.ikev2.flush()?;
        self.control.flush()
    }

    /// These processes only answer; a word without question is a violation, the end is the end.
    fn unasked(&mut self) -> Result<(), ChannelError> {
        let spoke = self.ca.receive()?.is_some()
            || self.kernel.receive()?.is_some()
            || match &mut self.esp {
                Some(esp) => esp.receive()?.is_some(),
                None => false,
            };
        if spoke {
            return Err(ChannelError::Violation("unasked message to the parent"));
        }
        Ok(())
    }

    fn on_ikev2(&mut self, message: &Ikev2ToParent) -> Result<(), ChannelError> {
        match message {
            Ikev2ToParent::KeyLog(row) => {
                write_key(&mut self.keylog, &row.line);
                Ok(())
            }
            Ikev2ToParent::Committed(_) | Ikev2ToParent::ShutDown => {
                Err(ChannelError::Violation("unasked message from ikev2"))
            }
        }
    }

    fn answer(&mut self, request: &Request) -> Result<Reply, ChannelError> {
        match request {
            Request::Reload => Ok(match self.reload()? {
                Ok(report) => Reply::Reloaded(report),
                Err((code, text)) => Reply::failed(code, text),
            }),
            Request::LogVerbose(verbose) => {
                let level = if *verbose {
                    log::Level::Verbose.max(log::Level::from_flags(self.cli.verbose))
                } else {
                    log::Level::Brief
                };
                self.set_level(level)?;
                Ok(Reply::Done)
            }
            _ => Ok(Reply::failed(
                FailCode::Unsupported,
                "this daemon does not do that",
            )),
        }
    }

    fn set_level(&mut self, level: log::Level) -> Result<(), ChannelError> {
        log::set_level(level);
        self.ca.send(&ParentToCa::Log(level))?;
        self.kernel.send(&ParentToKernel::Log(level))?;
        if let Some(esp) = &mut self.esp {
            esp.send(&ParentToEsp::Log(level))?;
        }
        self.ikev2.send(&ParentToIkev2::Log(level))?;
        self.control.send(&ParentToControl::Log(level))
    }

    /// The end: cleanly, or leaving in place what blocks clear text.
    fn end(mut self, end: End) -> ExitCode {
        let mut code = ExitCode::SUCCESS;
        match end {
            End::Clean => {
                tracing::info!("stopping");
                if let Err(e) = self.stop() {
                    tracing::error!("{e}");
                    code = ExitCode::from(EXIT_FAILURE);
                }
            }
            End::Death(death) => {
                let who = death.map_or_else(|| "a process is gone".to_owned(), |d| d.to_string());
                tracing::error!("{who}; stopping, what blocks clear text stays in force");
                code = ExitCode::from(EXIT_FAILURE);
            }
        }
        let Self {
            mut children,
            ca,
            kernel,
            esp,
            ikev2,
            control,
            socket_file,
            ..
        } = self;
        drop(socket_file);
        // Closed channels are what ends a process.
        drop((ca, kernel, esp, ikev2, control));
        children.end();
        code
    }

    /// SAs are deleted at the peers, then everything of ours leaves the kernel.
    fn stop(&mut self) -> Result<(), commit::CommitError> {
        self.control.send(&ParentToControl::Close)?;
        self.ikev2.send(&ParentToIkev2::Shutdown)?;
        let keylog = &mut self.keylog;
        let closed = commit::wait(&mut self.ikev2, SHUTDOWN_TIMEOUT, |message| match message {
            Ikev2ToParent::ShutDown => Some(()),
            Ikev2ToParent::KeyLog(row) => {
                write_key(keylog, &row.line);
                None
            }
            Ikev2ToParent::Committed(_) => None,
        });
        if let Err(e) = closed {
            tracing::warn!("deleting SAs at the peers: {e}");
        }
        self.kernel.send(&ParentToKernel::Remove)?;
        commit::wait(&mut self.kernel, REQUEST_TIMEOUT, |message| match message {
            KernelToParent::Removed(result) => Some(result),
            _ => None,
        })?
        .map_err(commit::CommitError::Remove)
    }
}

fn write_key(file: &mut Option<File>, line: &str) {
    if let Some(file) = file {
        let line = zeroize::Zeroizing::new(format!("{line}\n"));
        if let Err(e) = file.write_all(line.as_bytes()) {
            tracing::warn!("key log: {e}");
        }
    }
}
