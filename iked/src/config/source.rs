//! The texts of a configuration, and places in them.
//!
//! Texts may hold secrets: they are wiped on drop, and only [`Sources::redacted`] leaves this
//! module's users for diagnostics.
use std::ops::Range;
use zeroize::Zeroizing;

/// A place: octets `start..end` of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Which source.
    pub file: u32,
    /// First octet.
    pub start: u32,
    /// After the last octet.
    pub end: u32,
}

impl Span {
    /// From the start of this to the end of the other, if both are in one source.
    pub fn to(self, other: Self) -> Self {
        if self.file != other.file || other.end < self.start {
            return self;
        }
        Self {
            end: other.end,
            ..self
        }
    }

    /// The empty place after this.
    pub fn after(self) -> Self {
        Self {
            start: self.end,
            ..self
        }
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// One text.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: Zeroizing<String>,
    /// Insides of quotes: hidden in diagnostics unless shown on purpose.
    pub(super) quoted: Vec<Range<usize>>,
    /// Comments, which may hold old secrets.
    pub(super) comments: Vec<Range<usize>>,
}

/// All texts read so far, and what of them must not or may be shown.
#[derive(Default)]
pub(super) struct Sources {
    list: Vec<Source>,
    shown: Vec<Span>,
    hidden: Vec<Span>,
    secrets: Vec<Zeroizing<String>>,
}

impl Sources {
    /// Adds a text and says how it is called in spans.
    pub(super) fn add(&mut self, name: String, text: Zeroizing<String>) -> u32 {
        self.list.push(Source {
            name,
            text,
            quoted: Vec::new(),
            comments: Vec::new(),
        });
        u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX)
    }

    pub(super) fn source_mut(&mut self, file: u32) -> Option<&mut Source> {
        self.list.get_mut(file as usize)
    }

    /// This is no secret.
    pub(super) fn show(&mut self, span: Span) {
        self.shown.push(span);
    }

    /// This is a secret, whatever else it is used for.
    pub(super) fn hide(&mut self, span: Span) {
        self.hidden.push(span);
    }

    /// This text must not be in any message.
    pub(super) fn add_secret(&mut self, text: &str) {
        if text.len() >= 4 {
            self.secrets.push(Zeroizing::new(text.to_owned()));
        }
    }

    /// The message without secrets.
    pub(super) fn scrub(&self, message: &str) -> String {
        let mut out = message.to_owned();
        for secret in &self.secrets {
            if is_like_a_word(secret) {
                out = hide_word(&out, secret);
            } else if out.contains(secret.as_str()) {
                out = out.replace(secret.as_str(), "<hidden>");
            }
        }
        out
    }

    /// Names and texts with secrets and comments blotted out, octet for octet in place.
    pub(super) fn redacted(&self) -> Vec<(String, String)> {
        (0u32..)
            .zip(&self.list)
            .map(|(file, source)| {
                let mut marks: Vec<(Range<usize>, u8)> = Vec::new();
                marks.extend(source.comments.iter().cloned().map(|r| (r, b' ')));
                let shown = |inside: &Range<usize>| {
                    self.shown.iter().any(|span| {
                        span.file == file
                            && span.range().start <= inside.start
                            && span.range().end >= inside.end
                    })
                };
                let quoted = source.quoted.iter().filter(|r| !shown(r)).cloned();
                marks.extend(quoted.map(|r| (r, b'*')));
                let hidden = self.hidden.iter().filter(|span| span.file == file);
                marks.extend(hidden.map(|span| {
                    let whole = span.range();
                    // Quotes stay: they show that there is a string.
                    let inside = source
                        .quoted
                        .iter()
                        .find(|q| q.start >= whole.start && q.end <= whole.end);
                    (inside.cloned().unwrap_or(whole), b'*')
                }));
                (source.name.clone(), blot(&source.text, &marks))
            })
            .collect()
    }

    /// Line and column, in characters from 1.
    pub(super) fn place(&self, span: Span) -> Option<(&str, usize, usize)> {
        let source = self.list.get(span.file as usize)?;
        let before = source.text.get(..span.start as usize)?;
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..)?.chars().count() + 1;
        Some((&source.name, line, column))
    }
}

/// Overwrites whole characters in the ranges; newlines stay, so that lines and columns do.
fn blot(text: &str, marks: &[(Range<usize>, u8)]) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let mark = marks.iter().rev().find(|(range, _)| range.contains(&at));
        match mark {
            // Spans are octets, so a character stays as long as it was.
            Some((_, with)) if c != '\n' => {
                (0..c.len_utf8()).for_each(|_| out.push(char::from(*with)));
            }
            _ => out.push(c),
        }
    }
    out
}

/// Whether a secret could be part of the words of our own sentences.
fn is_like_a_word(secret: &str) -> bool {
    secret.len() < 12 && secret.bytes().all(|b| b.is_ascii_lowercase())
}

/// Hides a secret where it stands alone: "short" is not to show through as "<hidden>er".
fn hide_word(message: &str, secret: &str) -> String {
    let mut out = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once(secret) {
        let inside =
            before.ends_with(char::is_alphanumeric) || after.starts_with(char::is_alphanumeric);
        out.push_str(before);
        out.push_str(if inside { secret } else { "<hidden>" });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_a_word_is_hidden_only_where_it_stands_alone() {
        assert_eq!(
            hide_word("`short` is shorter", "short"),
            "`<hidden>` is shorter"
        );
        assert!(is_like_a_word("short"));
        assert!(!is_like_a_word("S3cret"));
    }
}
