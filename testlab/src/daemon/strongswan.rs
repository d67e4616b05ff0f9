//! Debian's strongSwan: charon with a private /run in its gateway, read and
//! driven by swanctl over vici. With `kernel-libipsec` its ESP is in userspace
//! and always in UDP; with `kernel-netlink` it is the kernel's.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::swanctl;
use super::{CONNECTION, Daemon, IkeSa, Setup};
use crate::command::{Background, Hopeless, find_program, run, run_quietly, wait_for};
use crate::scenario::{Dataplane, Mode, Suite, What};

const CHARON: &str = "/usr/lib/ipsec/charon";

/// A charon.
#[derive(Debug)]
pub struct StrongSwan {
    setup: Setup,
    process: Option<Background>,
}

impl StrongSwan {
    /// Writes strongswan.conf and swanctl.conf.
    pub fn prepare(setup: Setup) -> Result<Self> {
        if !std::path::Path::new(CHARON).exists() || find_program("swanctl").is_none() {
            bail!("strongSwan is missing: install strongswan-charon and strongswan-swanctl");
        }
        let made = Self {
            setup,
            process: None,
        };
        std::fs::write(made.strongswan_conf(), daemon_conf(&made))?;
        std::fs::write(made.swanctl_conf(), connection_conf(&made.setup))?;
        Ok(made)
    }

    fn strongswan_conf(&self) -> PathBuf {
        self.setup.dir.join("strongswan.conf")
    }

    fn swanctl_conf(&self) -> PathBuf {
        self.setup.dir.join("swanctl.conf")
    }

    fn log_file(&self) -> PathBuf {
        self.setup.dir.join("charon.log")
    }

    fn socket(&self) -> PathBuf {
        self.setup.runtime.join("charon.vici")
    }

    fn swanctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("swanctl");
        command
            .env("STRONGSWAN_CONF", self.strongswan_conf())
            .args(arguments)
            .arg("--uri")
            .arg(format!("unix://{}", self.socket().display()));
        command
    }
}

impl Daemon for StrongSwan {
    fn start(&mut self) -> Result<()> {
        let _ = std::fs::remove_file(self.socket());
        let mut command = self.setup.namespace.command("sh");
        // A /run of its own: charon keeps its process id there and refuses a second one.
        command.args(["-c", &format!("mount -t tmpfs none /run && exec {CHARON}")]);
        command.env("STRONGSWAN_CONF", self.strongswan_conf());
        let mut process =
            Background::spawn("charon", &mut command, &self.setup.dir.join("charon.out"))?;
        wait_for("charon answers", Duration::from_secs(15), || {
            if let Some(status) = process.ended() {
                return Err(Hopeless(format!("charon ended ({status})")).into());
            }
            run(&mut self.swanctl(&["--stats"]), Duration::from_secs(5))
        })
        .with_context(|| format!("see {}", self.log_file().display()))?;
        self.process = Some(process);
        let conf = self.swanctl_conf().display().to_string();
        run(
            &mut self.swanctl(&["--load-all", "--noprompt", "--file", &conf]),
            Duration::from_secs(10),
        )?;
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.terminate(Duration::from_secs(15))?;
        }
        Ok(())
    }

    fn kill(&mut self) {
        self.process = None;
        // Its TUN device and routes go with it; kernel state would stay, as after a real crash.
    }

    fn check_alive(&mut self) -> Result<()> {
        match self.process.as_mut().and_then(Background::ended) {
            Some(status) => bail!("charon ended by itself ({status})"),
            None => Ok(()),
        }
    }

    fn kill_process(&mut self, _role: &str) -> Result<()> {
        bail!("strongSwan is a single process")
    }

    fn up(&mut self) -> Result<()> {
        if self.setup.peer.mode == Mode::Active {
            // It has begun by itself, and refuses a duplicate.
            return Ok(());
        }
        run(
            &mut self.swanctl(&["--initiate", "--child", CONNECTION, "--timeout", "15"]),
            Duration::from_secs(20),
        )?;
        Ok(())
    }

    fn down(&mut self) -> Result<()> {
        run(
            &mut self.swanctl(&["--terminate", "--ike", CONNECTION, "--timeout", "10"]),
            Duration::from_secs(15),
        )?;
        Ok(())
    }

    fn rekey(&mut self, what: What) -> Result<()> {
        let which = match what {
            What::Ike => "--ike",
            What::Child => "--child",
        };
        run(
            &mut self.swanctl(&["--rekey", which, CONNECTION]),
            Duration::from_secs(10),
        )?;
        Ok(())
    }

    fn reload(&mut self, _line: &str) -> Result<()> {
        bail!("strongSwan has no lines of iked.conf")
    }

    fn control(&mut self, arguments: &[String]) -> Result<String> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(&mut self.swanctl(&arguments), Duration::from_secs(10))
    }

    fn sas(&mut self) -> Result<Vec<IkeSa>> {
        if self.process.is_none() {
            return Ok(Vec::new());
        }
        let text = run(
            &mut self.swanctl(&["--list-sas", "--noblock", "--pretty"]),
            Duration::from_secs(5),
        )?;
        swanctl::parse_sas(&text)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn keylog(&self) -> Option<PathBuf> {
        None
    }

    fn keep(mut self: Box<Self>) -> Option<u32> {
        let process = self.process.take()?;
        let pid = process.pid();
        std::mem::forget(process);
        Some(pid)
    }
}

