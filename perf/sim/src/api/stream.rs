//! How a request is answered: [`handle`]. As events or as a whole, or cut off on purpose.

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;

use super::Api;
use super::ask::Ask;
use super::errors::ApiError;
use super::fields::Fields;
use super::generation::Generation;
use super::wire::{FINGERPRINT, LastUsage, TokenDetails, Usage, UsageChunk, event};
use crate::injection::Fault;
use crate::metrics::FinishReason;
use crate::request::Progress;

/// The last event of every stream that ends normally.
const DONE: &str = "data: [DONE]\n\n";

/// The content of one chunk: tokens of one choice.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) choice: usize,
    pub(super) places: Range<usize>,
    pub(super) finished: Option<FinishReason>,
}

/// What distinguishes a chat from a completion.
pub(super) trait Style: Send + 'static {
    /// The beginning of an answer's id.
    const ID_PREFIX: &'static str;
    /// The type of object that a chunk names.
    const CHUNK_OBJECT: &'static str;

    /// Reads and checks a request.
    fn read(fields: &Fields, api: &Api) -> Result<Ask, ApiError>;

    /// The whole answer, where the client did not ask for a stream.
    fn whole(generation: &Generation) -> impl Serialize;

    /// The events before the first token.
    fn opening(_generation: &Generation) -> Vec<String> {
        Vec::new()
    }

    /// The event that carries a piece, or several.
    fn chunk(generation: &Generation, piece: &Piece) -> String;

    /// How many of a choice's tokens were reasoning, where the answer says so.
    fn thought(_generation: &Generation) -> Option<usize> {
        None
    }

    /// The events after the last token.
    fn closing(generation: &Generation) -> Vec<String> {
        let mut events = Vec::new();
        if generation.ask.include_usage {
            let details = Self::thought(generation);
            events.push(event(&UsageChunk {
                envelope: generation.envelope(Self::CHUNK_OBJECT),
                choices: [],
                usage: LastUsage {
                    usage: usage(generation),
                    completion_tokens_details: details
                        .map(|reasoning_tokens| TokenDetails { reasoning_tokens }),
                },
                system_fingerprint: FINGERPRINT,
                metrics: generation.metrics(),
            }));
        }
        events.push(DONE.into());
        events
    }
}

/// How a stream continues after its events have been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Tokens,
    End,
    BreakOff,
    Stall,
}

struct Streaming<S> {
    generation: Generation,
    style: PhantomData<S>,
    opened: bool,
    events: VecDeque<String>,
    next: Next,
}

/// Token counts of a whole answer.
pub(super) fn usage(generation: &Generation) -> Usage {
    Usage::new(
        generation.prompt_tokens(),
        generation.choices.iter().map(|choice| choice.target).sum(),
    )
}

/// Answers a generation request.
pub(super) async fn handle<S: Style>(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer::<S>(api, &headers, &body).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer<S: Style>(
    api: Api,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, ApiError> {
    let ask = S::read(&Fields::parse(body)?, &api)?;
    let mut generation = Generation::begin(api, ask, S::ID_PREFIX, headers).await?;
    if generation.ask.stream {
        return Ok(respond::<S>(generation));
    }
    generation.finish().await?;
    Ok(respond_whole(&generation, &S::whole(&generation)))
}

/// The answer as a stream of events.
fn respond<S: Style>(generation: Generation) -> Response {
    let streaming = Streaming::<S> {
        generation,
        style: PhantomData,
        opened: false,
        events: VecDeque::new(),
        next: Next::Tokens,
    };
    let body = stream::unfold(streaming, |mut streaming| async move {
        let part = streaming.part().await?;
        Some((part, streaming))
    });
    ([(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")], Body::from_stream(body))
        .into_response()
}

/// The answer in one piece; cut off halfway when that fault is injected.
fn respond_whole(generation: &Generation, answer: &impl Serialize) -> Response {
    let json = serde_json::to_string(answer).unwrap_or_default();
    let length = json.len();
    let body = if generation.fault == Some(Fault::Cut) {
        let half = Bytes::from(json).slice(..length / 2);
        Body::from_stream(stream::iter([Ok(half), Err(broken_off())]))
    } else {
        Body::from(json)
    };
    (
        [
            (header::CONTENT_TYPE, "application/json".to_owned()),
            (header::CONTENT_LENGTH, length.to_string()),
        ],
        body,
    )
        .into_response()
}

/// The error that a client sees: a body that ends too early.
fn broken_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the simulated server closed the connection early")
}

impl<S: Style> Streaming<S> {
    /// The next part of the body; none at its end.
    async fn part(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(Ok(event.into()));
            }
            match self.next {
                Next::Tokens => match self.generation.next().await {
                    Some(progress) => self.send(progress),
                    None => self.fail(),
                },
                Next::End => return None,
                Next::BreakOff => {
                    self.next = Next::End;
                    return Some(Err(broken_off()));
                }
                Next::Stall => std::future::pending().await,
            }
        }
    }

    fn send(&mut self, progress: Progress) {
        if !self.opened {
            self.opened = true;
            self.events.extend(S::opening(&self.generation));
        }
        let choice = &self.generation.choices[progress.choice];
        if progress.generated * 2 > choice.target
            && let Some(fault) = self.generation.fault
        {
            // No client waits for the engine any more.
            self.generation.progress.close();
            match fault {
                Fault::Cut => self.next = Next::BreakOff,
                Fault::Stall => self.next = Next::Stall,
                Fault::ErrorInBand | Fault::Fail => self.fail(),
            }
            return;
        }
        let is_first = choice.sent == 0;
        let waits = progress.generated - choice.sent < self.generation.ask.stream_interval
            || self.generation.is_merged(progress.choice, progress.generated);
        if waits && !is_first && progress.finished.is_none() {
            return;
        }
        let piece = Piece {
            choice: progress.choice,
            places: choice.sent..progress.generated,
            finished: progress.finished,
        };
        let chunk = S::chunk(&self.generation, &piece);
        self.events.push_back(chunk);
        let choice = &mut self.generation.choices[progress.choice];
        choice.sent = progress.generated;
        (choice.finished, choice.times) = (progress.finished, progress.times);
        choice.drafts = progress.drafts;
        if self.generation.choices.iter().all(|choice| choice.finished.is_some()) {
            self.end();
        }
    }

    fn end(&mut self) {
        self.events.extend(S::closing(&self.generation));
        self.next = Next::End;
    }

    /// An error after the status line has gone out: a client that does not read it sees a
    /// success.
    fn fail(&mut self) {
        let json = ApiError::engine_dead().json();
        // The one place where vLLM writes JSON with spaces.
        let spaced = json.replace("\":", "\": ").replace(",\"", ", \"");
        self.events.push_back(format!("data: {spaced}\n\n"));
        self.events.push_back(DONE.into());
        self.next = Next::End;
    }
}
