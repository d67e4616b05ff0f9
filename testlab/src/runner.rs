//! Executes one scenario: builds its network, prepares both daemons, does the
//! steps in order and says how each went. What was made is taken down again
//! however it ends; logs, captures and state of a failure stay.

use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::badinput;
use crate::capture::{Capture, Summary};
use crate::command::{Hopeless, pause, wait_for};
use crate::daemon::{self, Daemon, IkeSa, Setup};
use crate::netns::{LabId, Namespace};
use crate::packet::{
    COOKIE, CREATE_CHILD_SA, Frame, IKE_SA_INIT, INVALID_KE_PAYLOAD, Network, Seen,
};
use crate::report::Progress;
use crate::scenario::{Scenario, Side, Step, What};
use crate::topology::Topology;
use crate::traffic::{self, Direction, LongPing};
use crate::wireshark;

/// Runs a scenario with its files in `dir`.
pub fn run(scenario: &Scenario, dir: &FilePath, progress: &Progress) -> Result<()> {
    let mut lab = Lab::build(scenario, dir)?;
    progress.step(&format!("network: {}", describe(scenario)));
    for step in &scenario.steps {
        match lab.perform(step) {
            Ok(outcome) => progress.step(&outcome),
            Err(error) => {
                lab.save_state();
                return Err(error.context(format!("{step:?}")));
            }
        }
    }
    // Those that were stopped on purpose are not missed.
    lab.daemon(Side::Left).check_alive()?;
    lab.daemon(Side::Right).check_alive()
}

/// A network with two daemons and observers.
#[derive(Debug)]
pub struct Lab {
    // Dropped in this order: traffic, daemons, observers, network, sockets.
    pings: Option<LongPing>,
    left: Box<dyn Daemon>,
    right: Box<dyn Daemon>,
    captures: Vec<Capture>,
    /// The network.
    pub topology: Topology,
    /// Links, routes, rules, SAs and policies of both gateways before anything was started.
    untouched: [Vec<String>; 2],
    dir: PathBuf,
    _runtime: tempfile::TempDir,
}

impl Lab {
    /// Builds the network and prepares the daemons; nothing is started but the observers.
    pub fn build(scenario: &Scenario, dir: &FilePath) -> Result<Self> {
        let runtime = tempfile::Builder::new().prefix("testlab-").tempdir()?;
        let topology = Topology::build(&LabId::new(), scenario.plan)?;
        let captures = [Side::Left, Side::Right]
            .into_iter()
            .map(|side| {
                let file = dir.join(format!("{}-outer.pcap", side.name()));
                Capture::start(topology.gateway(side), "out", &file)
            })
            .collect::<Result<Vec<_>>>()?;
        let prepare = |side: Side| {
            daemon::prepare(Setup {
                side,
                peer: scenario.peer(side).clone(),
                remote_id: scenario.peer(side.other()).id.clone(),
                local: topology.addresses(side),
                remote: topology.addresses(side.other()),
                namespace: topology.gateway(side).clone(),
                dir: dir.join(side.name()),
                runtime: runtime.path().join(side.name()),
            })
        };
        Ok(Self {
            pings: None,
            left: prepare(Side::Left)?,
            right: prepare(Side::Right)?,
            captures,
            untouched: [Side::Left, Side::Right].map(|side| kernel_state(topology.gateway(side))),
            topology,
            dir: dir.to_owned(),
            _runtime: runtime,
        })
    }

    /// A daemon.
    pub fn daemon(&mut self, side: Side) -> &mut dyn Daemon {
        match side {
            Side::Left => self.left.as_mut(),
            Side::Right => self.right.as_mut(),
        }
    }

