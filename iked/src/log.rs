//! Log lines of every process: to standard error, or to syslog when daemonized. The level can be
//! changed while running (`ikectl log verbose`). Nothing here ever sees a secret: callers log
//! reasons, names and addresses.
use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, Ordering};

use serde::{Deserialize, Serialize};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

/// Where lines go. In both cases to descriptor 2; what differs is their form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// A terminal or file: time, level, text.
    Stderr,
    /// systemd's journal reads standard error: priority in front, no time.
    Journal,
    /// Descriptor 2 is a datagram socket connected to /dev/log.
    Syslog,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// What an administrator wants to know.
    Brief,
    /// What helps to find a fault.
    Verbose,
    /// Every datagram.
    Trace,
}

impl Level {
    /// From the number of `-v` flags.
    pub fn from_flags(count: u8) -> Self {
        match count {
            0 => Self::Brief,
            1 => Self::Verbose,
            _ => Self::Trace,
        }
    }
}

static LEVEL: AtomicU8 = AtomicU8::new(0);

/// Changes the level of this process.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Starts logging in this process. A second call only changes the level.
pub fn init(process: &'static str, target: Target, level: Level) {
    set_level(level);
    let layer = tracing_subscriber::fmt::layer()
        .event_format(Line { process, target })
        .with_writer(Sink)
        .with_filter(tracing_subscriber::filter::dynamic_filter_fn(
            |metadata, _| enabled(metadata),
        ));
    let subscriber = tracing_subscriber::registry().with(layer);
    // Fails only when already set, which is what a second call means.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn enabled(metadata: &Metadata<'_>) -> bool {
    let wanted = match LEVEL.load(Ordering::Relaxed) {
        0 => tracing::Level::INFO,
        1 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    *metadata.level() <= wanted
}

/// One line per event.
struct Line {
    process: &'static str,
    target: Target,
}

/// Severity of RFC 5424 in facility daemon (3).
fn priority(level: tracing::Level) -> u8 {
    match level {
        tracing::Level::ERROR => 3,
        tracing::Level::WARN => 4,
        tracing::Level::INFO => 6,
        _ => 7,
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let level = *event.metadata().level();
        match self.target {
            Target::Stderr => {
                SystemTime.format_time(&mut writer)?;
                write!(writer, " {level:>5} {}: ", self.process)?;
            }
            Target::Journal => write!(writer, "<{}>{}: ", priority(level), self.process)?,
            Target::Syslog => write!(
                writer,
                "<{}>iked[{}]: {}: ",
                24 + priority(level),
                std::process::id(),
                self.process
            )?,
        }
        ctx.field_format().format_fields(writer.by_ref(), event)?;
        if self.target == Target::Syslog {
            Ok(())
        } else {
            writeln!(writer)
        }
    }
}

/// Descriptor 2, one write per line; a line that cannot be written is lost, never an error.
struct Sink;

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(line);
        Ok(line.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_raise_the_level() {
        assert_eq!(Level::from_flags(0), Level::Brief);
        assert_eq!(Level::from_flags(1), Level::Verbose);
        assert_eq!(Level::from_flags(9), Level::Trace);
    }

    #[test]
    fn severities_are_those_of_syslog() {
        assert_eq!(priority(tracing::Level::ERROR), 3);
        assert_eq!(priority(tracing::Level::TRACE), 7);
    }
}
