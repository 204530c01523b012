//! Responses of which the truth is known and that are no stream: refusals, other types than asked
//! for, and answers of loads that do not stream.

use bytes::Bytes;
use http::StatusCode;
use perf_model::record::sample::FailureKind;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;

use crate::faults::{ERRORS, Fault};
use crate::server::{Ending, Reply, us};
use crate::truth::{Claims, Counting, Expected, Truth, World, micros};

const STATUSES: [u16; 12] = [201, 301, 400, 401, 404, 413, 422, 429, 500, 502, 503, 504];

const REFUSALS: [&str; 5] = [
    "",
    "{\"error\":{\"message\":\"no\"}}",
    "{\"detail\":[{\"msg\":\"no\"}]}",
    "<html>no</html>",
    "data: [DONE]\n\n",
];

/// No beginning of JSON, or JSON that says nothing.
const GARBAGE: [&str; 6] = [
    "<html>",
    "nonsense",
    "{}",
    "null",
    "{\"choices\": 7}",
    "{\"choices\":[{\"text\":\"x\"}],\"usage\":{\"completion_tokens\":-1}}",
];

/// A body on its way: its pieces, and when the last has come.
struct Body {
    pieces: Vec<(u64, Bytes)>,
    end_us: u64,
}

impl Body {
    /// The first `length` bytes of `text`, cut anywhere.
    fn draw(rng: &mut ChaCha8Rng, begin_us: u64, text: &str, length: usize) -> Self {
        let mut body = Self { pieces: Vec::new(), end_us: begin_us };
        let mut rest = &text.as_bytes()[..length];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rng.random_range(1..=rest.len()));
            let pause = *[0, 1, 2_000].choose(rng).unwrap();
            body.pieces.push((pause, Bytes::copy_from_slice(piece)));
            body.end_us += pause;
            rest = after;
        }
        body
    }

    fn reply(self, delay: u64, status: u16, content_type: Option<&str>, ending: Ending) -> Reply {
        Reply {
            delay: us(delay),
            status: StatusCode::from_u16(status).unwrap(),
            content_type: content_type.map(str::to_owned),
            ending,
            ..Reply::stream(self.pieces)
        }
    }
}

/// A status other than 200.
pub(crate) fn refused(rng: &mut ChaCha8Rng, fault: Fault, world: &World) -> Truth {
    let delay = fault.delay(rng, world);
    let text = *REFUSALS.choose(rng).unwrap();
    let body = Body::draw(rng, delay, text, text.len());
    let ending = [Ending::Closes, Ending::Breaks, Ending::Hangs].choose(rng).unwrap().clone();
    let waited = if ending == Ending::Hangs { micros(world.stall_limit) } else { 0 };
    let content_type = ["application/json", "text/event-stream"].choose(rng).copied();
    let status = *STATUSES.choose(rng).unwrap();
    let kind = match status {
        500.. => FailureKind::ServerError,
        300..400 => FailureKind::Redirected,
        _ => FailureKind::Refused,
    };
    let expected =
        Expected { failure: Some(kind), end_us: body.end_us + waited, ..Expected::default() };
    Truth { fault, reply: body.reply(delay, status, content_type, ending), expected }
}

/// Something else than a stream where one was asked for. It is not read.
pub(crate) fn of_another_type(rng: &mut ChaCha8Rng, fault: Fault, world: &World) -> Truth {
    let delay = fault.delay(rng, world);
    let text = *REFUSALS.choose(rng).unwrap();
    let body = Body::draw(rng, delay, text, text.len());
    let content_type =
        ["text/html", "application/json", "text/plain; charset=utf-8"].choose(rng).copied();
    // An error that is sent in place of a stream is one.
    let is_error = text.starts_with("{\"error\"") || text.starts_with("{\"detail\"");
    let failure = if is_error { Some(FailureKind::ErrorInBand) } else { fault.kind() };
    let expected = Expected { failure, end_us: body.end_us, ..Expected::default() };
    Truth { fault, reply: body.reply(delay, 200, content_type, Ending::Closes), expected }
}

/// The answer of a load that does not stream.
pub(crate) fn answer(rng: &mut ChaCha8Rng, fault: Fault, world: &World) -> Truth {
    let delay = fault.delay(rng, world);
    let claims = fault.claims(rng, world);
    let (text, mut expected) = said(rng, fault, &claims);
    let length = if fault.stops() { rng.random_range(0..text.len()) } else { text.len() };
    let body = Body::draw(rng, delay, &text, length);
    let ending = fault.ending(rng, false);
    if fault.stops() || fault == Fault::SlowHeaders {
        expected = Expected::default();
    }
    expected.failure = fault.kind();
    expected.end_us = match (fault, &ending) {
        (Fault::SlowHeaders, _) => micros(world.stall_limit),
        (_, Ending::Hangs) => body.end_us + micros(world.stall_limit),
        _ => body.end_us,
    };
    Truth { fault, reply: body.reply(delay, 200, Some("application/json"), ending), expected }
}

/// The text of an answer, and what a client knows that has read it.
fn said(rng: &mut ChaCha8Rng, fault: Fault, claims: &Claims) -> (String, Expected) {
    match fault {
        Fault::InBand => return ((*ERRORS.choose(rng).unwrap()).to_owned(), Expected::default()),
        Fault::Malformed => {
            return ((*GARBAGE.choose(rng).unwrap()).to_owned(), Expected::default());
        }
        Fault::Empty if rng.random_bool(0.5) => {
            return ("{\"choices\":[]}".to_owned(), Expected::default());
        }
        _ => {}
    }
    let total = if fault == Fault::Empty { 0 } else { claims.output_tokens };
    let usage = match claims.counting {
        Counting::Never => "null".to_owned(),
        Counting::Lapses => "{}".to_owned(),
        Counting::Running | Counting::AtTheEnd => claims.usage(total),
    };
    let is_counted = matches!(claims.counting, Counting::Running | Counting::AtTheEnd);
    let reason = claims.reason.map_or("null".to_owned(), |reason| format!("\"{reason}\""));
    let text = format!(
        "{{\"object\":\"text_completion\",\"choices\":[{{\"index\":0,\"text\":\"x\",\"finish_reason\":{reason}}}],\
         \"usage\":{usage}}}"
    );
    let expected = Expected {
        prompt_tokens: is_counted.then_some(claims.prompt_tokens),
        output_tokens: is_counted.then_some(total),
        finish_reason: claims.reason.map(str::to_owned),
        ..Expected::default()
    };
    (text, expected)
}
