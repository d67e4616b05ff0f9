//! Text into statements of tokens. A statement is a line; `\` at its end continues it, `#`
//! starts a comment. Words are bare or in quotes; `$name` at the start of a token is a macro.
//!
//! Nothing is interpreted here. A lexical error is reported and the rest of the line still gives
//! tokens, so that the parser can go on.
use super::diagnostic::Diagnostic;
use super::source::Span;
use std::ops::Range;
use std::rc::Rc;
use zeroize::Zeroizing;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bare word, which may be a keyword.
    Word,
    /// A string in quotes; never a keyword.
    Quoted,
    /// `$name`; the text is the name.
    Macro,
    /// One of `{ } ( ) , =`.
    Punct(char),
    /// Something wrong that is already reported.
    Bad,
}

/// A token. Its text may be a secret.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: Zeroizing<String>,
    pub(super) span: Span,
    /// The macro it comes from.
    pub(super) origin: Option<Rc<str>>,
    /// Nothing stands between it and the token before.
    pub(super) glued: bool,
}

impl Token {
    /// Whether it is this bare word.
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.as_str() == word
    }

    /// Whether it is this character.
    pub(super) fn is_punct(&self, c: char) -> bool {
        self.kind == Kind::Punct(c)
    }

    /// Whether it can be a value.
    pub(super) fn is_string(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted)
    }
}

/// Result of lexing one text.
#[derive(Default)]
pub(super) struct Lexed {
    /// Non-empty lines.
    pub(super) statements: Vec<Vec<Token>>,
    /// Insides of quotes.
    pub(super) quoted: Vec<Range<usize>>,
    /// Comments.
    pub(super) comments: Vec<Range<usize>>,
    /// What is after a quote that is not closed: nobody knows what it is.
    pub(super) unclosed: Vec<Span>,
    /// What is wrong.
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Lexes the text of a file.
pub(super) fn lex(file: u32, text: &str) -> Lexed {
    Lexer::new(file, text).run()
}

/// Lexes the value of a macro where it is used: every token stands at `at`, `$` has no meaning.
pub(super) fn lex_value(text: &str, at: Span, origin: &Rc<str>) -> Vec<Token> {
    let mut lexer = Lexer::new(0, text);
    lexer.literal_dollar = true;
    let mut tokens: Vec<_> = lexer.run().statements.into_iter().flatten().collect();
    for token in &mut tokens {
        token.span = at;
        token.origin = Some(origin.clone());
    }
    tokens
}

const PUNCTUATION: [char; 6] = ['{', '}', '(', ')', ',', '='];

struct Lexer<'a> {
    file: u32,
    text: &'a str,
    at: usize,
    out: Lexed,
    statement: Vec<Token>,
    literal_dollar: bool,
}

impl<'a> Lexer<'a> {
    fn new(file: u32, text: &'a str) -> Self {
        Self {
            file,
            text,
            at: 0,
            out: Lexed::default(),
            statement: Vec::new(),
            literal_dollar: false,
        }
    }

    fn run(mut self) -> Lexed {
        let mut last_end = usize::MAX;
        while let Some(c) = self.peek() {
            let start = self.at;
            match c {
                '\n' => {
                    self.bump();
                    self.end_statement();
                }
                ' ' | '\t' | '\r' | '\u{b}' | '\u{c}' => self.bump(),
                '#' => {
                    self.skip_while(|c| c != '\n');
                    self.out.comments.push(start..self.at);
                }
                '\\' => self.continuation(),
                '"' | '\'' if last_end == start && self.after_string() => self.glued(),
                '"' | '\'' => self.quoted(c, last_end == start),
                '“' | '”' | '„' | '‘' | '’' | '«' | '»' => self.typographic(),
                '$' if !self.literal_dollar => self.macro_use(last_end == start),
                _ if PUNCTUATION.contains(&c) => {
                    self.bump();
                    self.push(
                        Kind::Punct(c),
                        String::new().into(),
                        start,
                        last_end == start,
                    );
                }
                _ if is_word(c) && last_end == start && self.after(Kind::Quoted) => self.glued(),
                _ if is_word(c) || (c == '$' && self.literal_dollar) => {
                    self.bump();
                    self.skip_while(is_word_inside);
                    let text = self.text.get(start..self.at).unwrap_or_default();
                    self.push(Kind::Word, text.to_owned().into(), start, last_end == start);
                }
                _ => self.stray(c),
            }
            if self.at > start && !self.statement.is_empty() {
                last_end = self
                    .statement
                    .last()
                    .map_or(usize::MAX, |t| t.span.end as usize);
            }
        }
        self.end_statement();
        self.out
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
    }

