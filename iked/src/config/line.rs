//! One statement's tokens under a cursor, and the ways to take something from it. Whatever is
//! wrong is reported here, once; the callers only go on.
use super::diagnostic::Diagnostic;
use super::lexer::{Kind, Token};
use super::source::{Sources, Span, Spanned};
use super::words;
use ike_crypto::Secret;
use std::collections::BTreeMap;
use std::rc::Rc;
use zeroize::Zeroizing;

/// A macro.
pub(super) struct Macro {
    pub(super) value: Zeroizing<String>,
    /// Where it is named in its definition.
    pub(super) span: Span,
    /// Where its value stands.
    pub(super) value_spans: Vec<Span>,
    /// Macros its value was made from.
    pub(super) parts: Vec<Rc<str>>,
    pub(super) used: bool,
    pub(super) command_line: bool,
}

/// What was found so far, and what it was found in.
#[derive(Default)]
pub(super) struct Report {
    pub(super) sources: Sources,
    pub(super) list: Vec<Diagnostic>,
    pub(super) macros: BTreeMap<String, Macro>,
}

impl Report {
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// The token is no secret, nor is the macro it came from.
    pub(super) fn show(&mut self, token: &Token) {
        self.sources.show(token.span);
        self.each_part(token, Sources::show);
    }

    /// The token is a secret, and so is the macro it came from.
    pub(super) fn hide(&mut self, token: &Token) {
        if token.origin.is_none() {
            self.sources.hide(token.span);
        }
        self.sources.add_secret(&token.text);
        self.each_part(token, Sources::hide);
    }

    fn each_part(&mut self, token: &Token, mark: fn(&mut Sources, Span)) {
        let mut todo: Vec<Rc<str>> = token.origin.iter().cloned().collect();
        let mut done: Vec<Rc<str>> = Vec::new();
        while let Some(name) = todo.pop() {
            if done.contains(&name) {
                continue;
            }
            if let Some(found) = self.macros.get(&*name) {
                found
                    .value_spans
                    .iter()
                    .for_each(|span| mark(&mut self.sources, *span));
                todo.extend(found.parts.iter().cloned());
            }
            done.push(name);
        }
    }
}

/// The tokens of a statement, macros expanded.
pub(super) struct Line<'r> {
    pub(super) report: &'r mut Report,
    tokens: Vec<Token>,
    at: usize,
}

