//! Runs scenarios, some of them side by side, and counts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};

use crate::command::interrupted;
use crate::report::{Mood, Progress, paint, say};
use crate::runner;
use crate::scenario::Scenario;

/// How one scenario ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
    /// What went wrong.
    pub failure: Option<String>,
}

/// How to run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many at a time.
    pub jobs: usize,
    /// Keep the files of those that pass, too.
    pub keep: bool,
}

/// Where logs and captures go: `lab` in the target directory of this build.
pub fn lab_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("TESTLAB_DIR") {
        return Ok(dir.into());
    }
    let program = std::env::current_exe().context("where is testlab?")?;
    let target = program
        .ancestors()
        .find(|dir| dir.ends_with("target"))
        .or_else(|| program.parent())
        .context("testlab has no directory")?;
    Ok(target.join("lab"))
}

/// Runs them all and says how each ended; the outcomes are in the order of ending.
pub fn run(mut scenarios: Vec<Scenario>, options: Options) -> Result<Vec<Outcome>> {
    let lab = lab_dir()?;
    scenarios.sort_by_key(|scenario| scenario.seconds);
    let total = scenarios.len();
    // Taken from the end, so the longest first.
    let waiting = Mutex::new(scenarios);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, 16) {
            scope.spawn(|| {
                while !interrupted() {
                    let Some(scenario) = lock(&waiting).pop() else {
                        break;
                    };
                    let outcome = one(&scenario, &lab, options);
                    let mut done = lock(&outcomes);
                    done.push(outcome);
                    say(verdict(done.last(), done.len(), total, &lab));
                }
            });
        }
    });
    Ok(outcomes
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// The closing lines; true when nothing failed.
pub fn conclude(outcomes: &[Outcome]) -> bool {
    let failed: Vec<&Outcome> = outcomes
        .iter()
        .filter(|outcome| outcome.failure.is_some())
        .collect();
    for outcome in &failed {
        say(format!("{} {}", paint(Mood::Bad, "FAIL"), outcome.name));
    }
    let passed = outcomes.len() - failed.len();
    let mood = if failed.is_empty() {
        Mood::Good
    } else {
        Mood::Bad
    };
    say(paint(
        mood,
        &format!("{passed} passed, {} failed", failed.len()),
    ));
    failed.is_empty() && !interrupted()
}

fn one(scenario: &Scenario, lab: &Path, options: Options) -> Outcome {
    let progress = Progress::new(&scenario.name);
    let dir = lab.join(&scenario.name);
    let _ = std::fs::remove_dir_all(&dir);
    let result = std::fs::create_dir_all(&dir)
        .with_context(|| format!("cannot make {}", dir.display()))
        .and_then(|()| {
            catch_unwind(AssertUnwindSafe(|| runner::run(scenario, &dir, &progress)))
                .unwrap_or_else(|panic| Err(anyhow!("testlab panicked: {}", text_of(&*panic))))
        });
    if result.is_ok() && !options.keep {
        let _ = std::fs::remove_dir_all(&dir);
    }
    Outcome {
        name: scenario.name.clone(),
        seconds: progress.elapsed().as_secs_f64(),
        failure: result.err().map(|error| format!("{error:#}")),
    }
}

fn verdict(outcome: Option<&Outcome>, done: usize, total: usize, lab: &Path) -> String {
    let Some(outcome) = outcome else {
        return String::new();
    };
    let (name, seconds) = (&outcome.name, outcome.seconds);
    match &outcome.failure {
        None => format!(
            "{} {name} ({seconds:.1} s) [{done}/{total}]",
            paint(Mood::Good, "PASS")
        ),
        Some(why) => format!(
            "{} {name} ({seconds:.1} s) [{done}/{total}]\n     {why}\n{}     logs and captures: {}",
            paint(Mood::Bad, "FAIL"),
            last_words(&lab.join(name)),
            lab.join(name).display()
        ),
    }
}

/// The ends of the daemons' logs, for those who see nothing but this output.
fn last_words(dir: &Path) -> String {
    let mut text = String::new();
    for log in [
        "left/iked.log",
        "left/charon.log",
        "right/iked.log",
        "right/charon.log",
    ] {
        let Ok(content) = std::fs::read_to_string(dir.join(log)) else {
            continue;
        };
        // strongSwan logs each of our questions.
        let lines: Vec<&str> = content
            .lines()
            .filter(|line| !line.contains(" vici client "))
            .collect();
        for line in lines.iter().skip(lines.len().saturating_sub(12)) {
            text.push_str(&format!("     {log}: {line}\n"));
        }
    }
    text
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "for no stated reason".to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
