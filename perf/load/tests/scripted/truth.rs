//! Responses of which the truth is known: [`Truth::draw`] makes a reply and, from what it writes
//! and when, the sample that a faultless client must make of it. Nothing here reads what it wrote.

use std::time::Duration;

use bytes::Bytes;
use perf_model::record::sample::FailureKind;
use perf_model::spec::load::{Api, OutputLength};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;

use crate::events::{Event, Says, Style};
use crate::faults::Fault;
use crate::server::{Ending, Reply, us};
use crate::whole;

/// What a whole run asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) api: Api,
    pub(crate) streamed: bool,
    pub(crate) output: OutputLength,
    /// The prompt's tokens, where it is sent as ids.
    pub(crate) prompt_ids: Option<u32>,
    pub(crate) stall_limit: Duration,
}

/// What truly happened, in microseconds since the request was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Expected {
    pub(crate) failure: Option<FailureKind>,
    pub(crate) chunks: Vec<(u64, u32)>,
    pub(crate) end_us: u64,
    pub(crate) prompt_tokens: Option<u32>,
    pub(crate) output_tokens: Option<u32>,
    pub(crate) finish_reason: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) fault: Fault,
    pub(crate) reply: Reply,
    pub(crate) expected: Expected,
}

/// Which chunks say how many tokens there were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Counting {
    Running,
    AtTheEnd,
    Never,
    /// Running, and then no more.
    Lapses,
}

/// What the server claims of a response.
pub(crate) struct Claims {
    pub(crate) counting: Counting,
    pub(crate) prompt_tokens: u32,
    pub(crate) output_tokens: u32,
    pub(crate) reason: Option<&'static str>,
}

impl Claims {
    pub(crate) fn usage(&self, total: u32) -> String {
        let prompt = self.prompt_tokens;
        format!(
            "{{\"prompt_tokens\":{prompt},\"total_tokens\":{},\"completion_tokens\":{total}}}",
            prompt + total
        )
    }
}

impl Truth {
    pub(crate) fn draw(rng: &mut ChaCha8Rng, world: &World) -> Self {
        let fault = Fault::draw(rng, world);
        match fault {
            Fault::Refused => return whole::refused(rng, fault, world),
            Fault::WrongType => return whole::of_another_type(rng, fault, world),
            _ if !world.streamed => return whole::answer(rng, fault, world),
            _ => {}
        }
        let style = Style::draw(rng, world.api == Api::Chat);
        let claims = fault.claims(rng, world);
        let mut events = if fault == Fault::Empty {
            Fault::nothing(rng, &style, &claims)
        } else {
            written(rng, &style, &claims)
        };
        let failing = fault.insert(rng, &style, &claims, &mut events);
        play(rng, fault, world, &claims, &events, failing)
    }
}

/// The events of a response that says what is claimed.
fn written(rng: &mut ChaCha8Rng, style: &Style, claims: &Claims) -> Vec<Event> {
    let is_running = matches!(claims.counting, Counting::Running | Counting::Lapses);
    // Without running totals the tokens of a chunk are unknown.
    let largest = if is_running { *[1, 1, 4].choose(rng).unwrap() } else { 1 };
    let mut events = Vec::new();
    let said = |total: u32| is_running.then_some(total);
    if style.is_chat {
        let usage = said(0).map(|total| claims.usage(total));
        events.push(style.role(rng, usage.as_deref(), Says { total: said(0), ..Says::default() }));
    }
    // A finish reason may come with the last token or in a chunk of its own.
    let reason_apart = claims.counting != Counting::Lapses && rng.random_bool(0.2);
    let mut total = 0;
    while total < claims.output_tokens {
        let tokens = rng.random_range(1..=largest).min(claims.output_tokens - total);
        total += tokens;
        let is_last = total == claims.output_tokens;
        let reason = claims.reason.filter(|_| is_last && !reason_apart);
        let lapsed = claims.counting == Counting::Lapses && is_last;
        let says = if lapsed {
            Says { tokens: 1, total: None, reason, is_done: false }
        } else {
            Says { tokens, total: said(total), reason, is_done: false }
        };
        let usage = says.total.map(|total| claims.usage(total));
        let usage = usage.or_else(|| rng.random_bool(0.5).then(|| "null".to_owned()));
        events.push(style.chunk(rng, usage.as_deref(), says));
        if !is_last && rng.random_bool(0.1) {
            // A chunk without output, and no token more than before.
            let usage = said(total).map(|total| claims.usage(total));
            let says = Says { total: said(total), ..Says::default() };
            events.push(style.chunk(rng, usage.as_deref(), says));
        }
    }
    let total = said(total).filter(|_| claims.counting != Counting::Lapses);
    if reason_apart {
        let says = Says { total, reason: claims.reason, ..Says::default() };
        let usage = total.map(|total| claims.usage(total));
        events.push(style.chunk(rng, usage.as_deref(), says));
    }
    if claims.counting == Counting::AtTheEnd || (total.is_some() && rng.random_bool(0.8)) {
        let says = Says { total: Some(claims.output_tokens), ..Says::default() };
        events.push(style.totals(rng, &claims.usage(claims.output_tokens), says));
    }
    // Some servers end without the announcement.
    if completed_by(&events).is_none() || rng.random_bool(0.9) {
        events.push(style.done(rng));
    }
    events
}

