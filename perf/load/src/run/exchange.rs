//! One request and its response: [`exchange`] makes a [`Sample`] of a [`Call`].
//!
//! There is no retry: what failed is a failed sample. (A request whose kept connection the server
//! was just closing goes out once more, and its sample says so.) The clock of a request starts
//! once. A piece of a response is stamped when it arrives, before it is parsed.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use perf_clock::{Clock, Stamp, Watchdog};
use perf_model::record::oddity::{Oddity, OddityKind};
use perf_model::record::sample::{FailureKind, Outcome, Sample};

use crate::http::endpoint::{Endpoint, Incoming, too_long};
use crate::http::error::{Cause, ConnectionError};
use crate::openai::call::{Call, Limits};
use crate::openai::error_message::server_message;
use crate::openai::failure::Failure;
use crate::openai::foreign_lines::explain;
use crate::openai::response::Response;
use crate::openai::sse::Splitter;

/// How long the connection may take to end after the stream announced its end. Reading to the end
/// keeps the connection for the next request; a server that leaves it open is not waited for
/// longer, and that wait does not count as latency.
const LINGER: Duration = Duration::from_secs(1);

/// As much of the body of an error is read as could hold its message.
const ERROR_BODY: usize = 64 * 1024;

/// The longest event of a stream, and the longest body of a response that is not streamed. An
/// event of vLLM takes less than 1 KiB for a token; the answer of 10 million tokens fits into the
/// body. A server that sends more would use up the memory.
const EVENT: usize = 1024 * 1024;
const BODY: usize = 64 * 1024 * 1024;

/// The most output tokens that a byte of a response can stand for. Tokens without text are possible
/// (special tokens), but a server that claims more has counted wrong.
const TOKENS_PER_BYTE: u64 = 100;

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Exchanged {
    pub(crate) sample: Sample,
    /// When the client had done with it: after the sample's end where the connection was left open
    /// after the response.
    pub(crate) free_us: u64,
    /// The answer's text, for the conversation that it belongs to.
    pub(crate) said: Option<String>,
}

/// A call under way.
struct Exchange<'a> {
    call: &'a Call,
    clock: Clock,
    /// The run's beginning, from which samples count.
    origin: Stamp,
    response: Response,
    /// When it was sent.
    sent: Stamp,
    /// When something last happened.
    end: Stamp,
    /// When something last came that is a whole part of the response: an event, or for a response
    /// that is not streamed any bytes of it.
    heard: Stamp,
    /// How many bytes of the response have come.
    bytes: u64,
    resent: bool,
    watchdog: Watchdog,
    /// The piece that came last.
    read: Vec<u8>,
}

/// Sends the request and reads its response to the end. Times count from `origin`.
pub(crate) async fn exchange(
    mut call: Call,
    endpoint: Endpoint,
    intended_us: u64,
    origin: Stamp,
    clock: Clock,
) -> Exchanged {
    let sent = clock.now();
    let response = Response::new(call.turn.is_some(), call.expected.is_typed);
    // What was sent needs no place any more while its response comes.
    let body = std::mem::take(&mut call.body);
    let watchdog = clock.watchdog();
    let read = Vec::new();
    let mut exchange = Exchange {
        call: &call,
        clock,
        origin,
        response,
        sent,
        end: sent,
        heard: sent,
        bytes: 0,
        resent: false,
        watchdog,
        read,
    };
    let mut result = exchange.run(&endpoint, body).await;
    result = result.and_then(|()| exchange.check_count());
    let Exchange { mut response, end, resent, .. } = exchange;
    if !call.expected.counted {
        response.count_by_chunks();
    }
    let settled = response.settle();
    response.split.chunks.shrink();
    let (parts, estimated) = response.parts();
    if result.is_ok() {
        result = settled.and_then(|()| call.expected.check(&response));
    }
    if !endpoint.redactor().is_empty() {
        response.mask(&endpoint);
    }
    let outcome = match result {
        Ok(()) => Outcome::Succeeded,
        Err(Failure { kind, detail }) => Outcome::Failed { kind, detail: endpoint.masked(detail) },
    };
    let sample = Sample {
        index: call.index,
        intended_us,
        sent_us: micros(origin, sent),
        estimated,
        chunks: response.split.chunks,
        end_us: micros(origin, end),
        prompt_tokens: response.prompt_tokens,
        output_tokens: response.output_tokens,
        finish_reason: response.finish_reason,
        resent,
        oddities: response.oddities,
        server: response.server_times,
        parts,
        drafts: response.drafts,
        model: call.model,
        outcome,
    };
    Exchanged { sample, free_us: micros(origin, clock.now()), said: response.said }
}