impl<'r> Line<'r> {
    pub(super) fn new(report: &'r mut Report, tokens: Vec<Token>) -> Self {
        Self {
            report,
            tokens,
            at: 0,
        }
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// The next token if it is a bare word.
    pub(super) fn word(&self) -> Option<&str> {
        self.peek()
            .filter(|t| t.kind == Kind::Word)
            .map(|t| t.text.as_str())
    }

    pub(super) fn second(&self) -> Option<&Token> {
        self.tokens.get(self.at + 1)
    }

    pub(super) fn previous(&self) -> Option<&Token> {
        self.tokens.get(self.at.checked_sub(1)?)
    }

    /// Takes the next token.
    pub(super) fn bump(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Takes the next token if it is this bare word.
    pub(super) fn eat(&mut self, word: &str) -> Option<Span> {
        let span = self.peek().filter(|t| t.is(word))?.span;
        self.at += 1;
        Some(span)
    }

    /// Takes the next token if it is this character.
    pub(super) fn eat_punct(&mut self, c: char) -> Option<Span> {
        let span = self.peek().filter(|t| t.is_punct(c))?.span;
        self.at += 1;
        Some(span)
    }

    /// Where the last taken token stands.
    pub(super) fn here(&self) -> Span {
        let token = self.previous().or_else(|| self.tokens.first());
        token.map_or(
            Span {
                file: 0,
                start: 0,
                end: 0,
            },
            |t| t.span,
        )
    }

    /// Reports that something is missing at the cursor.
    pub(super) fn expected(&mut self, what: &str, help: Option<String>) {
        let after = self.here();
        let diagnostic = match self.peek() {
            Some(token) if token.kind == Kind::Bad => return,
            Some(token) => {
                let found = match token.kind {
                    Kind::Word if words::is_reserved(&token.text) => {
                        format!(" before `{}`", token.text.as_str())
                    }
                    Kind::Punct(c) => format!(" before `{c}`"),
                    _ => String::new(),
                };
                Diagnostic::error(token.span, format!("{what} is missing{found}"))
                    .label(format!("expected {what}"))
            }
            None => Diagnostic::error(after, format!("{what} is missing at the end"))
                .label(format!("expected {what} after this")),
        };
        self.report.push(diagnostic.maybe_help(help));
    }

    /// Takes a value that is no secret. A bare keyword is none.
    pub(super) fn value(&mut self, what: &str) -> Option<Token> {
        let token = self.string(what)?;
        self.report.show(&token);
        Some(token)
    }

    /// Takes a value that is a secret.
    pub(super) fn secret(&mut self, what: &str) -> Option<Token> {
        let token = self.string(what)?;
        self.report.hide(&token);
        Some(token)
    }

    fn string(&mut self, what: &str) -> Option<Token> {
        match self.peek() {
            Some(token) if token.kind == Kind::Bad => {
                self.at += 1;
                None
            }
            Some(token)
                if token.is_string()
                    && (token.kind == Kind::Quoted || !words::is_reserved(&token.text)) =>
            {
                self.bump()
            }
            found => {
                let help = found.filter(|t| t.kind == Kind::Word).map(|t| {
                    let word = t.text.as_str();
                    format!("write \"{word}\" in quotes if it is meant as {what}")
                });
                self.expected(what, help);
                None
            }
        }
    }

    /// Takes a value with its place, as text.
    pub(super) fn text(&mut self, what: &str) -> Option<Spanned<String>> {
        let token = self.value(what)?;
        Some(Spanned::new(token.text.to_string(), token.span))
    }

    /// Takes one of the words; another is an error.
    pub(super) fn one_of(&mut self, what: &str, known: &[&str]) -> Option<Spanned<String>> {
        let on: Vec<_> = known
            .iter()
            .copied()
            .filter(|w| !w.starts_with("no") || *w == "none")
            .collect();
        let list = format!("one of {}", quoted_list(&on));
        if self.peek().is_none_or(|t| !t.is_string()) {
            self.expected(what, Some(list));
            // What was not understood by the lexer is already reported.
            let bad = self.peek().is_some_and(|t| t.kind == Kind::Bad);
            self.at += usize::from(bad);
            return None;
        }
        let token = self.bump()?;
        let text = token.text.as_str();
        if known.contains(&text) {
            self.report.show(&token);
            return Some(Spanned::new(text.to_owned(), token.span));
        }
        let help = words::did_you_mean(text, known.iter().copied()).unwrap_or(list);
        let bare = what.trim_start_matches("a ").trim_start_matches("an ");
        let message = format!("unknown {bare} `{text}`");
        self.report.push(
            Diagnostic::error(token.span, message)
                .label(format!("not {what}"))
                .help(help),
        );
        self.report.show(&token);
        None
    }

    /// Takes a number.
    pub(super) fn number(&mut self, what: &str, max: u64) -> Option<Spanned<u64>> {
        let token = self.value(what)?;
        let number = match token.text.bytes().all(|b| b.is_ascii_digit()) {
            true => token.text.parse::<u64>().ok().filter(|&n| n <= max),
            false => None,
        };
        if number.is_none() {
            self.report.push(
                Diagnostic::error(
                    token.span,
                    format!("`{}` is not {what}", token.text.as_str()),
                )
                .label(format!("expected a number up to {max}")),
            );
        }
        number.map(|n| Spanned::new(n, token.span))
    }

    /// Takes a number with a unit; the result in the smallest one.
    pub(super) fn amount(&mut self, what: &str, units: &[(char, u64)]) -> Option<Spanned<u64>> {
        let token = self.value(what)?;
        let text = token.text.as_str();
        let (digits, factor) = match units.iter().find(|(unit, _)| text.ends_with(*unit)) {
            Some((unit, factor)) => (text.trim_end_matches(*unit), *factor),
            None => (text, 1),
        };
        let plain = !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && text.len() - digits.len() <= 1;
        let amount = match plain {
            true => digits
                .parse::<u64>()
                .ok()
                .and_then(|n| n.checked_mul(factor)),
            false => None,
        };
        if amount.is_none() {
            let names: Vec<_> = units.iter().map(|(unit, _)| format!("`{unit}`")).collect();
            let fault = if plain {
                "too large"
            } else {
                "not a number with a unit"
            };
            self.report.push(
                Diagnostic::error(token.span, format!("`{text}` is {fault}"))
                    .label(format!("expected {what}"))
                    .help(format!(
                        "a number, with nothing or {} after it",
                        names.join(" or ")
                    )),
            );
        }
        amount.map(|n| Spanned::new(n, token.span))
    }

    /// Reports whatever is left, and hides it.
    pub(super) fn finish(&mut self, statement: &str) {
        let Some(token) = self.peek() else { return };
        if token.kind != Kind::Bad {
            let span = token.span;
            self.report.push(
                Diagnostic::error(span, format!("too much after `{statement}`"))
                    .label("the statement is complete before this")
                    .help("put values with blanks in quotes, and every statement on its own line"),
            );
        }
        match statement.starts_with("user") {
            true => self.hide_rest(),
            false => self.skip_rest(),
        }
    }

    /// Takes everything left; hides strings, and bare words where a secret may be.
    pub(super) fn skip_rest(&mut self) {
        let mut hide = self.previous().is_some_and(is_before_secret);
        while let Some(token) = self.bump() {
            if hide && token.is_string() {
                self.report.hide(&token);
            }
            hide = is_before_secret(&token) || hide;
        }
    }

    /// Takes and hides everything left.
    pub(super) fn hide_rest(&mut self) {
        while let Some(token) = self.bump() {
            if token.is_string() {
                self.report.hide(&token);
            }
        }
    }

    /// A PSK or the like, written as text or as 0x and hexadecimal digits.
    pub(super) fn key(&mut self, what: &str) -> Option<Spanned<Secret>> {
        let token = self.secret(what)?;
        match decode_key(&token.text) {
            Ok(secret) => Some(Spanned::new(secret, token.span)),
            Err(fault) => {
                self.report.push(
                    Diagnostic::error(token.span, fault).label("this key").help(
                        "write `0x` and an even number of hexadecimal digits, or any other text in quotes",
                    ),
                );
                None
            }
        }
    }
}

/// Whether what follows is a secret, or would be if this were spelt right.
fn is_before_secret(token: &Token) -> bool {
    let word = token.text.as_str();
    token.kind == Kind::Word
        && (words::nearest(word, ["psk", "ppk", "user", "secret"]).is_some()
            || words::PSK_LIKE.contains(&word))
}

/// Decodes a key as text or `0x…`.
pub(super) fn decode_key(text: &str) -> Result<Secret, String> {
    let Some(digits) = text.strip_prefix("0x") else {
        return match text.is_empty() {
            true => Err("the key is empty".into()),
            false => Ok(Secret::from_slice(text.as_bytes())),
        };
    };
    if digits.is_empty() {
        return Err("the key is empty".into());
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    let mut high = None;
    for c in digits.chars() {
        let Some(digit) = c.to_digit(16).and_then(|d| u8::try_from(d).ok()) else {
            return Err(
                "a character that is no hexadecimal digit in a key that starts with 0x".into(),
            );
        };
        match high.take() {
            None => high = Some(digit << 4),
            Some(high) => octets.push(high | digit),
        }
    }
    match high {
        Some(_) => Err("an odd number of hexadecimal digits in a key that starts with 0x".into()),
        None => Ok(Secret::from_slice(&octets)),
    }
}

/// `` `a`, `b` or `c` ``
pub(super) fn quoted_list(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|w| format!("`{w}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
