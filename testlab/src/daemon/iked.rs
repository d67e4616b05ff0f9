//! Our own daemon, from the same build as testlab, driven by ikectl.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;

use super::{CONNECTION, ChildSa, Daemon, IkeSa, Setup};
use crate::command::{Background, Hopeless, run, run_quietly, wait_for};
use crate::scenario::{Mode, Suite, What};

/// An iked.
#[derive(Debug)]
pub struct Iked {
    setup: Setup,
    process: Option<Background>,
}

/// A program of this workspace, next to testlab.
pub fn binary(name: &str) -> Result<PathBuf> {
    let mut dir = std::env::current_exe().context("where is testlab?")?;
    dir.pop();
    if dir.ends_with("deps") {
        dir.pop();
    }
    let file = dir.join(name);
    if !file.is_file() {
        bail!(
            "{} is not built: run `cargo build -p iked -p ikectl` with the same profile",
            file.display()
        );
    }
    Ok(file)
}

impl Iked {
    /// Writes iked.conf, readable by its owner only.
    pub fn prepare(setup: Setup) -> Result<Self> {
        binary("iked")?;
        binary("ikectl")?;
        let made = Self {
            setup,
            process: None,
        };
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(made.conf())?;
        file.write_all(configuration(&made.setup).as_bytes())?;
        for dir in ["etc", "state"] {
            std::fs::create_dir_all(made.setup.dir.join(dir))?;
        }
        Ok(made)
    }

    /// The configuration file.
    pub fn conf(&self) -> PathBuf {
        self.setup.dir.join("iked.conf")
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.setup.runtime.join("iked.sock")
    }

    fn log_file(&self) -> PathBuf {
        self.setup.dir.join("iked.log")
    }

    fn ikectl(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary("ikectl")?);
        command.arg("-s").arg(self.socket()).args(arguments);
        Ok(command)
    }
}

impl Daemon for Iked {
    fn start(&mut self) -> Result<()> {
        let _ = std::fs::remove_file(self.socket());
        let mut command = self.setup.namespace.command(binary("iked")?);
        command
            .args(["-d", "-v", "-f"])
            .arg(self.conf())
            .arg("--socket")
            .arg(self.socket())
            .arg("--etc")
            .arg(self.setup.dir.join("etc"))
            .arg("--state")
            .arg(self.setup.dir.join("state"));
        if let Some(keylog) = self.keylog() {
            command.arg("--keylog").arg(keylog);
        }
        let mut process = Background::spawn("iked", &mut command, &self.log_file())?;
        let show = |it: &Self| run(&mut it.ikectl(&["show", "sa", "--json"])?, LIMIT);
        wait_for("iked answers", Duration::from_secs(15), || {
            if let Some(status) = process.ended() {
                let last = last_line(&self.log()).to_owned();
                return Err(Hopeless(format!("iked ended ({status}): {last}")).into());
            }
            show(self)
        })
        .with_context(|| format!("see {}", self.log_file().display()))?;
        self.process = Some(process);
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            let status = process.terminate(Duration::from_secs(10))?;
            if !status.success() {
                bail!("iked ended with {status} when asked to stop");
            }
        }
        Ok(())
    }

    fn kill(&mut self) {
        // The whole process group at once.
        self.process = None;
        // The parent is gone now; the others may hold their sockets a moment longer.
        let namespace = &self.setup.namespace;
        let _ = wait_for("all of iked is gone", Duration::from_secs(5), || {
            let mut ss = namespace.command("ss");
            let open = run_quietly(ss.args(["-Hlun", "sport = :500 or sport = :4500"]));
            ensure!(open.trim().is_empty(), "not yet");
            Ok(())
        });
        let _ = std::fs::remove_file(self.socket());
    }

    fn check_alive(&mut self) -> Result<()> {
        match self.process.as_mut().and_then(Background::ended) {
            Some(status) => bail!(
                "iked ended by itself ({status}): {}",
                last_line(&self.log())
            ),
            None => Ok(()),
        }
    }

    fn kill_process(&mut self, role: &str) -> Result<()> {
        let pid = self
            .setup
            .namespace
            .pids()
            .into_iter()
            .find(|pid| process_role(*pid).as_deref() == Some(role))
            .with_context(|| format!("iked has no process `{role}`"))?;
        if let Some(pid) = Pid::from_raw(pid) {
            kill_process(pid, Signal::KILL)?;
        }
        Ok(())
    }

    fn up(&mut self) -> Result<()> {
        run(
            &mut self.ikectl(&["up", CONNECTION])?,
            Duration::from_secs(20),
        )?;
        Ok(())
    }

    fn down(&mut self) -> Result<()> {
        run(
            &mut self.ikectl(&["down", CONNECTION])?,
            Duration::from_secs(15),
        )?;
        Ok(())
    }

    fn rekey(&mut self, what: What) -> Result<()> {
        let which = match what {
            What::Ike => "ike",
            What::Child => "child",
        };
        run(
            &mut self.ikectl(&["rekey", CONNECTION, which])?,
            Duration::from_secs(15),
        )?;
        Ok(())
    }

    fn reload(&mut self, line: &str) -> Result<()> {
        self.setup.peer.extra.push(line.to_owned());
        std::fs::write(self.conf(), configuration(&self.setup))?;
        run(&mut self.ikectl(&["reload"])?, LIMIT)?;
        Ok(())
    }

    fn control(&mut self, arguments: &[String]) -> Result<String> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(&mut self.ikectl(&arguments)?, LIMIT)
    }

    fn sas(&mut self) -> Result<Vec<IkeSa>> {
        if self.process.is_none() {
            return Ok(Vec::new());
        }
        parse_sas(&run(&mut self.ikectl(&["show", "sa", "--json"])?, LIMIT)?)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn keylog(&self) -> Option<PathBuf> {
        self.setup
            .peer
            .keylog
            .then(|| self.setup.dir.join("ikev2_decryption_table"))
    }

    fn keep(mut self: Box<Self>) -> Option<u32> {
        let process = self.process.take()?;
        let pid = process.pid();
        std::mem::forget(process);
        Some(pid)
    }
}

