//! Messages as text and as JSON lines. Contents of payloads are escaped where they are text.
use super::capture::{Frame, Time};
use super::packet::Udp;
use super::sealed::{Assembled, Sealed};
use super::{Form, Summary};
use ike_wire::{Chain, DecodeError, Header, Message, PayloadType};
use serde::{Serialize, Serializer};
use std::fmt::{self, Write as _};

/// Why a message was not decoded.
#[derive(Debug)]
pub(super) enum Trouble {
    Decode(DecodeError),
    Cut(usize),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => error.fmt(f),
            Self::Cut(missing) => write!(f, "the capture lacks its last {missing} octets"),
        }
    }
}

/// The payloads inside an encrypted payload, of one message or of its fragments together.
pub(super) struct Inside<'s> {
    frames: Option<&'s [u64]>,
    first: PayloadType,
    chain: Result<Chain<'s>, DecodeError>,
}

impl<'s> Inside<'s> {
    pub(super) fn new(sealed: &'s Sealed<'_>) -> Option<Self> {
        let (frames, first, plain) = match sealed {
            Sealed::Opened(_, first, plain) => (None, *first, plain),
            Sealed::Fragment(
                _,
                Assembled::Whole {
                    frames,
                    first,
                    plain,
                },
            ) => (Some(frames.as_slice()), *first, plain),
            _ => return None,
        };
        Some(Self {
            frames,
            first,
            chain: Chain::decode(first, plain.expose()),
        })
    }

    pub(super) fn is_malformed(&self) -> bool {
        self.chain.is_err()
    }
}

/// All that is known of a message.
pub(super) struct Shown<'s> {
    pub(super) frame: &'s Frame,
    pub(super) udp: &'s Udp,
    pub(super) decoded: &'s Result<Message<'s>, (Trouble, Option<Header>)>,
    pub(super) sealed: &'s Sealed<'s>,
    pub(super) inside: Option<&'s Inside<'s>>,
}

pub(super) fn message(form: Form, shown: &Shown<'_>, out: &mut String) {
    match form {
        Form::Text => message_text(shown, out),
        Form::Json => json_line(&message_json(shown), out),
    }
}

pub(super) fn bad_frame(form: Form, frame: &Frame, why: &str, out: &mut String) {
    match form {
        Form::Text => {
            let _ = writeln!(out, "frame {}{}: {why}\n", frame.number, Utc(frame.time));
        }
        Form::Json => {
            let (frame, time) = (frame.number, time_json(frame.time));
            let error = why;
            json_line(&Line::Frame { frame, time, error }, out);
        }
    }
}

pub(super) fn summary(form: Form, summary: &Summary, out: &mut String) {
    match form {
        Form::Text => summary_text(summary, out),
        Form::Json => json_line(&Line::Summary { summary }, out),
    }
}

// Text. Writing to a String does not fail.

fn message_text(shown: &Shown<'_>, out: &mut String) {
    let Shown { frame, udp, .. } = shown;
    let _ = write!(out, "frame {}{}", frame.number, Utc(frame.time));
    let _ = writeln!(out, ", {} > {}", udp.source, udp.destination);
    if udp.frames.len() > 1 {
        let _ = writeln!(out, "  IP fragments in frames {}", list(&udp.frames));
    }
    for note in &udp.notes {
        let _ = writeln!(out, "  note: {note}");
    }
    match shown.decoded {
        Ok(message) => {
            let _ = write!(out, "{}", message.pretty());
        }
        Err((trouble, header)) => {
            if let Some(header) = header {
                let payloads = Vec::new();
                let header = *header;
                let _ = write!(out, "{}", Message { header, payloads }.pretty());
            }
            let _ = writeln!(out, "  not decoded: {trouble}");
        }
    }
    if let Some(said) = Said(shown.sealed).text() {
        let _ = writeln!(out, "    {said}");
    }
    if let Some(inside) = shown.inside {
        if let Some(frames) = inside.frames {
            let _ = writeln!(out, "    whole message from frames {}:", list(frames));
        }
        match &inside.chain {
            Ok(chain) if chain.payloads.is_empty() => out.push_str("    no payloads\n"),
            Ok(chain) => {
                for line in chain.pretty().to_string().lines() {
                    let _ = writeln!(out, "  {line}");
                }
            }
            Err(error) => {
                let first = inside.first;
                let _ = writeln!(out, "    payloads from {first} on not decoded: {error}");
            }
        }
    }
    out.push('\n');
}

/// What is to be said about an encrypted payload.
struct Said<'s>(&'s Sealed<'s>);

