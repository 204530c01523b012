//! Access to the parsers for this crate's benches only; not part of the public API.

use std::convert::Infallible;
use std::time::Duration;

use crate::openai::response::Response;
use crate::openai::sse::Splitter;

/// How many events a stream holds.
pub fn split(stream: &[u8]) -> usize {
    let mut events = 0;
    let Ok(()) = Splitter::default().push(stream, Duration::ZERO, |_, _| {
        events += 1;
        Ok::<(), Infallible>(())
    });
    events
}

/// How many chunks a stream's events carry, read as a response.
pub fn read(stream: &[u8]) -> usize {
    let mut response = Response::default();
    let _ = Splitter::default()
        .push(stream, Duration::ZERO, |_, data| response.take_event(0, data).map(drop));
    response.split.chunks.len()
}