impl Drop for Iked {
    fn drop(&mut self) {
        if self.process.is_some()
            && let Ok(mut command) = self.ikectl(&["show", "sa", "--json"])
        {
            let state = run_quietly(&mut command);
            let _ = std::fs::write(self.setup.dir.join("show-sa.json"), state);
        }
    }
}

const LIMIT: Duration = Duration::from_secs(5);

/// The role in the command line of one of iked's processes; its parent is `parent`.
fn process_role(pid: i32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    role_of(&String::from_utf8_lossy(&line))
}

fn role_of(cmdline: &str) -> Option<String> {
    let mut words = cmdline.split('\0');
    // The children call themselves `iked: ca` and so on.
    let program = words.next()?.rsplit('/').next()?;
    if program.split(':').next() != Some("iked") {
        return None;
    }
    let mut role = "parent";
    while let Some(word) = words.next() {
        if word == "--process" {
            role = words.next()?;
        } else if let Some(given) = word.strip_prefix("--process=") {
            role = given;
        }
    }
    Some(role.to_owned())
}

fn configuration(setup: &Setup) -> String {
    let peer = &setup.peer;
    let mut text = format!("set dataplane {}\n", peer.dataplane.name());
    if peer.dpd > 0 {
        text.push_str(&format!("set dpd_check_interval {}\n", peer.dpd));
    }
    for line in &peer.extra {
        text.push_str(line);
        text.push('\n');
    }
    let mode = match peer.mode {
        Mode::Active => "active",
        Mode::Passive => "passive",
    };
    text.push_str(&format!(
        "ikev2 \"{CONNECTION}\" {mode} esp \\\n\tfrom {} to {} \\\n\tlocal {} peer {} \\\n",
        setup.local.lan, setup.remote.lan, setup.local.outer, setup.remote.seen_as
    ));
    text.push_str(&format!("\tikesa {} \\\n", transforms(&peer.ike, true)));
    text.push_str(&format!("\tchildsa {} \\\n", transforms(&peer.esp, false)));
    text.push_str(&format!(
        "\tsrcid {} dstid {} \\\n",
        peer.id, setup.remote_id
    ));
    if peer.ike_lifetime > 0 {
        text.push_str(&format!("\tikelifetime {} \\\n", peer.ike_lifetime));
    }
    if peer.child_lifetime > 0 {
        text.push_str(&format!("\tlifetime {} \\\n", peer.child_lifetime));
    }
    text.push_str(&format!("\tpsk \"{}\"\n", peer.psk));
    text
}