impl Said<'_> {
    fn state(&self) -> Option<&'static str> {
        Some(match self.0 {
            Sealed::Clear => return None,
            Sealed::NoKeys | Sealed::NoRow => "no_key",
            Sealed::Unsupported(_) => "unsupported",
            Sealed::Failed(_) => "failed",
            Sealed::Opened(..) | Sealed::Fragment(..) => "opened",
        })
    }

    fn text(&self) -> Option<String> {
        Some(match self.0 {
            Sealed::Clear => return None,
            Sealed::NoKeys => "not opened: no keys were given".into(),
            Sealed::NoRow => "not opened: no key for these SPIs".into(),
            Sealed::Unsupported(row) => format!(
                "not opened: {} with {} (line {} of the keys) is not supported",
                row.encr, row.integ, row.line
            ),
            Sealed::Failed(lines) => {
                let what = if lines.len() == 1 {
                    "the key of line"
                } else {
                    "any of the keys of lines"
                };
                format!(
                    "not opened: integrity check failed with {what} {}: \
                     wrong key, or not what was sent",
                    list(lines)
                )
            }
            Sealed::Opened(row, ..) | Sealed::Fragment(row, _) => {
                let mut said = format!("integrity verified, {}", row.encr);
                if !row.integ.is_empty() && row.integ != "NONE" {
                    let _ = write!(said, " with {}", row.integ);
                }
                let _ = write!(said, ", key of line {}", row.line);
                if let Sealed::Fragment(_, assembled) = self.0 {
                    match assembled {
                        Assembled::Waiting(there, total) => {
                            let _ = write!(said, "; {there} of {total} fragments are there");
                        }
                        Assembled::Ignored => {
                            said.push_str("; ignored: a duplicate, or of larger fragments");
                        }
                        Assembled::TooLarge => said.push_str("; ignored: too much to keep"),
                        Assembled::Whole { .. } => said.push_str("; all fragments are there"),
                    }
                }
                said
            }
        })
    }
}

fn summary_text(summary: &Summary, out: &mut String) {
    let s = summary;
    let _ = writeln!(out, "{} frames, {} IKE messages", s.frames, s.messages);
    let lines = [
        (s.encrypted, "IKE messages are encrypted, of these"),
        (s.opened, "  opened, integrity verified"),
        (s.failed, "  not opened, integrity check failed"),
        (s.without_key, "  not opened, no key that can be used"),
        (s.malformed, "IKE messages are malformed"),
        (s.reassembled, "messages put together from fragments"),
        (s.incomplete, "messages of which fragments are missing"),
        (
            s.ip_incomplete,
            "IP packets of which fragments are missing or wrong",
        ),
        (s.esp_in_udp, "ESP packets in UDP"),
        (s.esp, "ESP packets"),
        (s.ah, "AH packets"),
        (s.keepalives, "NAT keepalives"),
        (
            s.junk,
            "datagrams on the ports of IKE that are nothing known",
        ),
        (s.bad_frames, "frames not understood"),
        (s.other, "other frames"),
    ];
    for (count, what) in lines {
        if count > 0 {
            let indent = what.len() - what.trim_start().len();
            let _ = writeln!(out, "{:indent$}  {count} {}", "", what.trim_start());
        }
    }
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> = items.iter().take(SHOWN).map(T::to_string).collect();
    let more = items.len().saturating_sub(SHOWN);
    if more > 0 {
        format!("{} and {more} more", shown.join(", "))
    } else {
        shown.join(", ")
    }
}

// JSON.

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'s> {
    Message {
        frame: u64,
        time: Option<String>,
        source: String,
        destination: String,
        ip_fragments: &'s [u64],
        notes: &'s [&'static str],
        exchange: Option<&'static str>,
        error: Option<String>,
        #[serde(serialize_with = "serialize_tree")]
        tree: &'s Result<Message<'s>, (Trouble, Option<Header>)>,
        sealed: Option<Box<SealedJson<'s>>>,
    },
    Frame {
        frame: u64,
        time: Option<String>,
        error: &'s str,
    },
    Summary {
        #[serde(flatten)]
        summary: &'s Summary,
    },
}

#[derive(Serialize)]
struct SealedJson<'s> {
    state: &'static str,
    text: Option<String>,
    /// Lines of the keys that were used.
    key_lines: Vec<usize>,
    encr: Option<&'s str>,
    integ: Option<&'s str>,
    fragments: Option<[usize; 2]>,
    frames: Option<&'s [u64]>,
    first: Option<u8>,
    payloads: Option<ike_wire::tree::PayloadsTree<'s, 's>>,
    reason: Option<String>,
}