    /// Does one step; the text says how it went.
    pub fn perform(&mut self, step: &Step) -> Result<String> {
        Ok(match step {
            Step::Start(side) => {
                self.daemon(*side).start()?;
                format!("{} gateway started", side.name())
            }
            Step::Stop(side) => {
                self.daemon(*side).stop()?;
                format!("{} gateway stopped", side.name())
            }
            Step::Kill(side) => {
                self.daemon(*side).kill();
                format!("{} gateway killed", side.name())
            }
            Step::KillProcess(side, role) => {
                self.daemon(*side).kill_process(role)?;
                format!("{} gateway: process `{role}` killed", side.name())
            }
            Step::Control(side, arguments) => {
                self.daemon(*side).control(arguments)?;
                format!("{} gateway: {}", side.name(), arguments.join(" "))
            }
            Step::Reload(side, line) => {
                self.daemon(*side).reload(line)?;
                format!("{} gateway reloaded with `{line}`", side.name())
            }
            Step::Up(side) => {
                self.daemon(*side).up()?;
                format!("tunnel up by command at the {} gateway", side.name())
            }
            Step::UpFails(side) => match self.daemon(*side).up() {
                Ok(()) => bail!("the tunnel came up"),
                Err(error) => format!("refused, as it must be: {error:#}"),
            },
            Step::Down(side) => {
                self.daemon(*side).down()?;
                format!("tunnel down by command at the {} gateway", side.name())
            }
            Step::Rekey(side, what) => self.rekey(*side, *what)?,
            Step::Established(seconds) => {
                let sa = self.established(seconds_of(*seconds))?;
                let child = sa.children.first().context("no child")?;
                format!(
                    "established: {}, SPI in {:08x} out {:08x}{}",
                    child.encr,
                    child.spi_in,
                    child.spi_out,
                    if child.encap { ", in UDP" } else { "" }
                )
            }
            Step::NoSa(seconds) => {
                wait_for("no SA is left", seconds_of(*seconds), || {
                    for side in [Side::Left, Side::Right] {
                        let sas = self.daemon(side).sas()?;
                        ensure!(sas.is_empty(), "the {} gateway has {sas:?}", side.name());
                    }
                    Ok(())
                })?;
                "no SA on either side".to_owned()
            }
            Step::Ping(from, count) => {
                let got = self.ping(*from, *count)?;
                ensure!(
                    got.received == *count,
                    "{} of {count} echo requests came back",
                    got.received
                );
                format!("ping {}: {count}/{count}", arrow(*from))
            }
            Step::NoPing(from) => {
                let got = self.ping(*from, 5)?;
                ensure!(
                    got.received == 0,
                    "{} echo requests came back",
                    got.received
                );
                format!("ping {}: nothing passes", arrow(*from))
            }
            Step::PingWithin(from, seconds) => {
                wait_for("a ping comes back", seconds_of(*seconds), || {
                    let got = self.ping(*from, 1)?;
                    ensure!(got.received == 1, "no answer");
                    Ok(())
                })?;
                format!("ping {}: passes", arrow(*from))
            }
            Step::KeepPinging(from) => {
                let to = self.topology.addresses(from.other()).host;
                let log = self.dir.join("ping.log");
                self.pings = Some(LongPing::start(self.topology.host(*from), &to, &log)?);
                format!("pinging {} ten times a second", arrow(*from))
            }
            Step::PingsLost(most) => {
                let count = self.pings.take().context("no ping is running")?.stop()?;
                let lost = count.sent.saturating_sub(count.received);
                ensure!(
                    lost <= *most && count.received > 0,
                    "{lost} of {} echo requests were lost (at most {most} may be); see ping.log",
                    count.sent
                );
                format!("of {} echo requests {lost} were lost", count.sent)
            }
            Step::Iperf(from, seconds) => {
                let there = self.iperf(*from, *seconds, Direction::Forward)?;
                let back = self.iperf(*from, *seconds, Direction::Reverse)?;
                ensure!(
                    there.megabits_per_second > 1.0 && back.megabits_per_second > 1.0,
                    "iperf3 passed only {:.2} and {:.2} Mbit/s",
                    there.megabits_per_second,
                    back.megabits_per_second
                );
                format!(
                    "iperf3 {}: {:.0} Mbit/s, back {:.0} Mbit/s",
                    arrow(*from),
                    there.megabits_per_second,
                    back.megabits_per_second
                )
            }
            Step::SteadyIperf(from, seconds) => {
                let run = self.iperf(*from, *seconds, Direction::Forward)?;
                ensure!(
                    run.longest_stall <= 2.0,
                    "nothing passed for {:.0} s",
                    run.longest_stall
                );
                format!(
                    "iperf3 {} for {seconds} s: {:.0} Mbit/s, {} segments sent again",
                    arrow(*from),
                    run.megabits_per_second,
                    run.retransmits
                )
            }
            Step::OnlyEsp | Step::NothingClear | Step::SomethingClear => {
                let sum = self.link_summary()?;
                let wants_clear = matches!(step, Step::SomethingClear);
                ensure!((sum.clear > 0) == wants_clear, "on the outer link: {sum}");
                ensure!(
                    sum.esp > 0 || !matches!(step, Step::OnlyEsp),
                    "no ESP on the outer link: {sum}"
                );
                format!("on the outer link: {sum}")
            }
            Step::EspInUdp | Step::RawEsp => {
                let sum = self.link_summary()?;
                let raw = sum.esp - sum.esp_in_udp;
                let (wanted, other) = match step {
                    Step::RawEsp => (raw, sum.esp_in_udp),
                    _ => (sum.esp_in_udp, raw),
                };
                ensure!(wanted > 0 && other == 0, "on the outer link: {sum}");
                format!("on the outer link: {sum}")
            }
            Step::InvalidKeRounds(wanted) => {
                let rounds = self.refused_initials(INVALID_KE_PAYLOAD)?;
                ensure!(rounds == *wanted, "{rounds} INVALID_KE_PAYLOAD rounds");
                format!("{rounds} INVALID_KE_PAYLOAD round(s)")
            }
            Step::CookieRounds(wanted) => {
                let rounds = self.refused_initials(COOKIE)?;
                ensure!(rounds == *wanted, "{rounds} COOKIE rounds");
                format!("{rounds} COOKIE round(s)")
            }
            Step::Rekeys(least) => {
                let seen =
                    self.count_ike(|ike| ike.exchange == CREATE_CHILD_SA && !ike.response)?;
                ensure!(seen >= *least, "only {seen} CREATE_CHILD_SA requests");
                format!("{seen} CREATE_CHILD_SA requests")
            }
            Step::NothingLeft(side) => {
                let before = &self.untouched[*side as usize];
                let mut after = kernel_state(self.topology.gateway(*side));
                after.retain(|line| !before.contains(line));
                ensure!(after.is_empty(), "left in the kernel: {after:?}");
                format!("{} gateway: nothing is left in the kernel", side.name())
            }
            Step::Log(side, texts) => {
                let line = wait_for("the log says why", Duration::from_secs(3), || {
                    let log = self.daemon(*side).log().to_lowercase();
                    log.lines()
                        .find(|line| texts.iter().any(|text| line.contains(text.as_str())))
                        .map(str::to_owned)
                        .with_context(|| format!("none of {texts:?} in the log"))
                })?;
                format!("{} log: {}", side.name(), line.trim())
            }
            Step::Pause(seconds) => {
                pause(seconds_of(*seconds))?;
                format!("{seconds} s later")
            }
            Step::BadInput(side, count) => self.bad_input(*side, *count)?,
            Step::Wireshark(side) => self.wireshark(*side)?,
            Step::Counted(side, names) => {
                let text = self
                    .daemon(*side)
                    .control(&["show", "stats", "--json"].map(str::to_owned))?;
                let stats: serde_json::Value = serde_json::from_str(&text)?;
                let counted = counted(&stats, names);
                ensure!(!counted.is_empty(), "none of {names:?} has counted: {text}");
                counted.join(", ")
            }
        })
    }

