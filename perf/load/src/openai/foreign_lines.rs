//! What a server sent in place of server-sent events, or between them: [`explain`] puts it into the
//! result of a stream, so that a failure repeats what the server said.

use perf_model::record::oddity::{Oddity, OddityKind};
use perf_model::record::sample::FailureKind;

use crate::openai::error_message::{excerpt, is_error, server_message};
use crate::openai::failure::Failure;
use crate::openai::response::Response;
use crate::openai::sse::Foreign;

/// The result of a stream, with what the server sent beside its events. `other_type` is the content
/// type, where it is not that of events.
pub(crate) fn explain(
    result: Result<(), Failure>,
    foreign: &Foreign,
    other_type: Option<&str>,
    response: &mut Response,
) -> Result<(), Failure> {
    let text = foreign.text.trim_ascii();
    if let Some(error) = error_in(text) {
        return Err(Failure::new(FailureKind::ErrorInBand, error));
    }
    let nothing_read = other_type.filter(|_| !response.saw_choice);
    let mut failure = match (result, nothing_read) {
        (_, Some(other)) => {
            let what = format!("the response is {other}, not a stream of events");
            Failure::new(FailureKind::Malformed, what)
        }
        (Err(failure), None) => failure,
        (Ok(()), None) => {
            if let Some(other) = other_type {
                response.note(Oddity::with(OddityKind::ContentType, other));
            }
            if foreign.lines > 0 {
                response.note(Oddity::with(OddityKind::ForeignLines, excerpt(text)));
            }
            return Ok(());
        }
    };
    if !text.is_empty() {
        failure.detail = format!("{}; the server sent: {}", failure.detail, excerpt(text));
    }
    Err(failure)
}

/// The message of an error that a server sent without the framing of an event: as a field `error`,
/// or as bare JSON.
fn error_in(text: &[u8]) -> Option<String> {
    match text.strip_prefix(b"error:") {
        Some(error) => Some(server_message(error)),
        None => is_error(text).then(|| server_message(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(text: &str) -> Foreign {
        Foreign { text: text.into(), lines: text.lines().count() }
    }

    fn cut_short() -> Result<(), Failure> {
        Err(Failure::new(FailureKind::CutShort, "the stream ended without [DONE]"))
    }

    #[test]
    fn an_error_without_the_framing_of_an_event_is_repeated() {
        for text in [
            "error: {\"code\":400,\"message\":\"too long\"}\n",
            "{\"error\":{\"message\":\"too long\"}}",
            "{\n  \"error\": \"too long\"\n}\n",
            "{\"object\":\"error\",\"message\":\"too long\"}",
        ] {
            for result in [cut_short(), Ok(())] {
                let failure = explain(result, &foreign(text), None, &mut Response::default());
                let wanted = Failure::new(FailureKind::ErrorInBand, "too long");
                assert_eq!(failure, Err(wanted), "{text}");
            }
        }
    }

    #[test]
    fn a_failure_repeats_what_the_server_sent_and_its_content_type() {
        let page = foreign("<html>\n<h1>Bad Gateway</h1>\n");
        let failure = explain(cut_short(), &page, Some("text/html"), &mut Response::default());
        assert_eq!(
            failure.unwrap_err().detail,
            "the response is text/html, not a stream of events; the server sent: <html> <h1>Bad Gateway</h1>"
        );
    }

    #[test]
    fn lines_and_types_that_did_no_harm_are_noted() {
        let mut response = Response::default();
        response.saw_choice = true;
        let result = explain(Ok(()), &foreign("hello\n"), Some("text/plain"), &mut response);
        assert_eq!(result, Ok(()));
        let kinds: Vec<OddityKind> = response.oddities.iter().map(|oddity| oddity.kind).collect();
        assert_eq!(kinds, [OddityKind::ContentType, OddityKind::ForeignLines]);
    }
}
