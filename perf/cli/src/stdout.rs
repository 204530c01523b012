//! Results on standard output: [`say`].

use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

/// Why a line could not be written, from the first failure on.
static FAILURE: OnceLock<String> = OnceLock::new();

/// Writes a line to standard output. A closed pipe (`| head`) is not a failure: its reader has what
/// it wanted.
pub(crate) fn say(line: impl AsRef<str>) {
    match writeln!(std::io::stdout().lock(), "{}", line.as_ref()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = FAILURE.set(error.to_string());
        }
        _ => {}
    }
}

/// Why the results are incomplete, if a line could not be written.
pub(crate) fn failure() -> Option<&'static str> {
    FAILURE.get().map(String::as_str)
}
