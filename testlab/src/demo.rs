//! `testlab demo`, which `make run` calls: two gateways, a tunnel, packets
//! through it, and what an observer sees of them. Works as root and as a
//! normal user (see [`crate::userns`]).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde::{Deserialize, Serialize};

use crate::command::find_program;
use crate::daemon::binary;
use crate::netns;
use crate::report::{Mood, paint, say};
use crate::runner::Lab;
use crate::scenario::{Dataplane, Mode, Scenario, Side, Step};
use crate::scenarios;
use crate::suite::lab_dir;
use crate::userns::{self, Place};

/// Runs the demonstration; true when all went well.
pub fn run(keep: bool) -> Result<bool> {
    check_programs()?;
    let place = userns::enter()?;
    if place == Place::Machine {
        netns::sweep(&kept(), false);
    }
    let dir = lab_dir()?.join("demo");
    if dir.join(KEPT).exists() {
        clean()?;
    }
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    let scenario = scenario();
    let mut lab = Lab::build(&scenario, &dir)?;
    if let Err(error) = show(&mut lab, &dir) {
        say(format!("logs: {}", dir.display()));
        return Err(error);
    }
    if keep {
        leave_standing(lab, &dir, place)?;
    } else {
        drop(lab);
        let _ = std::fs::remove_dir_all(&dir);
        say("\nEverything is taken down again. What to try next:");
        say("  make run KEEP=1                    leave the two gateways up and look around");
        say("  make test                          all tests, also against strongSwan");
        say("  target/debug/testlab list          the scenarios, each can be run by its name");
        say("  README.md                          a gateway on a real machine in ten lines");
    }
    Ok(true)
}

/// Namespaces that `demo --keep` left standing.
pub fn kept() -> Vec<String> {
    read_kept()
        .map(|(_, kept)| kept.namespaces)
        .unwrap_or_default()
}

/// Removes what `demo --keep` or a killed testlab left.
pub fn clean() -> Result<()> {
    if let Some((file, kept)) = read_kept() {
        for pid in kept.daemons {
            let is_iked = std::fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name.trim() == "iked");
            if is_iked && let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                let _ = kill_process(pid, Signal::TERM);
                say("stopped an iked");
            }
        }
        std::thread::sleep(Duration::from_millis(500));
        let _ = std::fs::remove_dir_all(&kept.runtime);
        let _ = std::fs::remove_file(file);
    }
    if find_program("ip").is_some() && geteuid().is_root() {
        for name in netns::sweep(&[], true) {
            say(format!("removed namespace {name}"));
        }
    }
    Ok(())
}

const KEPT: &str = "kept.json";

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    namespaces: Vec<String>,
    daemons: Vec<u32>,
    runtime: PathBuf,
}

fn read_kept() -> Option<(PathBuf, Kept)> {
    let file = lab_dir().ok()?.join("demo").join(KEPT);
    let text = std::fs::read_to_string(&file).ok()?;
    Some((file, serde_json::from_str(&text).ok()?))
}

fn scenario() -> Scenario {
    let mut scenario = scenarios::named("psk.iked-iked").remove(0);
    scenario.left.mode = Mode::Active;
    scenario.left.dataplane = Dataplane::Auto;
    scenario.right.dataplane = Dataplane::Auto;
    scenario
}