fn transforms(suite: &Suite, with_prf: bool) -> String {
    let mut text = String::new();
    if let Some(auth) = &suite.auth {
        text.push_str(&format!("auth {auth} "));
    }
    text.push_str(&format!("enc {}", suite.enc));
    if with_prf {
        text.push_str(&format!(" prf {}", suite.prf));
    }
    for group in &suite.groups {
        text.push_str(&format!(" group {group}"));
    }
    text
}

fn last_line(log: &str) -> &str {
    log.trim_end().lines().last().unwrap_or("its log is empty")
}

#[derive(Deserialize)]
struct JsonSa {
    #[serde(default)]
    name: String,
    state: String,
    #[serde(default)]
    spi_i: Value,
    #[serde(default)]
    spi_r: Value,
    #[serde(default)]
    children: Vec<JsonChild>,
}

#[derive(Deserialize)]
struct JsonChild {
    state: String,
    encap: Value,
    spi_in: Value,
    spi_out: Value,
    #[serde(default)]
    encr: String,
    bytes_in: u64,
    bytes_out: u64,
}

/// Reads `ikectl show sa --json`.
pub fn parse_sas(text: &str) -> Result<Vec<IkeSa>> {
    let sas: Vec<JsonSa> =
        serde_json::from_str(text).with_context(|| format!("ikectl printed `{text}`"))?;
    sas.into_iter()
        .map(|sa| {
            let children = sa
                .children
                .into_iter()
                .filter(|child| child.state.eq_ignore_ascii_case("installed"))
                .map(|child| {
                    Ok(ChildSa {
                        encap: !matches!(child.encap, Value::Null | Value::Bool(false))
                            && child.encap.as_str() != Some("none"),
                        spi_in: spi(&child.spi_in)?,
                        spi_out: spi(&child.spi_out)?,
                        encr: child.encr,
                        bytes_in: child.bytes_in,
                        bytes_out: child.bytes_out,
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            Ok(IkeSa {
                name: sa.name,
                established: sa.state.eq_ignore_ascii_case("established"),
                spis: (!sa.spi_i.is_null()).then(|| format!("{}:{}", sa.spi_i, sa.spi_r)),
                children,
            })
        })
        .collect()
}

/// An SPI as a number or as hexadecimal digits.
fn spi(value: &Value) -> Result<u32> {
    let found = match value {
        Value::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
        Value::String(text) => {
            u32::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
        }
        _ => None,
    };
    found.with_context(|| format!("`{value}` is no SPI"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_of_ikectl_is_read() {
        let text = r#"[{"name":"net","state":"ESTABLISHED","role":"initiator","children":[
            {"state":"INSTALLED","mode":"tunnel","encap":"udp","spi_in":"0xc0000001","spi_out":"c0000002",
             "encr":"aes-256-gcm","bytes_in":84,"bytes_out":168}]}]"#;
        let sas = parse_sas(text).unwrap();
        assert!(sas[0].established);
        let child = &sas[0].children[0];
        assert_eq!((child.spi_in, child.spi_out), (0xc000_0001, 0xc000_0002));
        assert!(child.encap);
        assert_eq!(child.bytes_out, 168);
    }

    #[test]
    fn a_process_is_known_by_the_role_it_was_started_with() {
        assert_eq!(
            role_of("iked: esp\0--process\0esp\0").as_deref(),
            Some("esp")
        );
        assert_eq!(role_of("/x/iked\0-d\0-f\0c\0").as_deref(), Some("parent"));
        assert_eq!(role_of("sh\0-c\0x\0"), None);
    }
}
