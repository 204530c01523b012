//! What a response said: [`Response`].
//!
//! **Tokens are counted by the server, never by chunks.** Every chunk is asked to carry the running
//! total (`continuous_usage_stats`), and its tokens are what the total grew by: none for the role
//! chunk that opens a chat or for the usage chunk that closes a stream, several for a chunk the
//! server glued together, one for half a UTF-8 character without any text.
//!
//! A chunk that carries output counts even where the total did not grow: the answer ends with the
//! last of them. A server that gives only the total at the end leaves the tokens of each chunk
//! unknown; [`TokenSplit`] says what becomes of them, and the sample says that it is an estimate.

mod typed;

use perf_model::record::answer_parts::{AnswerParts, Drafts};
use perf_model::record::estimated::Estimated;
use perf_model::record::oddity::{Oddity, OddityKind};
use perf_model::record::sample::FailureKind;
use perf_model::record::sample::ServerTimes;
use serde_json::Value;
use serde_json::error::Category;

use crate::http::endpoint::Endpoint;
use crate::openai::chat_message::content_of;
use crate::openai::error_message::{excerpt, is_error, is_set, message_of, server_message};
use crate::openai::failure::Failure;
use crate::openai::finish_reason::FinishReason;
use crate::openai::message::{Choice, Message, drafts, server_times};
use crate::openai::token_split::{Piece, TokenSplit};
use crate::openai::typed_event::{TypedEvent, Whole};

/// What has been read of one response.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Response {
    /// The chunks with output.
    pub(crate) split: TokenSplit,
    pub(crate) prompt_tokens: Option<u32>,
    pub(crate) output_tokens: Option<u32>,
    pub(crate) finish_reason: Option<String>,
    pub(crate) server_times: Option<ServerTimes>,
    /// What speculative decoding did, where the server says so.
    pub(crate) drafts: Option<Drafts>,
    /// How many tokens were reasoning, as the server last counted them.
    reasoning_tokens: Option<u32>,
    /// Whether the end was announced.
    pub(crate) is_done: bool,
    /// The text, kept only where a conversation goes on from it.
    pub(crate) said: Option<String>,
    /// What the server did beside the protocol, one of each kind.
    pub(crate) oddities: Vec<Oddity>,
    /// Whether its events are those of `/v1/responses`.
    is_typed: bool,
    /// Whether nothing has come since the server last gave its total.
    total_is_last: bool,
    pub(crate) saw_choice: bool,
}

impl Response {
    /// A response whose text is wanted too, or one of typed events.
    pub(crate) fn new(keeps_text: bool, is_typed: bool) -> Self {
        Self { said: keeps_text.then(String::new), is_typed, ..Self::default() }
    }

    /// Takes the data of one event of a stream, whose first byte had arrived at `at_us`. Gives
    /// whether there was anything in it.
    pub(crate) fn take_event(&mut self, at_us: u64, data: &[u8]) -> Result<bool, Failure> {
        let data = data.trim_ascii();
        if data.is_empty() {
            self.note(Oddity::plain(OddityKind::EmptyEvent));
            return Ok(false);
        }
        if self.is_done {
            self.note(Oddity::with(OddityKind::DataAfterDone, excerpt(data)));
            return Ok(true);
        }
        if data == b"[DONE]" {
            self.is_done = true;
            return Ok(true);
        }
        let malformed = |error: serde_json::Error| {
            let what = format!("an event is not a chunk: {error}: {}", excerpt(data));
            Failure::new(FailureKind::Malformed, what)
        };
        if self.is_typed {
            if is_keep_alive(data) {
                self.note(Oddity::plain(OddityKind::EmptyEvent));
                return Ok(false);
            }
            let event: TypedEvent = serde_json::from_slice(data).map_err(malformed)?;
            return self.take_typed(at_us, &event, data);
        }
        let message = Message::read(data);
        // Only what says nothing is read twice: a chunk may be as short.
        if message.as_ref().map_or(true, Message::is_bare) && is_keep_alive(data) {
            self.note(Oddity::plain(OddityKind::EmptyEvent));
            return Ok(false);
        }
        let message = message.map_err(malformed)?;
        let before = self.split.counted;
        let (choice, total) = self.take(&message, data)?;
        self.keep_text(data);
        let Some(choice) = choice else { return Ok(true) };
        let carried = self.split.push(Piece {
            at_us,
            output: choice.output(),
            growth: total.map(|total| total.saturating_sub(before)),
            ids: choice.listed_ids(),
        });
        if carried {
            self.total_is_last = total.is_some();
        }
        Ok(true)
    }

    /// Notes what the server did beside the protocol, once for each kind.
    pub(crate) fn note(&mut self, oddity: Oddity) {
        if self.oddities.iter().all(|there| there.kind != oddity.kind) {
            self.oddities.push(oddity);
        }
    }

    /// Takes the body of a response that is not streamed.
    pub(crate) fn take_whole(&mut self, body: &[u8]) -> Result<(), Failure> {
        let malformed = |error: serde_json::Error| {
            let what = format!("the response is not complete JSON: {error}: {}", excerpt(body));
            let kind = match error.classify() {
                Category::Eof => FailureKind::CutShort,
                Category::Io | Category::Syntax | Category::Data => FailureKind::Malformed,
            };
            Failure::new(kind, what)
        };
        if self.is_typed {
            let whole: Whole = serde_json::from_slice(body).map_err(malformed)?;
            if whole.output.is_none() && whole.error.is_none() {
                return Err(no_choices(body));
            }
            return self.end_typed(&whole);
        }
        let message = Message::read(body).map_err(malformed)?;
        self.take(&message, body)?;
        self.keep_text(body);
        self.is_done = true;
        Ok(())
    }