impl Exchange<'_> {
    async fn run(&mut self, endpoint: &Endpoint, body: Bytes) -> Result<(), Failure> {
        let sending = endpoint.send(Method::POST, self.call.path, body);
        let sent = self.watchdog.watch(self.limit(), sending).await;
        self.end = self.clock.now();
        self.heard = self.end;
        let incoming = sent.map_err(|_| self.too_long("no response"))?.map_err(|error| {
            Failure::new(kind(error.cause, FailureKind::Connection), error.what)
        })?;
        self.resent = incoming.resent;
        if incoming.status != StatusCode::OK {
            return self.read_refusal(incoming).await;
        }
        if self.call.expected.streamed {
            self.read_stream(incoming).await
        } else {
            self.read_whole(incoming).await
        }
    }

    /// Reads the next piece of the body, and stamps it; `false` at the body's end.
    async fn piece(&mut self, incoming: &mut Incoming) -> Result<bool, Failure> {
        self.read.clear();
        let limit = self.limit();
        let arrived = self.watchdog.watch(limit, incoming.piece(&mut self.read)).await;
        self.end = self.clock.now();
        match arrived {
            Ok(Some(Ok(()))) => {
                self.bytes += self.read.len() as u64;
                Ok(true)
            }
            Ok(Some(Err(ConnectionError { cause, what }))) => {
                let kind = kind(cause, FailureKind::CutShort);
                Err(Failure::new(kind, format!("{what}; {}", self.progress())))
            }
            Ok(None) => Ok(false),
            Err(_) => Err(self.too_long("nothing more")),
        }
    }

    async fn read_stream(&mut self, mut incoming: Incoming) -> Result<(), Failure> {
        let mime = incoming.content_type.as_ref().map(http::HeaderValue::as_bytes);
        let mime = mime.map(|value| String::from_utf8_lossy(value).into_owned());
        // A missing type is that of events.
        let other_type = mime.filter(|mime| !mime.starts_with("text/event-stream"));
        let mut splitter = Splitter::default();
        let result = self.read_events(&mut incoming, &mut splitter).await;
        if self.response.is_done {
            self.linger(incoming).await;
        }
        explain(result, splitter.foreign(), other_type.as_deref(), &mut self.response)
    }

    /// Reads events until the end is announced or the body ends.
    async fn read_events(
        &mut self,
        incoming: &mut Incoming,
        splitter: &mut Splitter,
    ) -> Result<(), Failure> {
        while self.piece(incoming).await? {
            let (origin, response) = (self.origin, &mut self.response);
            let mut is_heard = false;
            splitter.push(&self.read, self.end, |since, data| {
                is_heard |= response.take_event(micros(origin, since), data)?;
                Ok(())
            })?;
            // Only a whole event counts: a server whose engine hangs may go on to send comments,
            // and one that sends a byte now and then would never stall.
            if is_heard {
                self.heard = self.end;
            }
            if splitter.held() > EVENT {
                return Err(self.oversized("an event", EVENT));
            }
            if self.response.is_done {
                return Ok(());
            }
        }
        let (origin, response) = (self.origin, &mut self.response);
        let last = splitter
            .finish(|since, data| response.take_event(micros(origin, since), data).map(drop));
        let is_cut = match last {
            Ok(is_there) => {
                if is_there {
                    self.response.note(Oddity::plain(OddityKind::UnterminatedEvent));
                }
                false
            }
            // Half an event is not JSON.
            Err(Failure { kind: FailureKind::Malformed, .. }) => true,
            Err(other) => return Err(other),
        };
        if self.response.is_done {
            return Ok(());
        }
        if self.response.is_complete() {
            self.response.note(Oddity::plain(OddityKind::NoDone));
            return Ok(());
        }
        let place = if is_cut { "inside an event" } else { "without [DONE]" };
        Err(Failure::new(
            FailureKind::CutShort,
            format!("the stream ended {place}; {}", self.progress()),
        ))
    }

    /// Reads what follows the announced end, which counts for nothing.
    async fn linger(&mut self, mut incoming: Incoming) {
        let read = &mut self.read;
        let end = async {
            while let Some(Ok(())) = incoming.piece(read).await {
                read.clear();
            }
        };
        if self.clock.timeout(LINGER, end).await.is_ok() {
            self.end = self.clock.now();
        }
    }

    async fn read_whole(&mut self, mut incoming: Incoming) -> Result<(), Failure> {
        let mut body = Vec::new();
        while self.piece(&mut incoming).await? {
            self.heard = self.end;
            body.extend_from_slice(&self.read);
            if body.len() > BODY {
                return Err(self.oversized("a response", BODY));
            }
        }
        self.response.take_whole(&body)
    }

    async fn read_refusal(&mut self, mut incoming: Incoming) -> Result<(), Failure> {
        let mut body = Vec::new();
        // The status is the failure, whether or not its message arrives.
        while body.len() < ERROR_BODY
            && let Ok(true) = self.piece(&mut incoming).await
        {
            self.heard = self.end;
            body.extend_from_slice(&self.read);
        }
        let message = server_message(&body);
        let status = incoming.status_text();
        let detail = if message.is_empty() { status } else { format!("{status}: {message}") };
        let kind = match incoming.status {
            status if status.is_server_error() => FailureKind::ServerError,
            status if status.is_redirection() => FailureKind::Redirected,
            _ => FailureKind::Refused,
        };
        Err(Failure::new(kind, detail))
    }

    /// The server sent more than a response may hold.
    fn oversized(&self, what: &str, limit: usize) -> Failure {
        let message = format!("{}; {}", too_long(what, limit), self.progress());
        Failure::new(FailureKind::Malformed, message)
    }

    /// Refuses a count of tokens that the bytes of the response cannot hold.
    fn check_count(&self) -> Result<(), Failure> {
        let tokens = self.response.tokens();
        if u64::from(tokens) <= self.bytes.saturating_mul(TOKENS_PER_BYTE) {
            return Ok(());
        }
        let bytes = self.bytes;
        Err(Failure::new(
            FailureKind::Malformed,
            format!("the server counted {tokens} output tokens in a response of {bytes} bytes"),
        ))
    }

    /// Until when something must come.
    fn limit(&self) -> Stamp {
        let Limits { stall, request } = self.call.limits;
        self.heard.saturating_add(stall).min(self.sent.saturating_add(request))
    }

    /// The limit has passed.
    fn too_long(&self, what: &str) -> Failure {
        let Limits { stall, request } = self.call.limits;
        let progress = self.progress();
        if self.sent.saturating_add(request) <= self.heard.saturating_add(stall) {
            let seconds = request.as_secs_f64();
            return Failure::new(
                FailureKind::TimedOut,
                format!("not complete after {seconds} s; {progress}"),
            );
        }
        Failure::new(
            FailureKind::Stalled,
            format!("{what} for {} s; {progress}", stall.as_secs_f64()),
        )
    }

    fn progress(&self) -> String {
        format!(
            "{} of {} tokens had come",
            self.response.tokens(),
            self.call.expected.output.limit()
        )
    }
}

/// The kind of failure that follows from what ended a connection.
fn kind(cause: Cause, closed: FailureKind) -> FailureKind {
    match cause {
        Cause::Reset => FailureKind::Reset,
        Cause::Malformed => FailureKind::Malformed,
        Cause::Closed => closed,
    }
}

/// Microseconds from one stamp to another.
fn micros(from: Stamp, to: Stamp) -> u64 {
    u64::try_from(to.saturating_sub(from).as_micros()).unwrap_or(u64::MAX)
}
