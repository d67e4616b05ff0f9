//! Statements: recursive descent, with recovery at the next option or statement, so that one
//! mistake hides no other.
mod host;
mod policy;

use super::ast::{Config, Setting, Statement, User};
use super::diagnostic::{Diagnostic, Severity};
use super::lexer::{self, Kind, Token};
use super::line::{Line, Macro, Report};
use super::loaded::Dataplane;
use super::loader::Loader;
use super::source::{Span, Spanned};
use super::words;
use ike_crypto::Secret;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use zeroize::Zeroizing;

/// Files in files.
const MAX_INCLUDE_DEPTH: usize = 16;

/// Parses a file and what it includes.
pub(super) fn parse(
    loader: &mut dyn Loader,
    path: &Path,
    defines: &[(String, String)],
) -> (Config, Report) {
    let mut parser = Parser {
        loader,
        report: Report::default(),
        config: Config::default(),
        open: Vec::new(),
    };
    for (name, value) in defines {
        parser.define_on_command_line(name, value);
    }
    parser.file(path, None);
    parser.unused_macros();
    (parser.config, parser.report)
}

struct Parser<'a> {
    loader: &'a mut dyn Loader,
    report: Report,
    config: Config,
    open: Vec<PathBuf>,
}

impl Parser<'_> {
    fn file(&mut self, path: &Path, included_at: Option<Span>) {
        let fail = |message: String| match included_at {
            Some(span) => Diagnostic::error(span, message),
            None => Diagnostic::global(message),
        };
        let shown = path.display();
        if self.open.iter().any(|open| open == path) {
            let fault = format!("{shown} includes itself");
            return self
                .report
                .push(fail(fault).help("remove one of the `include` lines"));
        }
        if self.open.len() >= MAX_INCLUDE_DEPTH {
            let fault = format!("more than {MAX_INCLUDE_DEPTH} files included in each other");
            return self.report.push(fail(fault));
        }
        let octets = match self.loader.read(path) {
            Ok(octets) => octets,
            Err(error) => {
                let fault = format!("cannot read {shown}: {}", error.message);
                return self.report.push(fail(fault).maybe_help(error.help));
            }
        };
        let text = match std::str::from_utf8(octets.expose()) {
            Ok(text) if text.len() < u32::MAX as usize => Zeroizing::new(text.to_owned()),
            Ok(_) => return self.report.push(fail(format!("{shown} is too large"))),
            Err(error) => {
                let before = octets
                    .expose()
                    .get(..error.valid_up_to())
                    .unwrap_or_default();
                let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
                let fault = format!("{shown} is not UTF-8: line {line}");
                return self.report.push(fail(fault).help("save it as UTF-8 text"));
            }
        };
        let file = self
            .report
            .sources
            .add(path.display().to_string(), text.clone());
        let lexed = lexer::lex(file, &text);
        if let Some(source) = self.report.sources.source_mut(file) {
            source.quoted = lexed.quoted;
            source.comments = lexed.comments;
        }
        self.report.list.extend(lexed.diagnostics);
        for span in lexed.unclosed {
            self.report.sources.hide(span);
        }
        self.open.push(path.to_owned());
        let dir = path.parent().unwrap_or(Path::new("")).to_owned();
        self.statements(lexed.statements, &dir);
        self.open.pop();
    }

    fn statements(&mut self, statements: Vec<Vec<Token>>, dir: &Path) {
        let mut statements = statements.into_iter().peekable();
        while let Some(tokens) = statements.next() {
            if is_definition(&tokens) {
                self.define(tokens);
                continue;
            }
            let mut tokens = self.expand(tokens);
            let Some(first) = tokens.first().cloned() else {
                continue;
            };
            if first.kind == Kind::Word && matches!(first.text.as_str(), "ikev2" | "iked2") {
                // A line that starts in the middle of a policy is the policy's: the `\` is lost.
                while let Some(lost) = statements.next_if(|next| is_lost(next)) {
                    self.lost_continuation(&tokens, &lost);
                    tokens.extend(self.expand(lost));
                }
                policy::policies(&mut self.report, &mut self.config, tokens, dir);
            } else {
                self.statement(&first, tokens, dir);
            }
        }
    }

    fn statement(&mut self, first: &Token, tokens: Vec<Token>, dir: &Path) {
        let mut line = Line::new(&mut self.report, tokens);
        let word = line
            .bump()
            .filter(|t| t.kind == Kind::Word)
            .map(|t| t.text.to_string());
        match word.as_deref() {
            Some("set") => {
                let setting = set(&mut line);
                if let Some(setting) = setting {
                    line.finish("set");
                    self.config.statements.push(Statement::Set(setting));
                } else {
                    line.skip_rest();
                }
            }
            Some("user") => {
                let name = line.text("the user's name");
                let password = line.secret("the user's password");
                line.finish("user NAME PASSWORD");
                if let (Some(name), Some(password)) = (name, password) {
                    let secret = Secret::from_slice(password.text.as_bytes());
                    let password = Spanned::new(secret, password.span);
                    self.config
                        .statements
                        .push(Statement::User(User { name, password }));
                }
            }
            Some("include") => {
                let path = line.text("the path of a file");
                line.finish("include PATH");
                if let Some(path) = path {
                    self.file(&dir.join(&path.value), Some(path.span));
                }
            }
            Some("radius") => {
                let what = line.word().unwrap_or("radius").to_owned();
                line.skip_rest();
                let radius = Spanned::new(what, first.span);
                self.config.statements.push(Statement::Radius(radius));
            }
            Some(word) => {
                let diagnostic = unknown_statement(word, first.span);
                line.skip_rest();
                self.report.push(diagnostic);
            }
            None if first.kind == Kind::Bad => line.skip_rest(),
            None => {
                line.skip_rest();
                self.report.push(
                    Diagnostic::error(first.span, "a line starts with a word that is no keyword")
                        .label("expected a statement")
                        .help(format!(
                            "statements start with {}, or `NAME =`",
                            statement_list()
                        )),
                );
            }
        }
    }

    /// `name = value`
    fn define(&mut self, tokens: Vec<Token>) {
        let Some(name) = tokens.first().cloned() else {
            return;
        };
        let equals = tokens.get(1).map_or(name.span, |t| t.span);
        let raw_spans: Vec<_> = tokens.iter().skip(2).map(|t| t.span).collect();
        let parts = self.expand(tokens.into_iter().skip(2).collect());
        for span in &raw_spans {
            // Not shown until it is clear that it is no secret.
            if let Some(source) = self.report.sources.source_mut(span.file) {
                let range = span.start as usize..span.end as usize;
                let inside =
                    |q: &std::ops::Range<usize>| q.start >= range.start && q.end <= range.end;
                if !source.quoted.iter().any(inside) {
                    source.quoted.push(range);
                }
            }
        }
        let text = name.text.to_string();
        let ascii = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if name.kind != Kind::Word || !ascii || text.starts_with(|c: char| c.is_ascii_digit()) {
            return self.report.push(
                Diagnostic::error(name.span, "not a name for a macro")
                    .label("before `=`")
                    .help("a macro's name is letters, digits and `_`, and starts with a letter"),
            );
        }
        if words::is_reserved(&text) {
            return self.report.push(
                Diagnostic::error(name.span, format!("`{text}` is a keyword"))
                    .label("cannot name a macro")
                    .help(format!(
                        "call the macro something else, such as `my_{text}`"
                    )),
            );
        }
        let mut value = Zeroizing::new(String::with_capacity(256));
        let mut bad = false;
        let mut origins = Vec::new();
        for token in &parts {
            match token.kind {
                Kind::Bad => bad = true,
                Kind::Word | Kind::Quoted => {
                    if !value.is_empty() {
                        value.push(' ');
                    }
                    value.push_str(&token.text);
                    origins.extend(token.origin.clone());
                }
                Kind::Punct(_) | Kind::Macro => {
                    bad = true;
                    self.report.push(
                        Diagnostic::error(
                            token.span,
                            "a macro's value with punctuation needs quotes",
                        )
                        .label("not in a word")
                        .help(format!("{text} = \"…\"")),
                    );
                    break;
                }
            }
        }
        if parts.is_empty() {
            self.report.push(
                Diagnostic::error(equals, format!("the macro `{text}` has no value"))
                    .label("expected a value after this")
                    .help(format!("{text} = \"…\"")),
            );
        } else if !bad || !value.is_empty() {
            let spans = raw_spans;
            self.insert(text, value, name.span, spans, origins, false);
            return;
        }
        // So that its uses are not reported as well.
        self.insert(
            text,
            Zeroizing::default(),
            name.span,
            raw_spans,
            origins,
            false,
        );
    }

    fn define_on_command_line(&mut self, name: &str, value: &str) {
        let text = Zeroizing::new(format!("{name}={value}"));
        let file = self.report.sources.add("-D".into(), text.clone());
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let name_span = Span {
            file,
            start: 0,
            end: narrow(name.len()),
        };
        let value_span = Span {
            file,
            start: narrow(name.len() + 1),
            end: narrow(text.len()),
        };
        if let Some(source) = self.report.sources.source_mut(file) {
            source.quoted.push(name.len() + 1..text.len());
        }
        let ascii = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !ascii || name.is_empty() || words::is_reserved(name) {
            return self.report.push(
                Diagnostic::error(name_span, "not a name for a macro")
                    .help("-D NAME=VALUE; a name is letters, digits and `_`, and no keyword"),
            );
        }
        let value = Zeroizing::new(value.to_owned());
        self.insert(
            name.to_owned(),
            value,
            name_span,
            vec![value_span],
            Vec::new(),
            true,
        );
    }

    fn insert(
        &mut self,
        name: String,
        value: Zeroizing<String>,
        span: Span,
        value_spans: Vec<Span>,
        parts: Vec<Rc<str>>,
        command_line: bool,
    ) {
        if let Some(old) = self.report.macros.get(&name)
            && old.command_line
            && !command_line
        {
            return;
        }
        let used = self.report.macros.get(&name).is_some_and(|old| old.used);
        let new = Macro {
            value,
            span,
            value_spans,
            parts,
            used,
            command_line,
        };
        self.report.macros.insert(name, new);
    }

    /// Replaces macros by their tokens.
    fn expand(&mut self, tokens: Vec<Token>) -> Vec<Token> {
        let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
        for token in tokens {
            // `$net/24`
            if token.glued
                && token.kind == Kind::Word
                && token.text.starts_with('/')
                && let Some(last) = out
                    .last_mut()
                    .filter(|t| t.origin.is_some() && t.is_string())
            {
                last.text.push_str(&token.text);
                last.span = last.span.to(token.span);
                continue;
            }
            if token.kind != Kind::Macro {
                out.push(token);
                continue;
            }
            let name = token.text.as_str();
            if let Some(found) = self.report.macros.get_mut(name) {
                found.used = true;
                let origin: Rc<str> = name.into();
                let value = lexer::lex_value(&found.value, token.span, &origin);
                if value.is_empty() {
                    out.push(Token {
                        kind: Kind::Bad,
                        ..token
                    });
                } else {
                    out.extend(value);
                }
                continue;
            }
            let known = self.report.macros.keys().map(String::as_str);
            let help = words::did_you_mean(name, known).unwrap_or_else(|| {
                format!("define it in an earlier line, `{name} = \"…\"`, or with -D {name}=…")
            });
            self.report.list.push(
                Diagnostic::error(token.span, format!("the macro `{name}` is not defined"))
                    .label("used here")
                    .help(help),
            );
            out.push(Token {
                kind: Kind::Bad,
                ..token
            });
        }
        out
    }

    fn lost_continuation(&mut self, before: &[Token], lost: &[Token]) {
        let (Some(last), Some(first)) = (before.last(), lost.first()) else {
            return;
        };
        self.report.push(
            Diagnostic::error(
                first.span,
                format!(
                    "`{}` starts a line, but belongs to the policy before",
                    first.text.as_str()
                ),
            )
            .label("no statement starts with this word")
            .related(last.span, "this line does not go on")
            .help("end the line before with `\\`"),
        );
    }

    fn unused_macros(&mut self) {
        // The uses may be in what was not understood.
        if self
            .report
            .list
            .iter()
            .any(|d| d.severity == Severity::Error)
        {
            return;
        }
        let unused = self.report.macros.iter().filter(|(_, m)| !m.used);
        let warnings: Vec<_> = unused
            .map(|(name, found)| {
                Diagnostic::warning(found.span, format!("the macro `{name}` is never used"))
                    .label("defined here")
                    .help(format!("write `${name}` where it is meant, outside quotes"))
            })
            .collect();
        self.report.list.extend(warnings);
    }
}

