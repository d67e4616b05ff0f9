//! The User-Mode Linux lab: Debian's `user-mode-linux` kernel, which has the
//! IPsec that many hosts lack, runs as an ordinary process with the host's
//! files as its root. Its init is a small script that ends up in
//! `testlab uml-init`, which runs the very same scenarios and writes their
//! outcomes to a file; no file means that all of them failed.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::{Background, find_program, pause, run as run_command};
use crate::report::{Mood, complain, paint, say};
use crate::scenario::Scenario;
use crate::scenarios;
use crate::suite::{self, Options, Outcome, lab_dir};

const INIT: &str = include_str!("uml-init.sh");
const SHIM: &str = include_str!("uml-xstate.c");

/// Boots one kernel and runs the scenarios in it, one after the other.
pub fn run(chosen: &[Scenario]) -> Result<Vec<Outcome>> {
    let kernel =
        find_program("linux.uml").context("User-Mode Linux is missing: install user-mode-linux")?;
    let dir = lab_dir()?.join("uml");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    let files = Files::write(&dir, chosen)?;
    let mut command = Command::new(kernel);
    command
        .args([
            "mem=1024M",
            "root=/dev/root",
            "rootfstype=hostfs",
            "rootflags=/",
            "rw",
            "con=null",
            "con0=fd:0,fd:1",
            "con1=null",
            "quiet",
        ])
        .arg(format!("init={}", files.init.display()))
        .current_dir(&dir)
        .env("TMPDIR", &dir);
    if let Some(shim) = shim(&dir) {
        command.env("LD_PRELOAD", shim);
    }
    let limit = chosen
        .iter()
        .map(|scenario| Duration::from_secs(u64::from(scenario.seconds) * 2 + 60))
        .sum::<Duration>()
        + Duration::from_secs(60);
    say(format!(
        "starting User-Mode Linux for {} scenario(s); console: {}",
        chosen.len(),
        files.console.display()
    ));
    let mut guest = Background::spawn("linux.uml", &mut command, &files.console)?;
    follow(&mut guest, &files, limit)?;
    drop(guest);
    let text = std::fs::read_to_string(&files.result).with_context(|| {
        format!(
            "User-Mode Linux ended without a result; see {} and {}",
            files.console.display(),
            files.progress.display()
        )
    })?;
    let outcomes: Vec<Outcome> = serde_json::from_str(&text)?;
    if outcomes.len() != chosen.len() {
        bail!("{} outcomes for {} scenarios", outcomes.len(), chosen.len());
    }
    Ok(outcomes)
}

/// The body of `testlab uml-init`.
pub fn inside(result: &Path, names: &[String]) -> Result<()> {
    let chosen: Vec<Scenario> = names
        .iter()
        .flat_map(|name| scenarios::named(name))
        .collect();
    let outcomes = suite::run(
        chosen,
        Options {
            jobs: 1,
            keep: false,
        },
    )?;
    let partial = result.with_extension("partial");
    std::fs::write(&partial, serde_json::to_vec_pretty(&outcomes)?)?;
    std::fs::rename(&partial, result)?;
    Ok(())
}

struct Files {
    init: PathBuf,
    console: PathBuf,
    progress: PathBuf,
    result: PathBuf,
}

impl Files {
    fn write(dir: &Path, chosen: &[Scenario]) -> Result<Self> {
        let files = Self {
            init: dir.join("init.sh"),
            console: dir.join("console.log"),
            progress: dir.join("progress.log"),
            result: dir.join("result.json"),
        };
        let names: Vec<&str> = chosen.iter().map(|s| s.name.as_str()).collect();
        let script = INIT
            .replace("@TESTLAB@", &std::env::current_exe()?.display().to_string())
            .replace("@LAB@", &lab_dir()?.display().to_string())
            .replace("@PROGRESS@", &files.progress.display().to_string())
            .replace("@RESULT@", &files.result.display().to_string())
            .replace("@NAMES@", &names.join(" "));
        std::fs::write(&files.init, script)?;
        run_command(
            Command::new("chmod").arg("755").arg(&files.init),
            Duration::from_secs(5),
        )?;
        Ok(files)
    }
}

/// Shows the guest's progress while it runs.
fn follow(guest: &mut Background, files: &Files, limit: Duration) -> Result<()> {
    let end = Instant::now() + limit;
    let mut shown = 0;
    loop {
        let ended = guest.ended().is_some() || files.result.exists();
        if let Ok(mut file) = std::fs::File::open(&files.progress) {
            let mut text = Vec::new();
            file.seek(std::io::SeekFrom::Start(shown))?;
            file.read_to_end(&mut text)?;
            let whole = text
                .iter()
                .rposition(|octet| *octet == b'\n')
                .map_or(0, |at| at + 1);
            for line in String::from_utf8_lossy(text.get(..whole).unwrap_or_default()).lines() {
                say(format!("{} {line}", paint(Mood::Strong, "uml")));
            }
            shown += whole as u64;
        }
        if ended {
            return Ok(());
        }
        if Instant::now() >= end {
            bail!(
                "User-Mode Linux took longer than {limit:.0?}; see {}",
                files.console.display()
            );
        }
        pause(Duration::from_millis(200))?;
    }
}

/// The preloaded library that older User-Mode Linux needs on newer processors.
fn shim(dir: &Path) -> Option<PathBuf> {
    let source = dir.join("xstate.c");
    let library = dir.join("xstate.so");
    std::fs::write(&source, SHIM).ok()?;
    let built = run_command(
        Command::new("gcc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(&source),
        Duration::from_secs(60),
    );
    match built {
        Ok(_) => Some(library),
        Err(error) => {
            complain(format!("going on without the xstate library: {error:#}"));
            None
        }
    }
}
