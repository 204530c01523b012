//! Fields that the server refuses are found out before the load: [`Trial`] sends a short request
//! without one field after the other until the server takes it.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use perf_clock::Clock;
use perf_model::record::left_out::LeftOut;
use perf_model::spec::request_field::RequestField;

use crate::http::endpoint::Endpoint;
use crate::openai::error_message::{is_error, server_message};
use crate::openai::refusal::refused;

/// As much of an answer is read as could hold an error.
const ANSWER: usize = 64 * 1024;

/// How long a short request may take.
const LIMIT: Duration = Duration::from_mins(2);

/// A request that is tried.
pub(crate) struct Trial<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) clock: Clock,
    pub(crate) path: &'static str,
    /// Its body without some fields.
    pub(crate) body: &'a (dyn Fn(&[RequestField]) -> Bytes + Sync),
    /// The fields that can be left out.
    pub(crate) optional: Vec<RequestField>,
}

/// What a server made of a request.
enum Answer {
    Taken,
    /// It does not like something in it: its words for a message, and all it said.
    Refused(String, Vec<u8>),
    /// Something that other fields cannot change.
    Other,
}

impl Trial<'_> {
    /// Finds out what must be left out beside what is, so that the server takes the request. `None`
    /// where nothing needs to be, or no such request is taken.
    pub(crate) async fn run(&self, already: &[LeftOut]) -> Option<Vec<LeftOut>> {
        let mut left_out = already.to_vec();
        // Every refusal takes one field away at least.
        for _ in 0..=self.optional.len() {
            match self.ask(&names(&left_out)).await {
                Answer::Taken => return (left_out.len() > already.len()).then_some(left_out),
                Answer::Other => return None,
                Answer::Refused(words, body) => {
                    let fields = refused(&body, &self.sent(&left_out));
                    if fields.is_empty() {
                        return self.by_elimination(left_out, &words).await;
                    }
                    left_out.extend(fields.into_iter().map(|field| because(field, &words)));
                }
            }
        }
        None
    }

    /// The server names no field: all are left out, and each is added again that does no harm.
    async fn by_elimination(&self, before: Vec<LeftOut>, words: &str) -> Option<Vec<LeftOut>> {
        let mut left_out = before.clone();
        left_out.extend(self.sent(&before).into_iter().map(|field| because(field, words)));
        if !matches!(self.ask(&names(&left_out)).await, Answer::Taken) {
            return None;
        }
        for field in self.sent(&before).into_iter().rev() {
            let fewer: Vec<LeftOut> =
                left_out.iter().filter(|there| there.field != field).cloned().collect();
            if matches!(self.ask(&names(&fewer)).await, Answer::Taken) {
                left_out = fewer;
            }
        }
        (left_out.len() > before.len()).then_some(left_out)
    }

    fn sent(&self, left_out: &[LeftOut]) -> Vec<RequestField> {
        let gone = names(left_out);
        // What is inside a field that is left out is not sent either.
        let is_sent = |field: &RequestField| {
            let holder = match field {
                RequestField::ContinuousUsageStats => RequestField::StreamOptions,
                other => *other,
            };
            !gone.contains(field) && !gone.contains(&holder)
        };
        self.optional.iter().copied().filter(is_sent).collect()
    }

    async fn ask(&self, left_out: &[RequestField]) -> Answer {
        let asked = async {
            let body = (self.body)(left_out);
            let mut incoming = self.endpoint.send(Method::POST, self.path, body).await.ok()?;
            let mut read = Vec::new();
            while read.len() < ANSWER
                && let Some(Ok(())) = incoming.piece(&mut read).await
            {}
            Some((incoming.status, read))
        };
        let Ok(Some((status, body))) = self.clock.timeout(LIMIT, asked).await else {
            return Answer::Other;
        };
        let said = |body: &[u8]| {
            let words = server_message(body);
            let said =
                if words.is_empty() { status.to_string() } else { format!("{status}: {words}") };
            self.endpoint.masked(said)
        };
        match status {
            StatusCode::OK => match error_inside(&body) {
                Some(error) => Answer::Refused(said(error), error.to_vec()),
                None => Answer::Taken,
            },
            // Some servers crash at a field that they do not expect.
            StatusCode::BAD_REQUEST
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::NOT_IMPLEMENTED
            | StatusCode::INTERNAL_SERVER_ERROR => Answer::Refused(said(&body), body),
            _ => Answer::Other,
        }
    }
}

fn names(left_out: &[LeftOut]) -> Vec<RequestField> {
    left_out.iter().map(|there| there.field).collect()
}

fn because(field: RequestField, words: &str) -> LeftOut {
    LeftOut { field, refusal: Some(words.to_owned()) }
}

/// The error in a response that began well: the whole body, or its first event.
fn error_inside(body: &[u8]) -> Option<&[u8]> {
    let first = body.split(|byte| *byte == b'\n').next()?;
    let event = first.strip_prefix(b"data:").map(<[u8]>::trim_ascii);
    event.into_iter().chain([body]).find(|text| is_error(text))
}