fn is_definition(tokens: &[Token]) -> bool {
    tokens.get(1).is_some_and(|t| t.is_punct('=')) && tokens.first().is_some_and(|t| t.is_string())
}

/// Whether a line is the rest of a policy.
fn is_lost(tokens: &[Token]) -> bool {
    let first = tokens.first().filter(|t| t.kind == Kind::Word);
    !is_definition(tokens)
        && first.is_some_and(|t| {
            let word = t.text.as_str();
            (words::POLICY.contains(&word) || words::TRANSFORMS.contains(&word))
                && !matches!(word, "any" | "dynamic")
        })
}

fn statement_list() -> String {
    super::line::quoted_list(words::STATEMENTS)
}

fn unknown_statement(word: &str, span: Span) -> Diagnostic {
    if words::FOREIGN.contains(&word) {
        return Diagnostic::error(span, format!("`{word}` is a statement of ipsec.conf(5)"))
            .label("not of iked.conf(5)")
            .help("iked only reads `ikev2` policies; move or remove the line");
    }
    if words::POLICY.contains(&word) || words::TRANSFORMS.contains(&word) {
        return Diagnostic::error(span, format!("`{word}` belongs to a policy"))
            .label("no statement starts with this word")
            .help("a policy starts with `ikev2`; every line of it but the last ends with `\\`");
    }
    let help = words::did_you_mean(word, words::STATEMENTS.iter().copied())
        .unwrap_or_else(|| format!("statements start with {}, or `NAME =`", statement_list()));
    Diagnostic::error(span, format!("unknown statement `{word}`")).help(help)
}