impl Drop for StrongSwan {
    fn drop(&mut self) {
        if self.process.is_some() {
            let state = run_quietly(&mut self.swanctl(&["--list-sas", "--noblock"]));
            let _ = std::fs::write(self.setup.dir.join("list-sas.txt"), state);
        }
    }
}

fn daemon_conf(it: &StrongSwan) -> String {
    let kernel = match it.setup.peer.dataplane {
        Dataplane::Userspace => "kernel-libipsec kernel-netlink",
        Dataplane::Xfrm | Dataplane::Auto => "kernel-netlink",
    };
    format!(
        "charon {{
  load_modular = no
  load = random nonce openssl pem pkcs1 pkcs8 x509 revocation constraints pubkey hmac kdf sha1 sha2 aes gcm curve25519 socket-default {kernel} vici updown
  # Answers come at once in the lab: give up soon.
  retransmit_timeout = 1.0
  retransmit_base = 1.3
  retransmit_tries = 4
  plugins {{
    vici {{
      socket = unix://{}
    }}
  }}
  filelog {{
    lab {{
      path = {}
      time_format = %H:%M:%S
      flush_line = yes
      default = 1
      ike = 2
      cfg = 2
      knl = 1
      net = 1
    }}
  }}
}}
",
        it.socket().display(),
        it.log_file().display()
    )
}

fn connection_conf(setup: &Setup) -> String {
    let peer = &setup.peer;
    let mut text = String::new();
    let start = match peer.mode {
        Mode::Active => "start",
        Mode::Passive => "none",
    };
    let ike = proposal(&peer.ike, Layer::Ike);
    let esp = proposal(&peer.esp, Layer::Child);
    let _ = write!(
        text,
        "connections {{
  {CONNECTION} {{
    version = 2
    local_addrs = {local}
    remote_addrs = {remote}
    proposals = {ike}
    rekey_time = {ike_rekey}s
    rand_time = 0s
    over_time = 30s
    dpd_delay = {dpd}s
    keyingtries = {tries}
    local {{
      auth = psk
      id = {local_id}
    }}
    remote {{
      auth = psk
      id = {remote_id}
    }}
    children {{
      {CONNECTION} {{
        local_ts = {local_lan}
        remote_ts = {remote_lan}
        esp_proposals = {esp}
        rekey_time = {child_rekey}s
        life_time = {child_life}s
        rand_time = 0s
        start_action = {start}
        dpd_action = {dpd_action}
        close_action = none
      }}
    }}
  }}
}}
secrets {{
  ike-{CONNECTION} {{
    id-1 = {local_id}
    id-2 = {remote_id}
    secret = \"{psk}\"
  }}
}}
",
        local = setup.local.outer,
        remote = setup.remote.seen_as,
        ike_rekey = peer.ike_lifetime,
        dpd = peer.dpd,
        tries = if peer.mode == Mode::Active { 0 } else { 1 },
        local_id = peer.id,
        remote_id = setup.remote_id,
        local_lan = setup.local.lan,
        remote_lan = setup.remote.lan,
        child_rekey = peer.child_lifetime,
        // Its default, a tenth more, is the same second here: it would delete instead of rekey.
        child_life = if peer.child_lifetime == 0 {
            0
        } else {
            peer.child_lifetime + 30
        },
        dpd_action = if peer.mode == Mode::Active {
            "restart"
        } else {
            "clear"
        },
        psk = peer.psk,
    );
    text
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Ike,
    Child,
}

/// One proposal in strongSwan's notation. Several groups stand in one proposal, in order.
fn proposal(suite: &Suite, layer: Layer) -> String {
    let mut words = vec![keyword(&suite.enc)];
    words.extend(suite.auth.as_deref().map(keyword));
    if layer == Layer::Ike {
        words.push(format!("prf{}", keyword(&suite.prf)));
    }
    words.extend(suite.groups.iter().map(|group| keyword(group)));
    words.join("-")
}

fn keyword(name: &str) -> String {
    match name {
        "aes-128" => "aes128",
        "aes-192" => "aes192",
        "aes-256" => "aes256",
        "aes-128-gcm" => "aes128gcm16",
        "aes-256-gcm" => "aes256gcm16",
        "hmac-sha1" => "sha1",
        "hmac-sha2-256" => "sha256",
        "hmac-sha2-384" => "sha384",
        "hmac-sha2-512" => "sha512",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_written_in_strongswans_words() {
        let suite = Suite::gcm(&["modp2048", "curve25519"]);
        assert_eq!(
            proposal(&suite, Layer::Ike),
            "aes256gcm16-prfsha256-modp2048-curve25519"
        );
        assert_eq!(proposal(&Suite::cbc(&[]), Layer::Child), "aes256-sha256");
    }
}
