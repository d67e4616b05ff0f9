//! A real daemon in a network namespace of its own, for the tests of this directory. They need
//! root (or `unshare -Urnm`); without it they say so and do nothing.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stderr)]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Whether the tests can be done; says so if not.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: needs root, or unshare -Urnm");
    }
    root
}

/// Runs a command to its end.
pub(crate) fn run(command: &str) -> Output {
    Command::new("sh").args(["-c", command]).output().unwrap()
}

/// Runs a command that must work; its output.
pub(crate) fn must(command: &str) -> String {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until something is true.
pub(crate) fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < end, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes a private configuration file.
pub(crate) fn write_config(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A network namespace, gone when dropped.
pub(crate) struct Netns(pub(crate) String);

impl Netns {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("iked{}-{name}", std::process::id());
        must(&format!(
            "ip netns add {name} && ip -n {name} link set lo up"
        ));
        Self(name)
    }

    pub(crate) fn run(&self, command: &str) -> Output {
        run(&format!("ip netns exec {} {command}", self.0))
    }

    pub(crate) fn must(&self, command: &str) -> String {
        must(&format!("ip netns exec {} {command}", self.0))
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        run(&format!("ip netns del {}", self.0));
    }
}

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    dir: tempfile::TempDir,
}

impl Daemon {
    /// Starts `iked -d` and does not wait.
    pub(crate) fn start(netns: &Netns, config: &str, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("iked.conf");
        write_config(&conf, config);
        let etc = dir.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        let mut child = Command::new("ip")
            .args(["netns", "exec", &netns.0, env!("CARGO_BIN_EXE_iked"), "-dv"])
            .arg("-f")
            .arg(&conf)
            .arg("--etc")
            .arg(&etc)
            .arg("--state")
            .arg(dir.path().join("state"))
            .arg("--socket")
            .arg(dir.path().join("sock"))
            .args(flags)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tx, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if tx.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
            dir,
        }
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn ready(netns: &Netns, config: &str, flags: &[&str]) -> Self {
        let mut daemon = Self::start(netns, config, flags);
        daemon.wait_for_line("ready, version");
        daemon
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a log line.
    pub(crate) fn wait_for_line(&mut self, text: &str) -> String {
        if let Some(line) = self.seen.iter().find(|l| l.contains(text)) {
            return line.clone();
        }
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("no line {text:?} in:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Everything logged so far.
    pub(crate) fn log(&mut self) -> String {
        self.seen.extend(self.lines.try_iter());
        self.seen.join("\n")
    }

    /// The processes it made, by role.
    pub(crate) fn processes(&self) -> Vec<(String, u32)> {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.pid()))
            .unwrap_or_default();
        children
            .split_whitespace()
            .map(|pid| {
                let pid: u32 = pid.parse().unwrap();
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let role = line.split(|b| *b == 0).nth(2).unwrap_or_default();
                (String::from_utf8_lossy(role).into_owned(), pid)
            })
            .collect()
    }

    pub(crate) fn process(&self, role: &str) -> u32 {
        let processes = self.processes();
        let found = processes.iter().find(|(name, _)| name == role);
        found
            .unwrap_or_else(|| panic!("no {role} in {processes:?}"))
            .1
    }

    pub(crate) fn signal(&self, signal: &str) {
        must(&format!("kill -{signal} {}", self.pid()));
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // The reader is at the end of the pipe soon.
                std::thread::sleep(Duration::from_millis(50));
                return status;
            }
            assert!(Instant::now() < end, "the daemon does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}