fn show(lab: &mut Lab, dir: &Path) -> Result<()> {
    heading("Two gateways with a LAN each, as network namespaces");
    say("  10.1.0.10 ── 10.1.0.1 [left] 192.0.2.1 ════ 192.0.2.2 [right] 10.2.0.1 ── 10.2.0.10");
    heading("The configuration of the left one (iked.conf)");
    let conf = std::fs::read_to_string(dir.join("left/iked.conf"))?;
    for line in conf.lines() {
        say(format!("  {line}"));
    }
    heading("One iked in each; the left one is `active` and brings the tunnel up");
    for step in [
        Step::Start(Side::Right),
        Step::Start(Side::Left),
        Step::Established(15),
    ] {
        say(format!("  {}", lab.perform(&step)?));
    }
    for warning in warnings(&lab.daemon(Side::Left).log()) {
        say(format!("  iked warns: {warning}"));
    }
    heading("Packets from LAN to LAN");
    for step in [Step::Ping(Side::Left, 5), Step::Ping(Side::Right, 5)] {
        say(format!("  {}", lab.perform(&step)?));
    }
    heading("What an observer between the gateways sees");
    say(format!("  {}", lab.perform(&Step::OnlyEsp)?));
    for side in [Side::Left, Side::Right] {
        heading(&format!("ikectl show sa, {} gateway", side.name()));
        let shown = lab
            .daemon(side)
            .control(&["show".to_owned(), "sa".to_owned()])?;
        for line in shown.lines() {
            say(format!("  {line}"));
        }
    }
    say(format!("\n{}", paint(Mood::Good, "The tunnel works.")));
    Ok(())
}

fn leave_standing(lab: Lab, dir: &Path, place: Place) -> Result<()> {
    let (namespaces, daemons, runtime) = lab.keep();
    let kept = Kept {
        namespaces,
        daemons,
        runtime,
    };
    std::fs::write(dir.join(KEPT), serde_json::to_vec_pretty(&kept)?)?;
    let enter = match kept.daemons.first() {
        Some(pid) if place == Place::UserNamespace => {
            format!("nsenter -t {pid} -U -m --preserve-credentials ")
        }
        _ => String::new(),
    };
    let name = |end: &str| {
        kept.namespaces
            .iter()
            .find(|name| name.ends_with(end))
            .cloned()
            .unwrap_or_default()
    };
    let (left, host) = (name("-left"), name("-left-host"));
    let ikectl = binary("ikectl")?;
    let socket = kept.runtime.join("left/iked.sock");
    heading("It is still up. Look around:");
    say(format!(
        "  {} -s {} show sa",
        ikectl.display(),
        socket.display()
    ));
    say(format!(
        "  {} -s {} rekey net child",
        ikectl.display(),
        socket.display()
    ));
    say(format!("  {enter}ip netns exec {host} ping 10.2.0.10"));
    say(format!(
        "  {enter}ip netns exec {left} tcpdump -ni out      # what an observer sees"
    ));
    say(format!("  {enter}ip netns exec {left} ip route"));
    say(format!(
        "  less {}/left/iked.log {}/left/iked.conf",
        dir.display(),
        dir.display()
    ));
    say("Remove it:");
    say(format!("  {} clean", std::env::current_exe()?.display()));
    Ok(())
}

/// What iked itself warns of, without time and process.
fn warnings(log: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for line in log.lines() {
        if let Some((_, text)) = line.split_once(" WARN ") {
            let text = text.split_once(": ").map_or(text, |(_, text)| text);
            if !found.contains(&text) {
                found.push(text);
            }
        }
    }
    found
}

fn heading(text: &str) {
    say(format!("\n{}", paint(Mood::Strong, text)));
}

fn check_programs() -> Result<()> {
    let missing: Vec<&str> = [
        ("ip", "iproute2"),
        ("ping", "iputils-ping"),
        ("unshare", "util-linux"),
        ("mount", "mount"),
    ]
    .into_iter()
    .filter(|(program, _)| find_program(program).is_none())
    .map(|(_, package)| package)
    .collect();
    if !missing.is_empty() {
        bail!("missing: install {}", missing.join(" "));
    }
    if !Path::new("/dev/net/tun").exists() {
        bail!("/dev/net/tun is missing: `modprobe tun`, or give this container the device");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_shown_once_and_without_its_frame() {
        let log = "2026-11-21T03:45:52Z  WARN parent: there is no user _iked\n\
                   2026-11-21T03:45:52Z  INFO parent: ready\n\
                   2026-11-21T03:45:53Z  WARN kernel: there is no user _iked\n";
        assert_eq!(warnings(log), ["there is no user _iked"]);
    }
}
