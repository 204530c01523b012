//! What went wrong with a connection: [`ConnectionError`], or with an address: [`EndpointError`].

use std::io::{self, ErrorKind};

use perf_model::spec::server_url::ServerUrlError;

/// Why nothing can be sent to an address. It never repeats a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The address.
    #[error(transparent)]
    Url(#[from] ServerUrlError),
    /// Its headers, its key or its certificates.
    #[error("{0}")]
    Access(String),
}

/// What went wrong with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionError {
    pub(crate) cause: Cause,
    /// For a message.
    pub(crate) what: String,
}

/// Who or what ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The other side reset it.
    Reset,
    /// The other side sent bytes that are not HTTP/1.1, or more than the client takes.
    Malformed,
    /// It could not be opened, or it was closed.
    Closed,
}

impl ConnectionError {
    /// A connection that could not be opened, or was closed.
    pub(crate) fn closed(what: impl Into<String>) -> Self {
        Self { cause: Cause::Closed, what: what.into() }
    }

    /// Bytes that are not HTTP/1.1, or more of them than the client takes.
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self { cause: Cause::Malformed, what: what.into() }
    }

    /// An error of the operating system, with what was being done.
    pub(crate) fn by(error: &io::Error, doing: &str) -> Self {
        let is_reset = matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        Self { cause: Cause::of(is_reset), what: format!("{doing}: {error}") }
    }

    /// The error of a body, which may have one of the operating system among its causes.
    pub(crate) fn of_body(error: &(dyn std::error::Error + 'static)) -> Self {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let is_reset = causes
            .filter_map(|error| error.downcast_ref::<io::Error>())
            .any(|error| error.kind() == ErrorKind::ConnectionReset);
        Self { cause: Cause::of(is_reset), what: chain(error) }
    }

    /// The same, with more to say.
    pub(crate) fn and(self, more: &str) -> Self {
        Self { what: format!("{}{more}", self.what), ..self }
    }
}

impl Cause {
    fn of(is_reset: bool) -> Self {
        if is_reset { Self::Reset } else { Self::Closed }
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
