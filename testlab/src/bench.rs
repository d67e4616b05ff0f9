//! Measures the tunnel of two iked against the tunnel of two strongSwan, in the
//! same network and in turn, so that a busy machine slows both. It prints figures
//! and their ratio and judges nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::report::{Mood, paint, say};
use crate::runner::Lab;
use crate::scenario::{Implementation, Side, Step};
use crate::traffic::Direction;
use crate::{scenarios, suite};

/// How often each pair is measured.
const ROUNDS: usize = 3;
/// How long TCP is sent each way.
const SECONDS: u32 = 4;

/// One round of one pair.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// From the command to the installed tunnel on both sides.
    up_ms: f64,
    /// TCP through the tunnel, left to right.
    there_mbit: f64,
    /// And back.
    back_mbit: f64,
}

/// Runs all rounds and prints the table.
pub fn run() -> Result<()> {
    let dir = suite::lab_dir()?.join("bench");
    say(format!(
        "TCP through a tunnel over veth, both ends on this machine, userspace ESP on both sides; {ROUNDS} rounds in turn\n"
    ));
    let mut rounds: [Vec<Figures>; 2] = [Vec::new(), Vec::new()];
    for round in 1..=ROUNDS {
        for (at, daemon) in [Implementation::Iked, Implementation::Strongswan]
            .into_iter()
            .enumerate()
        {
            let figures = measure(daemon, &dir)
                .with_context(|| format!("round {round} of {}", daemon.name()))?;
            say(format!(
                "  round {round}  {:<10}  up in {:>4.0} ms, {:>5.0} Mbit/s there, {:>5.0} back",
                daemon.name(),
                figures.up_ms,
                figures.there_mbit,
                figures.back_mbit
            ));
            rounds[at].push(figures);
        }
    }
    say(format!("\n{}", paint(Mood::Strong, "medians")));
    say("                        iked  strongSwan   ratio");
    row("tunnel up, ms", &rounds, |f| f.up_ms);
    row("TCP there, Mbit/s", &rounds, |f| f.there_mbit);
    row("TCP back, Mbit/s", &rounds, |f| f.back_mbit);
    std::fs::remove_dir_all(&dir).context("what the rounds left")
}

fn row(label: &str, rounds: &[Vec<Figures>; 2], figure: impl Fn(&Figures) -> f64) {
    let [ours, theirs] = rounds
        .each_ref()
        .map(|all| median(all.iter().map(&figure).collect()));
    say(format!(
        "  {label:<20} {ours:>6.0}      {theirs:>6.0}   {:>5.2}",
        ours / theirs
    ));
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn measure(daemon: Implementation, dir: &Path) -> Result<Figures> {
    let mut scenario = scenarios::pair("bench", "throughput", daemon, daemon);
    scenario.steps.clear();
    let dir = dir.join(daemon.name());
    // A new directory each time: logs of one round would be read as those of the next.
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    let mut lab = Lab::build(&scenario, &dir)?;
    lab.stop_observing();
    lab.perform(&Step::Start(Side::Right))?;
    lab.perform(&Step::Start(Side::Left))?;
    let begun = Instant::now();
    lab.perform(&Step::Up(Side::Left))?;
    let up_ms = begun.elapsed().as_secs_f64() * 1000.0;
    lab.established(Duration::from_secs(10))?;
    // The first second finds the path's speed and is not what is asked for.
    lab.iperf(Side::Left, 1, Direction::Forward)?;
    let there_mbit = lab
        .iperf(Side::Left, SECONDS, Direction::Forward)?
        .megabits_per_second;
    let back_mbit = lab
        .iperf(Side::Left, SECONDS, Direction::Reverse)?
        .megabits_per_second;
    Ok(Figures {
        up_ms,
        there_mbit,
        back_mbit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle_whatever_the_order() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