    fn span(&self, range: Range<usize>) -> Span {
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span {
            file: self.file,
            start: narrow(range.start),
            end: narrow(range.end),
        }
    }

    fn push(&mut self, kind: Kind, text: Zeroizing<String>, start: usize, glued: bool) {
        let span = self.span(start..self.at);
        self.statement.push(Token {
            kind,
            text,
            span,
            origin: None,
            glued,
        });
    }

    fn end_statement(&mut self) {
        if !self.statement.is_empty() {
            self.out
                .statements
                .push(std::mem::take(&mut self.statement));
        }
    }

    /// `\`: must be the last character of its line.
    fn continuation(&mut self) {
        let start = self.at;
        self.bump();
        let after = self.at;
        self.skip_while(|c| matches!(c, ' ' | '\t' | '\r'));
        let blanks = self.text.get(after..self.at).unwrap_or_default();
        match self.peek() {
            Some('\n') => {
                if !matches!(blanks, "" | "\r") {
                    let span = self.span(start..self.at);
                    self.out.diagnostics.push(
                        Diagnostic::error(span, "blanks after the `\\` at the end of a line")
                            .label("the `\\` must be the last character of its line")
                            .help("delete the blanks after it"),
                    );
                }
                self.bump();
            }
            // A file that ends in `\` is complete.
            None => {}
            Some('#') => {
                let comment = self.at;
                self.skip_while(|c| c != '\n');
                self.out.comments.push(comment..self.at);
                let span = self.span(start..after);
                self.out.diagnostics.push(
                    Diagnostic::error(span, "a comment after the `\\` at the end of a line")
                        .label("the `\\` must be the last character of its line")
                        .help("move the comment to a line of its own before the policy"),
                );
                self.bump();
            }
            Some(_) => {
                self.at = after;
                self.skip_while(|c| !c.is_whitespace());
                self.out.unclosed.push(self.span(after..self.at));
                let span = self.span(start..after);
                self.out.diagnostics.push(
                    Diagnostic::error(span, "`\\` in the middle of a line")
                        .label("`\\` only continues a line, as its last character")
                        .help("put a word that contains `\\` in quotes"),
                );
                self.push(Kind::Bad, String::new().into(), start, false);
            }
        }
    }

    /// A string in quotes, which ends on its line. `\` before the quote or a blank takes away its
    /// meaning.
    fn quoted(&mut self, quote: char, glued: bool) {
        let start = self.at;
        self.bump();
        let inside = self.at;
        // As long as it can get, so that it is not moved and leaves no copy behind.
        let line = self.text.get(inside..).unwrap_or_default();
        let mut value = Zeroizing::new(String::with_capacity(
            line.find(quote).unwrap_or(line.len()).max(64),
        ));
        loop {
            let continues = self
                .text
                .get(self.at..)
                .is_some_and(|rest| rest.starts_with("\\\n") || rest.starts_with("\\\r\n"));
            let Some(c) = self.peek().filter(|&c| c != '\n' && !continues) else {
                self.out.quoted.push(inside..self.at);
                self.out.unclosed.push(self.span(inside..self.at));
                let span = self.span(start..inside);
                self.out.diagnostics.push(
                    Diagnostic::error(span, "a quote that is not closed on its line")
                        .label("starts here")
                        .help(format!("close it with another `{quote}`")),
                );
                self.push(Kind::Quoted, value, start, glued);
                self.push(Kind::Bad, String::new().into(), start, false);
                return;
            };
            self.bump();
            if c == quote {
                self.out.quoted.push(inside..self.at - c.len_utf8());
                break;
            }
            if c != '\\' {
                value.push(c);
                continue;
            }
            match self.peek() {
                Some(next) if next == quote || matches!(next, ' ' | '\t') => {
                    value.push(next);
                    self.bump();
                }
                _ => value.push(c),
            }
        }
        self.push(Kind::Quoted, value, start, glued);
    }

    fn after(&self, kind: Kind) -> bool {
        self.statement.last().is_some_and(|t| t.kind == kind)
    }

    fn after_string(&self) -> bool {
        self.statement.last().is_some_and(Token::is_string)
    }

    /// A word and a quote touch: the quotes of this line are not where they are meant to be, so
    /// nobody knows what of the rest is inside them.
    fn glued(&mut self) {
        let start = self.at;
        self.bump();
        let span = self.span(start..self.at);
        self.out.diagnostics.push(
            Diagnostic::error(span, "no blank between a quote and a word")
                .label("touches what is before it")
                .help("close quotes before the blank that ends a value; inside quotes write `\\\"` for a quote"),
        );
        self.hide_line(start);
    }