fn message_json<'s>(shown: &'s Shown<'s>) -> Line<'s> {
    let udp = shown.udp;
    let header = match shown.decoded {
        Ok(message) => Some(&message.header),
        Err((_, header)) => header.as_ref(),
    };
    Line::Message {
        frame: shown.frame.number,
        time: time_json(shown.frame.time),
        source: udp.source.to_string(),
        destination: udp.destination.to_string(),
        ip_fragments: if udp.frames.len() > 1 {
            &udp.frames
        } else {
            &[]
        },
        notes: &udp.notes,
        exchange: header.and_then(|header| header.exchange.name()),
        error: shown.decoded.as_ref().err().map(|(why, _)| why.to_string()),
        tree: shown.decoded,
        sealed: sealed_json(shown),
    }
}

fn sealed_json<'s>(shown: &'s Shown<'s>) -> Option<Box<SealedJson<'s>>> {
    let said = Said(shown.sealed);
    let state = said.state()?;
    let (row, key_lines) = match shown.sealed {
        Sealed::Opened(row, ..) | Sealed::Fragment(row, _) | Sealed::Unsupported(row) => {
            (Some(*row), vec![row.line])
        }
        Sealed::Failed(lines) => (None, lines.clone()),
        Sealed::Clear | Sealed::NoKeys | Sealed::NoRow => (None, vec![]),
    };
    let inside = shown.inside;
    let chain = inside.map(|inside| &inside.chain);
    Some(Box::new(SealedJson {
        state,
        text: said.text(),
        key_lines,
        encr: row.map(|row| row.encr.as_str()),
        integ: row.map(|row| row.integ.as_str()),
        fragments: match shown.sealed {
            Sealed::Fragment(_, Assembled::Waiting(there, total)) => {
                Some([*there, usize::from(*total)])
            }
            _ => None,
        },
        frames: inside.and_then(|inside| inside.frames),
        first: inside.map(|inside| inside.first.0),
        payloads: chain.and_then(|chain| chain.as_ref().ok().map(Chain::tree)),
        reason: chain.and_then(|chain| chain.as_ref().err().map(DecodeError::to_string)),
    }))
}

/// As a decoded message has it; without payloads if only the header could be read.
fn serialize_tree<S: Serializer>(
    decoded: &Result<Message<'_>, (Trouble, Option<Header>)>,
    to: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct HeaderOnly<'m> {
        header: ike_wire::tree::HeaderTree<'m>,
        payloads: (),
    }
    match decoded {
        Ok(message) => message.tree().serialize(to),
        Err((_, Some(header))) => HeaderOnly {
            header: header.tree(),
            payloads: (),
        }
        .serialize(to),
        Err((_, None)) => to.serialize_none(),
    }
}

fn json_line(line: &Line<'_>, out: &mut String) {
    // Maps with text keys into memory: cannot fail.
    if let Ok(json) = serde_json::to_string(line) {
        out.push_str(&json);
        out.push('\n');
    }
}

fn time_json(time: Option<Time>) -> Option<String> {
    time.map(|time| {
        let (date, clock) = calendar(time.seconds);
        format!("{date}T{clock}.{:09}Z", time.nanos)
    })
}

/// `, 2026-11-21 03:33:01.123456 UTC`, or nothing.
struct Utc(Option<Time>);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(time) = self.0 else {
            return Ok(());
        };
        let (date, clock) = calendar(time.seconds);
        write!(f, ", {date} {clock}.{:06} UTC", time.nanos / 1000)
    }
}

/// Date and time of day of seconds since 1970, in the Gregorian calendar.
fn calendar(seconds: u64) -> (String, String) {
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March of year 0; 400 years have 146097 days.
    days += 719_468;
    let era = days / 146_097;
    let day = days % 146_097;
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = year_of_era + era * 400 + next;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{hour:02}:{minute:02}:{second:02}"),
    )
}

#[cfg(test)]
mod tests {
    use super::calendar;

    #[test]
    fn seconds_are_dates_also_around_leap_days() {
        for (seconds, date, clock) in [
            (0, "1970-01-01", "00:00:00"),
            (951_782_399, "2000-02-28", "23:59:59"),
            (951_782_400, "2000-02-29", "00:00:00"),
            (951_868_800, "2000-03-01", "00:00:00"),
            (1_795_231_981, "2026-11-21", "03:33:01"),
            (4_107_542_400, "2100-03-01", "00:00:00"),
        ] {
            assert_eq!(calendar(seconds), (date.into(), clock.into()));
        }
        assert!(calendar(u64::MAX).0.len() > 10);
    }
}
