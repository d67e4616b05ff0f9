//! Traffic between the LANs: ping and iperf3, and what they report.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde::Deserialize;

use crate::command::{self, Background, output, wait_for};
use crate::netns::Namespace;

/// The last line of ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PingCount {
    /// Echo requests sent.
    pub sent: u32,
    /// Answers that came back.
    pub received: u32,
}

/// Sends `count` echo requests and gives how many came back.
pub fn ping(from: &Namespace, to: &str, count: u32) -> Result<PingCount> {
    let count_text = count.to_string();
    let done = output(
        from.command("ping")
            .args(["-n", "-i", "0.2", "-W", "1", "-c", &count_text, to]),
        Duration::from_secs(10 + u64::from(count)),
    )?;
    parse_ping(&done.stdout)
        .with_context(|| format!("ping said: {} {}", done.stdout.trim(), done.stderr.trim()))
}

/// A ping that goes on in the background.
#[derive(Debug)]
pub struct LongPing {
    process: Background,
    log: PathBuf,
}

impl LongPing {
    /// Starts ten echo requests a second.
    pub fn start(from: &Namespace, to: &str, log: &Path) -> Result<Self> {
        let _ = std::fs::remove_file(log);
        let mut command = from.command("ping");
        command.args(["-n", "-D", "-i", "0.1", "-W", "1", to]);
        Ok(Self {
            process: Background::spawn("ping", &mut command, log)?,
            log: log.to_owned(),
        })
    }

    /// Stops it and gives its count. The very last request may still be on its way.
    pub fn stop(mut self) -> Result<PingCount> {
        self.process.end_with(Signal::INT, Duration::from_secs(5))?;
        let text = std::fs::read_to_string(&self.log)?;
        let mut count = parse_ping(&text).with_context(|| format!("see {}", self.log.display()))?;
        if count.sent == count.received + 1 && !text.contains("no answer") {
            let last = format!("icmp_seq={} ", count.sent);
            if !text.contains(&last) {
                count.sent -= 1;
            }
        }
        Ok(count)
    }
}

/// Reads `5 packets transmitted, 5 received, …`.
pub fn parse_ping(text: &str) -> Result<PingCount> {
    let line = text
        .lines()
        .find(|line| line.contains("packets transmitted"))
        .context("ping has no summary line")?;
    let number_before = |word: &str| -> Option<u32> {
        let (before, _) = line.split_once(word)?;
        before.trim_end().rsplit([' ', ',']).next()?.parse().ok()
    };
    Ok(PingCount {
        sent: number_before("packets transmitted").context("no count sent")?,
        received: number_before("received").context("no count received")?,
    })
}

/// What an iperf3 client measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Throughput {
    /// Mean over the run, at the receiver.
    pub megabits_per_second: f64,
    /// The longest run of seconds in which nothing passed.
    pub longest_stall: f64,
    /// Segments sent again.
    pub retransmits: u64,
}

/// The direction of an iperf3 run, seen from its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The client sends.
    Forward,
    /// The server sends.
    Reverse,
}

/// Runs iperf3 (TCP) from a client to a server for some seconds.
pub fn iperf(
    client: &Namespace,
    server: (&Namespace, &str),
    seconds: u32,
    direction: Direction,
    dir: &Path,
) -> Result<Throughput> {
    let (server, address) = server;
    let log = dir.join("iperf3-server.log");
    let mut serve = Background::spawn(
        "iperf3 server",
        server.command("iperf3").args(["-s", "-1", "-B", address]),
        &log,
    )?;
    wait_for("the iperf3 server listens", Duration::from_secs(5), || {
        let listening = command::run_quietly(server.command("ss").args(["-Hltn", "sport = :5201"]));
        if listening.trim().is_empty() {
            bail!("it does not")
        }
        Ok(())
    })?;
    let seconds_text = seconds.to_string();
    let mut run: Command = client.command("iperf3");
    run.args([
        "-c",
        address,
        "-t",
        &seconds_text,
        "-J",
        "--connect-timeout",
        "5000",
    ]);
    if direction == Direction::Reverse {
        run.arg("-R");
    }
    let done = output(&mut run, Duration::from_secs(u64::from(seconds) + 20))?;
    let _ = std::fs::write(dir.join("iperf3-client.json"), &done.stdout);
    let result = parse_iperf(&done.stdout)?;
    let _ = serve.wait(Duration::from_secs(5));
    Ok(result)
}

#[derive(Deserialize)]
struct IperfReport {
    error: Option<String>,
    #[serde(default)]
    intervals: Vec<IperfInterval>,
    end: Option<IperfEnd>,
}

#[derive(Deserialize)]
struct IperfInterval {
    sum: IperfSum,
}

#[derive(Deserialize, Default)]
struct IperfEnd {
    sum_received: Option<IperfSum>,
    sum_sent: Option<IperfSum>,
}

#[derive(Deserialize)]
struct IperfSum {
    seconds: f64,
    bytes: u64,
    bits_per_second: f64,
    #[serde(default)]
    retransmits: u64,
}

/// Reads the JSON of an iperf3 client.
pub fn parse_iperf(text: &str) -> Result<Throughput> {
    let report: IperfReport = serde_json::from_str(text).context("iperf3 gave no JSON report")?;
    if let Some(error) = report.error {
        bail!("iperf3: {error}");
    }
    let end = report.end.context("iperf3's report has no end")?;
    let received = end
        .sum_received
        .context("iperf3 says nothing of the receiver")?;
    let (mut stall, mut longest) = (0.0_f64, 0.0_f64);
    for interval in &report.intervals {
        if interval.sum.bytes == 0 {
            stall += interval.sum.seconds;
        } else {
            stall = 0.0;
        }
        longest = longest.max(stall);
    }
    Ok(Throughput {
        megabits_per_second: received.bits_per_second / 1e6,
        longest_stall: longest,
        retransmits: end.sum_sent.map_or(0, |sum| sum.retransmits),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_ping_is_read_with_and_without_errors() {
        let text = "PING 10.2.0.10\n\n--- 10.2.0.10 ping statistics ---\n5 packets transmitted, 4 received, 20% packet loss, time 804ms\n";
        assert_eq!(
            parse_ping(text).unwrap(),
            PingCount {
                sent: 5,
                received: 4
            }
        );
        let text = "3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 2ms\n";
        assert_eq!(
            parse_ping(text).unwrap(),
            PingCount {
                sent: 3,
                received: 0
            }
        );
        assert!(parse_ping("ping: unknown host").is_err());
    }

    #[test]
    fn a_stall_in_the_middle_of_an_iperf_run_is_measured() {
        let interval = |bytes: u64| {
            format!(r#"{{"sum":{{"seconds":1.0,"bytes":{bytes},"bits_per_second":0.0}}}}"#)
        };
        let text = format!(
            r#"{{"intervals":[{},{},{},{}],"end":{{"sum_sent":{{"seconds":4.0,"bytes":9,"bits_per_second":1.0,"retransmits":7}},"sum_received":{{"seconds":4.0,"bytes":9,"bits_per_second":2.5e8}}}}}}"#,
            interval(5),
            interval(0),
            interval(0),
            interval(4)
        );
        let result = parse_iperf(&text).unwrap();
        assert_eq!(result.longest_stall, 2.0);
        assert_eq!(result.megabits_per_second, 250.0);
        assert_eq!(result.retransmits, 7);
    }

    #[test]
    fn an_iperf_that_could_not_connect_says_so() {
        let error = parse_iperf(r#"{"intervals":[],"end":{},"error":"unable to connect"}"#);
        assert!(error.unwrap_err().to_string().contains("unable to connect"));
    }
}
