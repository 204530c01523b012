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

/// Marks a file that cannot be written as no misuse.
#[expect(clippy::needless_pass_by_value, reason = "it is passed to `map_err`")]
pub(crate) fn unmeasurable(error: perf_store::atomic::WriteError) -> anyhow::Error {
    Unmeasurable(error.to_string()).into()
}
