//! Outside programs, always with a time limit. Nothing here waits for ever:
//! a command that outlives its limit is killed with its whole process group,
//! and an interrupt (Ctrl-C, SIGTERM) ends every wait with an error, so that
//! callers unwind and clean up.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// What a finished command left behind.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Set by SIGINT, SIGTERM and SIGHUP.
fn interrupted_flag() -> &'static Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    FLAG.get_or_init(|| Arc::new(AtomicBool::new(false)))
}

/// Turns the usual signals into an orderly end: every wait fails, every guard cleans up.
pub fn catch_signals() -> Result<()> {
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(interrupted_flag()))
            .context("cannot watch for signals")?;
    }
    Ok(())
}

/// Whether the user asked us to stop.
pub fn interrupted() -> bool {
    interrupted_flag().load(Ordering::Relaxed)
}

/// Sleeps, unless interrupted.
pub fn pause(duration: Duration) -> Result<()> {
    let end = Instant::now() + duration;
    loop {
        if interrupted() {
            bail!("interrupted");
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(Duration::from_millis(50)));
    }
}

/// Something that waiting cannot mend.
#[derive(Debug)]
pub struct Hopeless(pub String);

impl std::fmt::Display for Hopeless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Hopeless {}

/// Asks `probe` until it gives a value; its last complaint is the error when time runs out.
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(error) if error.is::<Hopeless>() => return Err(error.context(what.to_owned())),
            Err(error) if Instant::now() >= end => {
                return Err(error.context(format!("{what}: not within {:.0?}", limit)));
            }
            Err(_) => pause(Duration::from_millis(100))?,
        }
    }
}

/// Runs a command to its end and gives what it printed, whatever its exit status.
pub fn output(command: &mut Command, limit: Duration) -> Result<Finished> {
    finish(command, limit, StopOnInterrupt::Yes)
}

/// Runs a command that has to succeed and gives its standard output.
pub fn run(command: &mut Command, limit: Duration) -> Result<String> {
    let done = output(command, limit)?;
    if !done.status.success() {
        bail!(
            "`{}` failed ({}): {}",
            spell(command),
            done.status,
            last_lines(&done.stderr, &done.stdout)
        );
    }
    Ok(done.stdout)
}

/// Runs a command while cleaning up: also after an interrupt, errors ignored.
pub fn run_quietly(command: &mut Command) -> String {
    finish(command, Duration::from_secs(5), StopOnInterrupt::No)
        .map(|done| done.stdout)
        .unwrap_or_default()
}

/// A daemon or a background tool; killed with its process group when dropped.
#[derive(Debug)]
pub struct Background {
    child: Child,
    name: String,
}

impl Background {
    /// Starts `command` with both outputs going to `log`.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let copy = file.try_clone()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start `{}`", spell(command)))?;
        Ok(Self {
            child,
            name: name.to_owned(),
        })
    }

    /// The process id, which is also that of its group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends a signal to the process itself.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.end_with(Signal::TERM, limit)
    }

    /// Sends `signal` and waits for the end.
    pub fn end_with(&mut self, signal: Signal, limit: Duration) -> Result<ExitStatus> {
        if self.ended().is_none() {
            self.signal(signal);
        }
        let name = self.name.clone();
        wait_for(&format!("{name} ends after {signal:?}"), limit, || {
            self.ended().context("it is still running")
        })
    }

    /// Waits for the end by itself.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let name = self.name.clone();
        wait_for(&format!("{name} ends"), limit, || {
            self.ended().context("it is still running")
        })
    }

    /// Kills the whole group, as a crash would.
    pub fn kill(&mut self) {
        kill_group(&self.child);
        let _ = self.child.wait();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a program can be found in the search path or where Debian keeps system programs.
pub fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"])
        .filter(|dir| !dir.is_empty())
        .map(|dir| Path::new(dir).join(name))
        .find(|file| file.is_file())
}

/// A command as a person would type it.
pub fn spell(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        let quote = if argument.contains([' ', ';', '{']) {
            "'"
        } else {
            ""
        };
        let _ = write!(text, " {quote}{argument}{quote}");
    }
    text
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum StopOnInterrupt {
    Yes,
    No,
}

fn finish(command: &mut Command, limit: Duration, stop: StopOnInterrupt) -> Result<Finished> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start `{}`", spell(command)))?;
    let stdout = reader(child.stdout.take());
    let stderr = reader(child.stderr.take());
    let end = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let why = if stop == StopOnInterrupt::Yes && interrupted() {
            "interrupted".to_owned()
        } else if Instant::now() >= end {
            format!("gave no answer within {limit:.0?}")
        } else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        kill_group(&child);
        let _ = child.wait();
        let (out, err) = (text(stdout), text(stderr));
        bail!("`{}` {why} {}", spell(command), last_lines(&err, &out));
    };
    Ok(Finished {
        status,
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

fn reader<R: Read + Send + 'static>(from: Option<R>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// What the reader has; a grandchild that keeps the pipe open does not hold us up for ever.
fn text(handle: thread::JoinHandle<Vec<u8>>) -> String {
    let end = Instant::now() + Duration::from_secs(2);
    while !handle.is_finished() {
        if Instant::now() >= end {
            return String::new();
        }
        thread::sleep(Duration::from_millis(2));
    }
    String::from_utf8_lossy(&handle.join().unwrap_or_default()).into_owned()
}

fn kill_group(child: &Child) {
    if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

fn last_lines(first: &str, second: &str) -> String {
    let text = if first.trim().is_empty() {
        second
    } else {
        first
    };
    let lines: Vec<&str> = text.trim().lines().collect();
    let from = lines.len().saturating_sub(4);
    lines.get(from..).unwrap_or_default().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_hangs_is_killed_at_its_limit() {
        let start = Instant::now();
        let error =
            output(Command::new("sleep").arg("30"), Duration::from_millis(200)).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(error.to_string().contains("sleep 30"), "{error}");
    }

    #[test]
    fn what_waiting_cannot_mend_is_not_waited_for() {
        let start = Instant::now();
        let error = wait_for("it answers", Duration::from_secs(30), || -> Result<()> {
            Err(Hopeless("it is dead".into()).into())
        });
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(format!("{:#}", error.unwrap_err()).contains("it is dead"));
    }

    #[test]
    fn a_failing_command_is_named_with_its_last_words() {
        let error = run(
            Command::new("sh").args(["-c", "echo because >&2; exit 3"]),
            Duration::from_secs(5),
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("because") && text.contains('3'), "{text}");
    }

    #[test]
    fn a_background_process_dies_with_its_guard() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let background = Background::spawn("sleep", Command::new("sleep").arg("60"), &log).unwrap();
        let proc = format!("/proc/{}", background.pid());
        drop(background);
        assert!(!Path::new(&proc).exists());
    }
}