    /// Waits until both ends agree on one IKE SA with one child; gives the left end's view.
    pub fn established(&mut self, limit: Duration) -> Result<IkeSa> {
        wait_for("one established tunnel on both sides", limit, || {
            let left = one_tunnel(self.daemon(Side::Left), Side::Left)?;
            let right = one_tunnel(self.daemon(Side::Right), Side::Right)?;
            let (here, there) = (&left.children[0], &right.children[0]);
            ensure!(
                here.spi_in == there.spi_out && here.spi_out == there.spi_in,
                "the SPIs do not agree: {here:?} and {there:?}"
            );
            Ok(left)
        })
    }

    /// Ends the recordings: they would be measured, too.
    pub fn stop_observing(&mut self) {
        self.captures.clear();
    }

    /// Leaves network, daemons and sockets in place; gives the namespaces and the daemons.
    pub fn keep(self) -> (Vec<String>, Vec<u32>, PathBuf) {
        let Self {
            left,
            right,
            topology,
            captures,
            _runtime: runtime,
            ..
        } = self;
        let names = topology.keep();
        drop(captures);
        let pids = [left, right].into_iter().filter_map(Daemon::keep).collect();
        (names, pids, runtime.keep())
    }

    /// What was on the outer links up to now.
    pub fn link_summary(&self) -> Result<Summary> {
        Ok(Summary::of(&self.frames()?, &self.lans()))
    }

