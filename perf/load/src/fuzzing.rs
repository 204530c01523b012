//! Access to the parsers for the fuzzer only. Each function panics when an invariant is broken.

use std::convert::Infallible;
use std::time::Duration;

use crate::http::http1::{self, Body};
use crate::openai::response::Response;
use crate::openai::sse::Splitter;
use crate::server::metrics;

/// A stream that arrives in pieces, and the same in one: the events are the same, each as old as
/// its first byte, and the tokens of the chunks add up.
///
/// # Panics
/// When they are not.
pub fn stream(bytes: &[u8], cuts: &[u8]) {
    let whole = events(&[bytes]);
    let cut = events(&pieces(bytes, cuts));
    assert!(
        whole.iter().map(|(_, data)| data).eq(cut.iter().map(|(_, data)| data)),
        "{whole:?}\n{cut:?}"
    );
    assert!(cut.is_sorted_by_key(|(since, _)| *since), "{cut:?}");

    let mut response = Response::default();
    let is_well =
        whole.iter().zip(0..).all(|((_, data), at_us)| response.take_event(at_us, data).is_ok());
    let is_well = response.settle().is_ok() && is_well;
    let sum: u64 = response.split.chunks.iter().map(|chunk| u64::from(chunk.tokens)).sum();
    if let Some(total) =
        response.last_total().filter(|_| is_well && !response.split.chunks.is_empty())
    {
        assert_eq!(sum, u64::from(total), "{response:?}");
    }
    // The body of a response that is not streamed is anything as well.
    let _ = Response::default().take_whole(bytes);
}

/// A response over HTTP/1.1 whose body arrives in pieces, and the same in one: the content is the
/// same, and so is the place where the body ends or breaks.
///
/// # Panics
/// When it is not.
pub fn response(bytes: &[u8], cuts: &[u8]) {
    let Ok(Some((length, head))) = http1::parse_head(bytes) else { return };
    let body = &bytes[length..];
    let Ok(Some((again, other))) = http1::parse_head(&bytes[..length]) else {
        panic!("a head needs what follows it")
    };
    assert_eq!(length, again);
    assert_eq!(content(head.body, &[body]), content(other.body, &pieces(body, cuts)));
}

/// What of these pieces is a body's content, whether it is done, and how many bytes were left; or
/// how it broke.
fn content(mut body: Body, pieces: &[&[u8]]) -> (Vec<u8>, Result<(bool, usize), &'static str>) {
    let (mut content, mut left) = (Vec::new(), 0);
    for piece in pieces {
        match body.take(piece, &mut content) {
            Ok(taken) => left += piece.len() - taken,
            Err(what) => return (content, Err(what)),
        }
    }
    (content, Ok((body.is_done(), left)))
}

/// Bytes as they might arrive: in pieces of these lengths, and the rest.
fn pieces<'a>(bytes: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for cut in cuts {
        let (piece, after) = rest.split_at(usize::from(*cut).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// The text of `/metrics`: counters do not depend on the order of lines.
///
/// # Panics
/// When they do.
pub fn counters(text: &str) {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.reverse();
    assert_eq!(metrics::parse(text), metrics::parse(&lines.join("\n")));
}

fn events(pieces: &[&[u8]]) -> Vec<(Duration, Vec<u8>)> {
    let mut splitter = Splitter::default();
    let mut events = Vec::new();
    for (piece, at_us) in pieces.iter().zip(0..) {
        let Ok(()) = splitter.push(piece, Duration::from_micros(at_us), |since, data| {
            events.push((since, data.to_vec()));
            Ok::<(), Infallible>(())
        });
    }
    events
}
