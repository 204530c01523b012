//! Results on standard output: [`say`] for people, [`say_as_it_is`] for programs.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use perf_report::terminal;

use crate::live;

/// Why a line could not be written, from the first failure on.
static FAILURE: OnceLock<String> = OnceLock::new();

/// Writes lines to standard output, none wider than 80 columns unless a single word is. A closed pipe
/// (`| head`) is not a failure: its reader has what it wanted.
pub(crate) fn say(lines: impl AsRef<str>) {
    say_as_it_is(terminal::folded(lines.as_ref()));
}

/// The same of a text that a program reads, whose lines must stay as they are.
pub(crate) fn say_as_it_is(line: impl AsRef<str>) {
    let line = line.as_ref();
    let written = live::above(|| {
        if is_coloured() {
            writeln!(std::io::stdout().lock(), "{}", coloured(line))
        } else {
            writeln!(std::io::stdout().lock(), "{line}")
        }
    });
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = FAILURE.set(error.to_string());
        }
        _ => {}
    }
}

/// Whether colours help: on a terminal that shows them, unless `NO_COLOR` is set.
fn is_coloured() -> bool {
    static IS: OnceLock<bool> = OnceLock::new();
    *IS.get_or_init(|| {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
    })
}

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const GREEN: &str = "\u{1b}[32m";
const PLAIN: &str = "\u{1b}[0m";
/// The words that say a verdict, each with its colour. Words in capitals are verdicts anywhere;
/// *held* and *improved* only behind two spaces, as in a table.
const VERDICTS: [(&str, &str); 8] = [
    ("REGRESSED", RED),
    ("INVALID", RED),
    ("CREEP", RED),
    ("INCONCLUSIVE", YELLOW),
    ("UNRECORDED", YELLOW),
    ("INCOMPARABLE", YELLOW),
    ("STALE", YELLOW),
    ("SIMULATED", YELLOW),
];

/// The text with the colours of its verdicts.
fn coloured(text: &str) -> String {
    let mut text = text.to_owned();
    for (word, colour) in VERDICTS {
        text = text.replace(word, &format!("{colour}{word}{PLAIN}"));
    }
    let lines = text.split('\n').map(|line| {
        for word in ["held", "improved"] {
            let column = format!("  {word}");
            let (at, end) = (line.find(&column), line.find(&format!("{column}  ")));
            let at = if line.ends_with(&column) { at } else { end };
            if let Some(at) = at {
                let (before, after) = (&line[..at], &line[at + column.len()..]);
                return format!("{before}  {GREEN}{word}{PLAIN}{after}");
            }
        }
        line.to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Why the results are incomplete, if a line could not be written.
pub(crate) fn failure() -> Option<&'static str> {
    FAILURE.get().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_coloured_and_the_same_word_in_a_sentence_is_not() {
        assert_eq!(coloured("s / l   held"), format!("s / l   {GREEN}held{PLAIN}"));
        assert_eq!(
            coloured("s / l   held   1 guard"),
            format!("s / l   {GREEN}held{PLAIN}   1 guard")
        );
        assert_eq!(coloured("a load that held\nimproved: x"), "a load that held\nimproved: x");
        assert_eq!(coloured("1  REGRESSED"), format!("1  {RED}REGRESSED{PLAIN}"));
    }
}