fn set(line: &mut Line<'_>) -> Option<Spanned<Setting>> {
    let word = line.one_of("a setting", words::SETTINGS)?;
    let later = |word: &str, off| Setting::Later {
        word: word.to_owned(),
        off,
    };
    let setting = match word.value.as_str() {
        "active" => Setting::Passive(false),
        "passive" => Setting::Passive(true),
        "couple" => Setting::Decouple(false),
        "decouple" => Setting::Decouple(true),
        "leak" => Setting::Leak(true),
        "noleak" => Setting::Leak(false),
        "enforcesingleikesa" => Setting::EnforceSingleIkeSa(true),
        "noenforcesingleikesa" => Setting::EnforceSingleIkeSa(false),
        "dataplane" => {
            let plane = line.one_of("a data plane", &["auto", "userspace", "xfrm", "none"])?;
            Setting::Dataplane(match plane.value.as_str() {
                "userspace" => Dataplane::Userspace,
                "xfrm" => Dataplane::Xfrm,
                "none" => Dataplane::None,
                _ => Dataplane::Auto,
            })
        }
        "dpd_check_interval" => {
            let seconds = line.number("a number of seconds", u64::from(u32::MAX))?;
            Setting::DpdCheckInterval(u32::try_from(seconds.value).ok()?)
        }
        "cookie_threshold" => {
            let count = line.number("a number of half-open IKE SAs", u64::from(u32::MAX))?;
            Setting::CookieThreshold(u32::try_from(count.value).ok()?)
        }
        "ocsp" => {
            line.text("the URL of the OCSP responder")?;
            for word in ["tolerate", "maxage"] {
                if line.eat(word).is_some() {
                    line.amount("a time", policy::TIME_UNITS)?;
                }
            }
            later("ocsp", false)
        }
        "allow-legacy" => {
            line.text("a reason, in quotes")?;
            later("allow-legacy", false)
        }
        word => match word.strip_prefix("no") {
            Some(word) => later(word, true),
            None => later(word, false),
        },
    };
    Some(Spanned::new(setting, word.span))
}