    /// Hides the rest of the line, up to a `\` that continues it.
    fn hide_line(&mut self, start: usize) {
        let rest = self.text.get(start..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        let inside = line.trim_end();
        let inside = inside.strip_suffix('\\').unwrap_or(inside);
        self.at = start + inside.len();
        self.out.unclosed.push(self.span(start..self.at));
        self.push(Kind::Bad, String::new().into(), start, false);
    }

    fn typographic(&mut self) {
        let start = self.at;
        self.bump();
        let span = self.span(start..self.at);
        self.out.diagnostics.push(
            Diagnostic::error(span, "a typographic quotation mark")
                .label("does not quote")
                .help("use the plain ones: \"…\""),
        );
        self.hide_line(start);
    }

    fn macro_use(&mut self, glued: bool) {
        let start = self.at;
        self.bump();
        let name = self.at;
        self.skip_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let text = self.text.get(name..self.at).unwrap_or_default().to_owned();
        if text.is_empty() {
            let span = self.span(start..self.at);
            self.out.diagnostics.push(
                Diagnostic::error(span, "`$` without the name of a macro")
                    .label("a macro's name goes here")
                    .help("put a word that starts with `$` in quotes"),
            );
            self.push(Kind::Bad, text.into(), start, glued);
            return;
        }
        self.push(Kind::Macro, text.into(), start, glued);
    }

    fn stray(&mut self, c: char) {
        let start = self.at;
        self.bump();
        let span = self.span(start..self.at);
        let diagnostic = if matches!(c, '<' | '>' | '!') {
            Diagnostic::error(span, format!("`{c}` has no meaning here"))
                .help("put a word that contains it in quotes")
        } else if c.is_control() {
            Diagnostic::error(span, format!("control character {}", c.escape_unicode()))
                .help("delete it")
        } else {
            Diagnostic::error(span, "a letter outside ASCII outside quotes")
                .label("words without quotes are plain ASCII")
                .help("put the word in quotes, or use plain quotes and blanks")
        };
        self.out.diagnostics.push(diagnostic);
        let after = self.at;
        self.skip_while(|c| !c.is_whitespace());
        self.out.unclosed.push(self.span(after..self.at));
        self.push(Kind::Bad, String::new().into(), start, false);
    }
}

/// What a bare word may start with; `$` only inside.
fn is_word(c: char) -> bool {
    c.is_ascii_graphic()
        && !PUNCTUATION.contains(&c)
        && !matches!(c, '"' | '\'' | '\\' | '#' | '$' | '<' | '>' | '!')
}

fn is_word_inside(c: char) -> bool {
    is_word(c) || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        let lexed = lex(0, text);
        assert!(lexed.diagnostics.is_empty());
        let show = |t: &Token| match t.kind {
            Kind::Punct(c) => c.to_string(),
            Kind::Macro => format!("${}", t.text.as_str()),
            Kind::Quoted => format!("{:?}", t.text.as_str()),
            Kind::Word => t.text.to_string(),
            Kind::Bad => "BAD".into(),
        };
        let line = |s: &Vec<Token>| s.iter().map(show).collect();
        lexed.statements.iter().map(line).collect()
    }

    #[test]
    fn lines_end_statements_unless_continued() {
        assert_eq!(
            words("a b\\\n c # x\n\n#\nd"),
            [vec!["a", "b", "c"], vec!["d"]]
        );
        assert_eq!(words("a \\\r\nb"), [vec!["a", "b"]]);
    }

    #[test]
    fn macros_start_tokens_only_and_not_in_quotes() {
        assert_eq!(
            words("$a ipsec-$domain \"$b\" $c/24"),
            [vec!["$a", "ipsec-$domain", "\"$b\"", "$c", "/24"]]
        );
    }

    #[test]
    fn quotes_keep_blanks_hashes_and_escaped_quotes() {
        assert_eq!(
            words(r##"'a "b' "c\" # d" "\\ \x""##),
            [vec![r#""a \"b""#, r##""c\" # d""##, r#""\\ \\x""#]]
        );
    }

    #[test]
    fn punctuation_separates() {
        assert_eq!(words("{a,b} (c)=d")[0].join(" "), "{ a , b } ( c ) = d");
    }

    #[test]
    fn errors_have_places() {
        for (text, start) in [
            ("a \"b", 2),
            ("a \\ b", 2),
            ("a <", 2),
            ("é", 0),
            ("$ a", 0),
        ] {
            let lexed = lex(0, text);
            assert_eq!(lexed.diagnostics.len(), 1, "{text}");
            let list = crate::config::Diagnostics::new(lexed.diagnostics, &{
                let mut sources = crate::config::source::Sources::default();
                sources.add("x".into(), Zeroizing::new(text.to_owned()));
                sources
            });
            assert_eq!(list.iter().next().unwrap().column, start + 1, "{text}");
        }
    }
}
