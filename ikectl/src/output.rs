//! Standard output and error, and colour where a person looks.
use std::io::{self, IsTerminal as _, Write as _};

/// Colours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Plain text.
    Plain,
    /// ANSI colours.
    Colour,
}

impl Style {
    /// Colour if standard output is a terminal that has it, and nobody objects (NO_COLOR).
    pub(crate) fn of_stdout() -> Self {
        let objected = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_none_or(|t| t == "dumb");
        if io::stdout().is_terminal() && !objected {
            Self::Colour
        } else {
            Self::Plain
        }
    }
    /// A heading.
    pub(crate) fn heading(self, text: &str) -> String {
        self.paint("1", text)
    }
    /// Something that is as it should be.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }
    /// Something in between.
    pub(crate) fn changing(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// Prints to standard output. A reader that has seen enough (`| head`) is no error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Prints to standard error; if that is gone there is nobody to tell.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "ikectl: {}", text.trim_end());
}
