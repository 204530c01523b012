//! What happened to a connection: [`ConnectionError`].

use std::io::{self, ErrorKind};

/// What happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionError {
    /// Whether the other side reset it, instead of closing it or never answering.
    pub(crate) is_reset: bool,
    /// In words.
    pub(crate) what: String,
}

impl ConnectionError {
    /// Something else than a reset.
    pub(crate) fn otherwise(what: impl Into<String>) -> Self {
        Self { is_reset: false, what: what.into() }
    }

    /// An error of the operating system, with what was being done.
    pub(crate) fn by(error: &io::Error, doing: &str) -> Self {
        let is_reset = matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        Self { is_reset, what: format!("{doing}: {error}") }
    }

    /// The error of a body, which may have one of the operating system among its causes.
    pub(crate) fn of_body(error: &(dyn std::error::Error + 'static)) -> Self {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let is_reset = causes
            .filter_map(|error| error.downcast_ref::<io::Error>())
            .any(|error| error.kind() == ErrorKind::ConnectionReset);
        Self { is_reset, what: chain(error) }
    }

    /// The same, with more to say.
    pub(crate) fn and(self, more: &str) -> Self {
        Self { what: format!("{}{more}", self.what), ..self }
    }
}

/// An error and its causes on one line: the outermost alone rarely says what happened.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