    fn frames(&self) -> Result<Vec<Frame>> {
        let mut all = Vec::new();
        for (number, capture) in self.captures.iter().enumerate() {
            let mut frames = capture.frames()?;
            // Both ends record all of IKE; once is enough.
            frames.retain(|frame| number == 0 || !matches!(frame.seen, Seen::Ike(_)));
            all.extend(frames);
        }
        Ok(all)
    }

    /// IKE messages at the left gateway, where both directions are recorded.
    fn count_ike(&self, wanted: impl Fn(&crate::packet::Ike) -> bool) -> Result<usize> {
        let link = self.captures.first().context("nothing is recorded")?;
        Ok(link
            .frames()?
            .iter()
            .filter(|frame| matches!(&frame.seen, Seen::Ike(ike) if wanted(ike)))
            .count())
    }

    /// IKE_SA_INIT responses with a notification.
    fn refused_initials(&self, notify: u16) -> Result<usize> {
        self.count_ike(|ike| {
            ike.exchange == IKE_SA_INIT && ike.response && ike.notifies.contains(&notify)
        })
    }

    fn lans(&self) -> Vec<Network> {
        [Side::Left, Side::Right]
            .into_iter()
            .filter_map(|side| Network::parse(&self.topology.addresses(side).lan))
            .collect()
    }

    fn ping(&self, from: Side, count: u32) -> Result<traffic::PingCount> {
        let to = self.topology.addresses(from.other()).host;
        traffic::ping(self.topology.host(from), &to, count)
    }

    /// Sends TCP between the LANs, from the host behind `from`.
    pub fn iperf(
        &self,
        from: Side,
        seconds: u32,
        direction: Direction,
    ) -> Result<traffic::Throughput> {
        let to = self.topology.addresses(from.other()).host;
        traffic::iperf(
            self.topology.host(from),
            (self.topology.host(from.other()), &to),
            seconds,
            direction,
            &self.dir,
        )
    }

    fn rekey(&mut self, side: Side, what: What) -> Result<String> {
        let before = [Side::Left, Side::Right]
            .map(|side| one_tunnel(self.daemon(side), side).unwrap_or_default());
        let started = self.count_ike(|ike| ike.exchange == CREATE_CHILD_SA && !ike.response)?;
        self.daemon(side).rekey(what)?;
        wait_for("both ends use the new SA", Duration::from_secs(12), || {
            self.established(Duration::ZERO)?;
            let seen = self.count_ike(|ike| ike.exchange == CREATE_CHILD_SA && !ike.response)?;
            ensure!(seen > started, "no CREATE_CHILD_SA request was seen");
            for (side, old) in [Side::Left, Side::Right].into_iter().zip(&before) {
                let new = one_tunnel(self.daemon(side), side)?;
                let changed = match what {
                    What::Child => {
                        new.children[0].spi_in != old.children[0].spi_in
                            && new.children[0].spi_out != old.children[0].spi_out
                    }
                    What::Ike => new.spis.is_none() || new.spis != old.spis,
                };
                ensure!(changed, "the {} gateway still has the old SA", side.name());
            }
            Ok(())
        })?;
        let what = match what {
            What::Ike => "IKE SA",
            What::Child => "child SA",
        };
        Ok(format!("{what} rekeyed by the {} gateway", side.name()))
    }

    fn bad_input(&mut self, side: Side, count: u32) -> Result<String> {
        let captured = self.captures.first().context("nothing is recorded")?;
        let seeds = badinput::seeds(&captured.frames()?);
        ensure!(!seeds.is_empty(), "no IKE message was recorded to damage");
        let file = self.dir.join("seeds.json");
        std::fs::write(&file, serde_json::to_vec(&seeds)?)?;
        let target = self.topology.addresses(side).outer;
        let program = std::env::current_exe()?;
        let seconds = badinput::duration(count).as_secs();
        crate::command::run(
            self.topology
                .gateway(side.other())
                .command(program)
                .args(["flood", "--target", &target, "--count", &count.to_string()])
                .arg("--seeds")
                .arg(&file),
            Duration::from_secs(seconds + 30),
        )?;
        self.daemon(side).check_alive()?;
        Ok(format!(
            "{count} damaged and {count} random datagrams to the {} gateway",
            side.name()
        ))
    }

