//! What the parts of a baseline's text share: quoted scalars, lists, and figures with their digits.

use crate::judge::baseline::BaselineError;

/// A double-quoted scalar: a JSON string is one in YAML too.
pub(super) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A quoted scalar, or `null`.
pub(super) fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), quote)
}

/// One item a line, so that a diff shows the argument that changed and no other.
pub(super) fn list(items: &[String]) -> String {
    if items.is_empty() {
        return "[]".to_owned();
    }
    items.iter().fold(String::new(), |text, item| text + "\n  - " + &quote(item))
}

/// A line of a key and a value, which may begin on the next line.
pub(super) fn line(key: &str, value: &str) -> String {
    let gap = if value.starts_with('\n') { "" } else { " " };
    format!("{key}:{gap}{value}\n")
}

/// The most columns of a line that holds a text.
const COLUMNS: usize = 100;

/// A line of a key and a text in quotes. A text that is too wide goes on in further lines: each but the
/// last ends in a backslash, which YAML takes for no line break at all, so that no blank is lost.
pub(super) fn text_line(indent: &str, key: &str, text: &str) -> String {
    let quoted = quote(text);
    let mut line = format!("{indent}{key}:");
    let (mut lines, mut is_first) = (String::new(), true);
    for piece in pieces(&quoted) {
        // One more for the backslash.
        let width = line.chars().count() + piece.chars().count() + 1;
        if !is_first && width > COLUMNS {
            lines += &line;
            lines += "\\\n";
            line = format!("{indent}  ");
        } else if is_first {
            line.push(' ');
        }
        line += piece;
        is_first = false;
    }
    format!("{lines}{line}\n")
}

/// A text cut behind its blanks, so that no piece begins with one.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for (at, _) in text.match_indices(' ') {
        if !text[at + 1..].starts_with(' ') {
            pieces.push(&text[from..=at]);
            from = at + 1;
        }
    }
    pieces.push(&text[from..]);
    pieces
}

/// The values of a metric as nested lists: `[session][start][run]`, a start of one run as a number.
pub(super) fn nested(sessions: &[Vec<Vec<f64>>]) -> String {
    sequence(sessions, &|starts| {
        sequence(starts, &|runs| match runs[..] {
            [only] => number(only),
            _ => sequence(runs, &|run| number(*run)),
        })
    })
}

fn sequence<T>(items: &[T], show: &dyn Fn(&T) -> String) -> String {
    format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
}

/// A figure with enough digits that rounding is far below any noise: 6 significant ones, at least 1
/// decimal. Of a figure that was read it gives the text that was read.
pub(super) fn number(value: f64) -> String {
    let text = digits(value);
    // 99.99999 becomes 100.0000, which has a digit more than 100 is written with.
    text.parse().map_or(text, digits)
}

fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 10_000.0 => 1,
        large if large >= 1_000.0 => 2,
        large if large >= 100.0 => 3,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

/// A figure as its text has it.
pub(super) fn rounded(value: f64) -> f64 {
    number(value).parse().unwrap_or(value)
}

/// The schema alone, read before anything else, because a newer file may hold keys that this code
/// does not know.
pub(super) fn read_schema(yaml: &str) -> Result<u32, BaselineError> {
    let first = yaml.lines().next().unwrap_or_default();
    let number = first.strip_prefix("schema: ").and_then(|number| number.trim().parse().ok());
    number.ok_or_else(|| {
        BaselineError::Unreadable(format!("its first line is `{first}`, not its schema"))
    })
}

/// An error of a parser, on one line.
pub(super) fn unreadable(error: &dyn std::fmt::Display) -> BaselineError {
    let text = error.to_string();
    BaselineError::Unreadable(text.lines().next().unwrap_or_default().to_owned())
}

/// The first line in which a text differs from what would be written, if there is one.
pub(super) fn changed_line<'a>(read: &'a str, written: &str) -> Option<&'a str> {
    let differs = |(read, written): &(&str, &str)| read.trim_end() != written.trim_end();
    read.lines().zip(written.lines()).find(differs).map(|(read, _)| read)
}

/// Whether a text has as many lines as what would be written.
pub(super) fn has_all_lines(read: &str, written: &str) -> bool {
    read.trim_end().lines().count() == written.trim_end().lines().count()
}
