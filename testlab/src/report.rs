//! What a person sees while scenarios run: one line per step, with the time
//! since the start of its scenario. Lines of scenarios that run side by side
//! carry their names.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Writes a line to standard output; a reader that went away is not our problem.
pub fn say(line: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", line.as_ref());
    let _ = out.flush();
}

/// Writes a line to standard error.
pub fn complain(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", line.as_ref());
}

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It went well.
    Good,
    /// It did not.
    Bad,
    /// A heading.
    Strong,
}

/// Colours a text when standard output is a terminal.
pub fn paint(mood: Mood, text: &str) -> String {
    if !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        return text.to_owned();
    }
    let code = match mood {
        Mood::Good => "32",
        Mood::Bad => "31",
        Mood::Strong => "1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// The progress of one scenario.
#[derive(Debug, Clone)]
pub struct Progress {
    label: String,
    start: Instant,
    quiet: bool,
}

impl Progress {
    /// Progress under a label, shown at once.
    pub fn new(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            start: Instant::now(),
            quiet: false,
        }
    }

    /// Shows nothing but results.
    pub fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// A step that is done.
    pub fn step(&self, text: &str) {
        if !self.quiet {
            say(format!(
                "{:<34} {:>6.1}s  {text}",
                self.label,
                self.elapsed().as_secs_f64()
            ));
        }
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}