    fn wireshark(&mut self, side: Side) -> Result<String> {
        let keylog = self
            .daemon(side)
            .keylog()
            .context("this side writes no key log")?;
        let capture = self.captures.first().context("nothing is recorded")?;
        wireshark::check(capture.file(), &keylog, &self.dir)
    }

    /// Leaves what explains a failure beside the logs.
    fn save_state(&mut self) {
        let mut text = String::new();
        for side in [Side::Left, Side::Right] {
            let sas = self.daemon(side).sas();
            text.push_str(&format!("== {} gateway\n{sas:#?}\n", side.name()));
            let gateway = self.topology.gateway(side);
            for arguments in [
                &["addr"][..],
                &["route", "show", "table", "all"],
                &["rule"],
                &["xfrm", "state"],
                &["xfrm", "policy"],
            ] {
                let mut command = gateway.command("ip");
                let shown = crate::command::run_quietly(command.args(arguments));
                text.push_str(&format!("-- ip {}\n{shown}", arguments.join(" ")));
            }
        }
        let _ = std::fs::write(self.dir.join("state.txt"), text);
    }
}

/// What a daemon may change in a kernel, line by line.
fn kernel_state(gateway: &Namespace) -> Vec<String> {
    let mut lines = Vec::new();
    for arguments in [
        &["-br", "link"][..],
        &["rule"],
        &["-6", "rule"],
        &["route", "show", "table", "all"],
        &["-6", "route", "show", "table", "all"],
        &["xfrm", "state"],
        &["xfrm", "policy"],
    ] {
        let mut command = gateway.command("ip");
        let shown = crate::command::run_quietly(command.args(arguments));
        lines.extend(
            shown
                .lines()
                .map(|line| line.trim().to_owned())
                // Link-local addresses come up by themselves, some time later.
                .filter(|line| !line.contains("fe80:") && !line.contains("ff00:"))
                .map(|line| format!("{}: {line}", arguments.join(" "))),
        );
    }
    lines
}

/// The counters (`{"section":{"name":1}}`) whose names contain one of `names` and that are not zero.
fn counted(stats: &serde_json::Value, names: &[String]) -> Vec<String> {
    let sections = stats.as_object().into_iter().flatten();
    sections
        .flat_map(|(section, counters)| {
            let counters = counters.as_object().into_iter().flatten();
            counters.map(move |(name, value)| (format!("{section} {name}"), value))
        })
        .filter(|(name, value)| {
            value.as_u64().is_some_and(|count| count > 0)
                && names.iter().any(|wanted| name.contains(wanted.as_str()))
        })
        .map(|(name, value)| format!("{name}: {value}"))
        .collect()
}

fn one_tunnel(daemon: &mut dyn Daemon, side: Side) -> Result<IkeSa> {
    daemon
        .check_alive()
        .map_err(|error| Hopeless(format!("{error:#}")))?;
    let mut sas = daemon.sas()?;
    // Half-open ones (of a flood, say) and those being deleted do not count.
    sas.retain(|sa| sa.established);
    match <[IkeSa; 1]>::try_from(sas) {
        Ok([sa]) if sa.children.len() == 1 => Ok(sa),
        Ok(sas) => bail!("the {} gateway has {sas:?}", side.name()),
        Err(sas) => bail!("the {} gateway has {sas:?}", side.name()),
    }
}

fn describe(scenario: &Scenario) -> String {
    format!(
        "{:?} ({} {}, {} {}), outer {:?}, inner {:?}",
        scenario.plan.path,
        Side::Left.name(),
        scenario.left.daemon.name(),
        Side::Right.name(),
        scenario.right.daemon.name(),
        scenario.plan.outer,
        scenario.plan.inner
    )
}

fn arrow(from: Side) -> String {
    format!("{} to {}", from.name(), from.other().name())
}

fn seconds_of(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_counters_that_counted_are_an_explanation() {
        let stats =
            serde_json::json!({"ikev2": {"dropped malformed": 7, "dropped unknown spi": 0}});
        let wanted = ["dropped".to_owned()];
        assert_eq!(counted(&stats, &wanted), ["ikev2 dropped malformed: 7"]);
        assert!(counted(&stats, &["nothing".to_owned()]).is_empty());
    }
}
