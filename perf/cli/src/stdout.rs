//! Answers on standard output: [`say`].

use std::io::Write;

/// Writes a line to standard output. A reader that has gone away (`| head`) has seen what it
/// wanted.
pub(crate) fn say(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout().lock(), "{}", line.as_ref());
}