    fn keep_text(&mut self, data: &[u8]) {
        if let Some(said) = &mut self.said {
            said.push_str(&content_of(data).unwrap_or_default());
        }
    }

    /// What both kinds of response have in common; gives the choice, and the total of output
    /// tokens if the server said it. `bytes` is what the message was read from.
    fn take<'a>(
        &mut self,
        message: &'a Message,
        bytes: &[u8],
    ) -> Result<(Option<&'a Choice>, Option<u32>), Failure> {
        if let Some(error) = message.error() {
            return Err(Failure::new(FailureKind::ErrorInBand, message_of(error)));
        }
        let (choice, count) = match &message.choices {
            Some(choices) => (choices.first.as_ref(), choices.count),
            None if message.usage.is_some() => {
                self.note(Oddity::plain(OddityKind::NoChoices));
                (None, 0)
            }
            None if has_null_choices(bytes) => {
                self.note(Oddity::plain(OddityKind::NoChoices));
                (None, 0)
            }
            None => return Err(no_choices(bytes)),
        };
        if count > 1 {
            let data = excerpt(bytes);
            return Err(Failure::new(
                FailureKind::Malformed,
                format!("the server sent {count} choices, and one was asked for: {data}"),
            ));
        }
        self.saw_choice |= choice.is_some();
        // Some servers write an empty reason into every chunk.
        let reason = choice.and_then(|choice| choice.finish_reason.as_ref());
        if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
            self.finish_reason = Some(reason.clone());
        }
        if let Some(metrics) = &message.metrics {
            self.server_times = server_times(metrics).or(self.server_times);
            self.drafts = drafts(metrics).or(self.drafts);
        }
        let Some(usage) = &message.usage else { return Ok((choice, None)) };
        self.prompt_tokens = usage.prompt_tokens.or(self.prompt_tokens);
        self.reasoning_tokens = usage.reasoning_tokens().or(self.reasoning_tokens);
        if let Some(total) = usage.completion_tokens {
            if let Some(before) = self.output_tokens.filter(|before| *before > total) {
                return Err(Failure::new(
                    FailureKind::Contradiction,
                    format!("the server's count of output tokens fell from {before} to {total}"),
                ));
            }
            self.output_tokens = Some(total);
            self.total_is_last = true;
        }
        Ok((choice, usage.completion_tokens))
    }

    /// The server's total, where nothing came after it.
    pub(crate) fn last_total(&self) -> Option<u32> {
        self.output_tokens.filter(|_| self.total_is_last)
    }

    /// Makes the chunks add up to the server's total, where that is the last word, and notes what
    /// is odd about the end.
    ///
    /// # Errors
    /// When the total contradicts what came.
    pub(crate) fn settle(&mut self) -> Result<(), Failure> {
        if let Some(reason) = self
            .finish_reason
            .clone()
            .filter(|reason| FinishReason::of(reason) == FinishReason::Unknown)
        {
            self.note(Oddity::with(OddityKind::FinishReason, excerpt(reason.as_bytes())));
        }
        let Some(total) = self.last_total() else { return Ok(()) };
        if let Some(oddity) = self.split.settle(total)? {
            self.note(oddity);
        }
        Ok(())
    }

    /// Masks the key in what the server said beside its answer.
    pub(crate) fn mask(&mut self, endpoint: &Endpoint) {
        let said = self.oddities.iter_mut().filter_map(|oddity| oddity.detail.as_mut());
        for text in said.chain(self.finish_reason.as_mut()) {
            *text = endpoint.masked(std::mem::take(text));
        }
    }

    /// Takes a token for each chunk with output, where the server was not asked to count and did not.
    pub(crate) fn count_by_chunks(&mut self) {
        if self.output_tokens.is_none() && self.finish_reason.is_some() {
            self.output_tokens = Some(self.split.estimate());
            self.total_is_last = true;
        }
    }

    /// The parts of an answer with reasoning or tool calls, and what had to be estimated.
    pub(crate) fn parts(&self) -> (Option<AnswerParts>, Estimated) {
        self.split.parts(self.last_total(), self.reasoning_tokens)
    }

    /// Whether everything has come that a complete response has: a finish reason and the counts.
    pub(crate) fn is_complete(&self) -> bool {
        self.finish_reason.is_some() && self.last_total().is_some()
    }

    /// How many output tokens are known to have come.
    pub(crate) fn tokens(&self) -> u32 {
        self.output_tokens.unwrap_or(self.split.counted)
    }
}

/// Events that keep a connection open are short.
const LONGEST_KEEP_ALIVE: usize = 80;

/// Whether an event says nothing but that the connection is open: `null`, `{}`, `{"type":"ping"}`.
fn is_keep_alive(data: &[u8]) -> bool {
    const NAMES: [&str; 5] = ["ping", "keepalive", "keep-alive", "keep_alive", "heartbeat"];
    if data.len() > LONGEST_KEEP_ALIVE {
        return false;
    }
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return false };
    let kind = ["type", "event"].iter().find_map(|name| value.get(name)?.as_str());
    !is_set(&value) || kind.is_some_and(|kind| NAMES.contains(&kind))
}

/// Whether a message that says nothing else has `null` for its list of choices.
fn has_null_choices(bytes: &[u8]) -> bool {
    let value = serde_json::from_slice::<Value>(bytes);
    !is_error(bytes) && value.is_ok_and(|value| value.get("choices").is_some_and(Value::is_null))
}

/// What a message without choices is: an error in another form, or nothing that the protocol knows.
fn no_choices(bytes: &[u8]) -> Failure {
    if is_error(bytes) {
        return Failure::new(FailureKind::ErrorInBand, server_message(bytes));
    }
    Failure::new(FailureKind::Malformed, format!("a message without `choices`: {}", excerpt(bytes)))
}

#[cfg(test)]
mod tests;
