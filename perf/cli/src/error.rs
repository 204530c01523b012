//! What keeps a run from being measured although nothing is wrong with what was asked for:
//! [`Unmeasurable`].

use std::fmt;

/// The context of an error that is no misuse: the command ends as an invalid run does.
#[derive(Debug)]
pub(crate) struct Unmeasurable(pub(crate) String);

impl fmt::Display for Unmeasurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unmeasurable {}

/// Marks an error as no misuse, and says what could not be written.
pub(crate) fn cannot_write(path: &std::path::Path) -> Unmeasurable {
    Unmeasurable(format!("cannot write {}; a run needs room for its records", path.display()))
}