/// The first event after which the response is complete: a finish reason has come, and the total is
/// the last word on the tokens.
fn completed_by(events: &[Event]) -> Option<usize> {
    let (mut has_reason, mut total_is_last) = (false, false);
    events.iter().position(|Event { says, .. }| {
        has_reason |= says.reason.is_some();
        total_is_last = says.total.is_some() || (total_is_last && says.tokens == 0);
        has_reason && total_is_last
    })
}

/// Cuts a byte string into pieces: whole, byte by byte, or anywhere.
fn cuts(rng: &mut ChaCha8Rng, length: usize, how: u32) -> Vec<bool> {
    (0..length)
        .map(|_| match how {
            0 => false,
            1 => true,
            _ => rng.random_bool(0.02),
        })
        .collect()
}

/// Sends the events and keeps the truth of it. `failing` is the event that fails the request, and
/// how.
fn play(
    rng: &mut ChaCha8Rng,
    fault: Fault,
    world: &World,
    claims: &Claims,
    events: &[Event],
    failing: Option<(usize, FailureKind)>,
) -> Truth {
    let bytes: usize = events.iter().map(|event| event.bytes.len()).sum();
    let done_at: usize = {
        let end = events
            .iter()
            .position(|event| event.says.is_done)
            .map_or(events.len(), |done| done + 1);
        events[..end].iter().map(|event| event.bytes.len()).sum()
    };
    // Everything before this byte is sent. A body that ends well is only too short if it ends
    // before the response is complete.
    let complete = completed_by(events).filter(|_| fault == Fault::Ends);
    let complete_at: Option<usize> = complete.map(|complete| {
        events[..complete].iter().map(|event| event.bytes.len()).sum::<usize>() + 1
    });
    let stop =
        if fault.stops() { rng.random_range(0..complete_at.unwrap_or(done_at)) } else { bytes };
    // Byte by byte is for short streams: each byte is a moment of its own.
    let how = if bytes < 2_000 { rng.random_range(0..3) } else { *[0, 2].choose(rng).unwrap() };
    let (between, dribble) = (rng.random_bool(0.5), *[0_u64, 1, 7, 300].choose(rng).unwrap());
    let delay = fault.delay(rng, world);

    let mut now = delay;
    let mut pieces: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut expected = Expected { end_us: now, ..Expected::default() };
    let mut sent = 0;
    // When an event was last complete: comments do not count, nor does a part of an event.
    let mut heard = delay;
    let mut is_over = false;
    for (index, event) in events.iter().enumerate() {
        let length = event.bytes.len().min(stop - sent);
        if length == 0 {
            break;
        }
        let mut first_us = 0;
        for (place, is_cut) in cuts(rng, length, how).into_iter().enumerate() {
            let pause = if place == 0 {
                event.pause_us
            } else {
                u64::from(is_cut) * rng.random_range(0..=dribble)
            };
            let starts = pieces.is_empty() || is_cut || pause > 0 || (place == 0 && between);
            now += pause;
            match pieces.last_mut() {
                Some((_, piece)) if !starts => piece.push(event.bytes[place]),
                _ => pieces.push((pause, vec![event.bytes[place]])),
            }
            if place == event.data_at {
                first_us = now;
            }
            if place + 1 == event.complete_at {
                heard = now;
            }
        }
        sent += length;
        if is_over {
            continue;
        }
        expected.end_us = now;
        if length >= event.complete_at {
            let failure = failing.filter(|(failing, _)| *failing == index).map(|(_, kind)| kind);
            is_over = failure.is_some() || event.says.is_done;
            expected.failure = failure;
            if is_over {
                expected.end_us = heard;
            }
            if failure.is_none() {
                expected.hear(&event.says, first_us, claims);
            }
        } else if fault == Fault::Ends && length >= event.data_end {
            // The end of the stream completes an event.
            expected.hear(&event.says, first_us, claims);
        }
    }
    let ending = fault.ending(rng, is_over);
    if fault == Fault::SlowHeaders {
        expected = Expected { end_us: micros(world.stall_limit), ..Expected::default() };
    } else if ending == Ending::Hangs && !is_over {
        expected.end_us = heard + micros(world.stall_limit);
    } else if ending != Ending::Hangs && expected.failure.is_none() {
        // The connection is read to its end, so that it can be used again.
        expected.end_us = now;
    }
    expected.failure = expected.failure.or(fault.kind());
    let pieces = pieces.into_iter().map(|(pause, piece)| (pause, Bytes::from(piece)));
    let mut reply = Reply { delay: us(delay), ending, ..Reply::stream(pieces) };
    if rng.random_bool(0.1) {
        // A type that is not given is no reason to refuse a stream.
        reply.content_type = None;
    }
    Truth { fault, reply, expected }
}

impl Expected {
    fn hear(&mut self, says: &Says, first_us: u64, claims: &Claims) {
        if says.tokens > 0 {
            self.chunks.push((first_us, says.tokens));
        }
        if let Some(total) = says.total {
            self.output_tokens = Some(total);
            self.prompt_tokens = Some(claims.prompt_tokens);
        }
        if let Some(reason) = says.reason {
            self.finish_reason = Some(reason.to_owned());
        }
    }
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap()
}
