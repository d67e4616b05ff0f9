//! Errors and warnings with their place in the text, drawn like a compiler's.
//!
//! Everything here is free of secrets: texts are redacted when a list is made.
use super::source::{Sources, Span};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The configuration is not used.
    Error,
    /// The configuration is used, but probably means something else than intended.
    Warning,
}

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong; no secret in it.
    pub message: String,
    /// What to say at the place; may be empty.
    pub label: String,
    /// File, as named on the command line or in `include`; empty if it is about no file.
    pub file: String,
    /// Line, from 1; 0 if it is about no line.
    pub line: usize,
    /// Column in characters, from 1; 0 if it is about no line.
    pub column: usize,
    /// What to do about it.
    pub help: Option<String>,
    span: Option<Span>,
    related: Vec<(Span, String)>,
}

impl Diagnostic {
    pub(super) fn error(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, Some(span), message.into())
    }

    pub(super) fn warning(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, Some(span), message.into())
    }

    /// An error without a place in a text.
    pub(super) fn global(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, None, message.into())
    }

    fn new(severity: Severity, span: Option<Span>, message: String) -> Self {
        Self {
            severity,
            message,
            label: String::new(),
            file: String::new(),
            line: 0,
            column: 0,
            help: None,
            span,
            related: Vec::new(),
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    pub(super) fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }
}

/// All errors and warnings of a configuration, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// Names and redacted texts, by the number in spans.
    sources: Vec<(String, String)>,
}

impl Diagnostics {
    pub(super) fn new(mut list: Vec<Diagnostic>, sources: &Sources) -> Self {
        for diagnostic in &mut list {
            if let Some((file, line, column)) = diagnostic.span.and_then(|span| sources.place(span))
            {
                diagnostic.file = file.to_owned();
                diagnostic.line = line;
                diagnostic.column = column;
            }
            diagnostic.message = sources.scrub(&diagnostic.message);
            diagnostic.label = sources.scrub(&diagnostic.label);
            diagnostic.help = diagnostic.help.as_deref().map(|help| sources.scrub(help));
            for (_, label) in &mut diagnostic.related {
                *label = sources.scrub(label);
            }
        }
        list.sort_by_key(|d| d.span.map(|span| (span.file, span.start)));
        list.dedup();
        let sources = match list.is_empty() {
            true => Vec::new(),
            false => sources.redacted(),
        };
        Self { list, sources }
    }

    /// The errors and warnings.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// For people: each with the text it is about, the place marked, and the remedy.
    pub fn render(&self, color: bool) -> String {
        let renderer = match color {
            true => Renderer::styled(),
            false => Renderer::plain(),
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut out = String::new();
        for diagnostic in &self.list {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&renderer.render(&[self.group(diagnostic)]));
            out.push('\n');
        }
        out
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(diagnostic.message.as_str());
        let mut group = Group::with_title(title);
        let place = diagnostic
            .span
            .and_then(|span| Some((span, self.sources.get(span.file as usize)?)));
        if let Some((span, (name, text))) = place {
            let main = AnnotationKind::Primary
                .span(clamp(span, text))
                .label((!diagnostic.label.is_empty()).then_some(diagnostic.label.as_str()));
            let mut snippet = Snippet::source(text.as_str())
                .path(name.as_str())
                .annotation(main);
            let mut elsewhere = Vec::new();
            for (other, label) in &diagnostic.related {
                let Some((other_name, other_text)) = self.sources.get(other.file as usize) else {
                    continue;
                };
                let annotation = AnnotationKind::Context
                    .span(clamp(*other, other_text))
                    .label(label.as_str());
                if other.file == span.file {
                    snippet = snippet.annotation(annotation);
                } else {
                    elsewhere.push(
                        Snippet::source(other_text.as_str())
                            .path(other_name.as_str())
                            .annotation(annotation),
                    );
                }
            }
            group = group.element(snippet).elements(elsewhere);
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        group
    }
}

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// The span as a range that surely is in the text.
fn clamp(span: Span, text: &str) -> std::ops::Range<usize> {
    let end = (span.end as usize).min(text.len());
    let start = (span.start as usize).min(end);
    start..end
}
