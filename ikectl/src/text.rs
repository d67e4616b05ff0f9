//! Text for people: octets and times in human units, wrapping, and nothing in it that could
//! move a terminal's cursor, since identities and reasons come from the network.

/// Columns of the terminals that everything must fit on.
pub(crate) const WIDTH: usize = 80;

/// Octets in binary units with three digits: "999 B", "1.21 KiB", "84.0 MiB".
pub(crate) fn octets(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1000 {
        return format!("{n} B");
    }
    let mut scaled = n as f64;
    let mut unit = "B";
    for next in UNITS {
        scaled /= 1024.0;
        unit = next;
        if scaled < 999.5 {
            break;
        }
    }
    let digits = if scaled < 9.995 {
        2
    } else if scaled < 99.95 {
        1
    } else {
        0
    };
    format!("{scaled:.digits$} {unit}")
}

/// A time in its two largest units: "9s", "3m 12s", "2h 41m", "12d 3h".
pub(crate) fn seconds(s: u64) -> String {
    let (days, hours, minutes) = (s / 86_400, s / 3600 % 24, s / 60 % 60);
    if days > 0 {
        format!("{days}d {hours}h")
    } else if hours > 0 {
        format!("{hours}h {minutes}m")
    } else if minutes > 0 {
        format!("{minutes}m {}s", s % 60)
    } else {
        format!("{s}s")
    }
}

/// The same where there may be none.
pub(crate) fn seconds_or_dash(s: Option<u64>) -> String {
    s.map_or_else(|| "-".into(), seconds)
}

/// On one line, without control characters.
pub(crate) fn clean(text: &str) -> String {
    clean_lines(text).replace('\n', " ")
}

/// Without control characters but for line ends.
pub(crate) fn clean_lines(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => c,
            // Also what reorders text on a terminal.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
            _ if c.is_control() => char::REPLACEMENT_CHARACTER,
            _ => c,
        })
        .collect()
}

/// Words joined with blanks into lines of at most [`WIDTH`] columns; the first line starts with
/// `first`, the others with as many blanks. A longer word gets a line of its own.
pub(crate) fn wrap<S: AsRef<str>>(first: &str, words: impl IntoIterator<Item = S>) -> String {
    let indent = first.chars().count();
    let mut out = first.to_owned();
    let mut column = indent;
    for word in words {
        let word = word.as_ref();
        let width = word.chars().count();
        if column > indent {
            if column + 1 + width > WIDTH {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                column = indent;
            } else {
                out.push(' ');
                column += 1;
            }
        }
        out.push_str(word);
        column += width;
    }
    out.push('\n');
    out
}

/// Left-aligned cells of the given widths, two blanks between, none at the end. A cell that is too
/// wide stays whole and goes on the line before.
pub(crate) fn row(indent: usize, cells: &[(&str, usize)]) -> String {
    let mut out = String::new();
    let mut line = " ".repeat(indent);
    for (text, width) in cells {
        let chars = text.chars().count();
        if chars > *width && line.trim().is_empty() {
            out.push_str(&line);
            out.push_str(text);
            out.push('\n');
            line.push_str(&" ".repeat(width + 2));
            continue;
        }
        line.push_str(text);
        line.push_str(&" ".repeat(width.saturating_sub(chars) + 2));
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_have_three_digits_and_the_unit_that_fits() {
        for (n, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "0.98 KiB"),
            (1024, "1.00 KiB"),
            (10_240, "10.0 KiB"),
            (102_400, "100 KiB"),
            (1_023_488, "0.98 MiB"),
            (1_048_576, "1.00 MiB"),
            (88_080_384, "84.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(octets(n), text, "{n}");
        }
    }

    #[test]
    fn times_have_two_units() {
        for (s, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m 0s"),
            (192, "3m 12s"),
            (9_660, "2h 41m"),
            (1_047_600, "12d 3h"),
        ] {
            assert_eq!(seconds(s), text);
        }
        assert_eq!(seconds_or_dash(None), "-");
    }

    #[test]
    fn nothing_from_the_network_can_steer_a_terminal() {
        assert_eq!(
            clean("a\x1b[2Jb\r\nc\u{202e}d\u{9b}"),
            "a\u{fffd}[2Jb\u{fffd} c\u{fffd}d\u{fffd}"
        );
        assert_eq!(clean_lines("a\nb\x07"), "a\nb\u{fffd}");
    }

    #[test]
    fn long_lists_wrap_under_their_first_word() {
        let words: Vec<String> = (0..12).map(|n| format!("10.{n}.0.0/16,")).collect();
        let text = wrap("  local ", &words);
        assert!(text.lines().count() > 1);
        assert!(text.lines().all(|l| l.chars().count() <= WIDTH), "{text}");
        assert!(
            text.lines().skip(1).all(|l| l.starts_with("        10.")),
            "{text}"
        );
    }

    #[test]
    fn a_cell_that_is_too_wide_stays_whole() {
        assert_eq!(row(0, &[("ab", 4), ("c", 2), ("d", 1)]), "ab    c   d\n");
        assert_eq!(row(2, &[("abcdef", 4), ("c", 2)]), "  abcdef\n        c\n");
    }
}
