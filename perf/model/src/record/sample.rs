//! One request as it was seen by the client: [`Sample`]. The atom of every record.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::record::answer_parts::{AnswerParts, Drafts};
use crate::record::chunks::Chunks;
use crate::record::estimated::Estimated;
use crate::record::oddity::Oddity;

/// Why a request is not a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// No connection, or it ended before a response began.
    Connection,
    /// The connection was reset, before a response or inside one.
    Reset,
    /// The server refused the request: status 4xx, or another that is neither 200, 3xx nor 5xx.
    Refused,
    /// The server answered with a redirect (status 3xx), which is not followed.
    Redirected,
    /// The server failed: status 5xx.
    ServerError,
    /// An error inside a response that had begun with status 200.
    ErrorInBand,
    /// The response ended before its end was announced.
    CutShort,
    /// The response ended well, but the server never said how many tokens it held.
    MissingUsage,
    /// A response that carried no token at all.
    Empty,
    /// Another number of prompt tokens than sent: the server shortened or lengthened the prompt.
    WrongPromptLength,
    /// Another number of output tokens than asked for.
    WrongLength,
    /// Another finish reason than the load calls for.
    WrongFinishReason,
    /// The server's counts of tokens contradict each other or what it sent.
    Contradiction,
    /// Bytes that are not what the protocol says.
    Malformed,
    /// Nothing arrived for longer than the load allows.
    Stalled,
    /// Not over when the load's time for a request was up, though something still arrived.
    TimedOut,
    /// Never sent, because the answer that it was to follow failed.
    NotSent,
    /// Another client saw it, whose file was imported.
    Imported,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "no connection",
            Self::Reset => "connection reset",
            Self::Refused => "refused (status 4xx)",
            Self::Redirected => "redirected (status 3xx)",
            Self::ServerError => "server error (status 5xx)",
            Self::ErrorInBand => "error inside a response",
            Self::CutShort => "response cut short",
            Self::MissingUsage => "no token count",
            Self::Empty => "empty response",
            Self::WrongPromptLength => "wrong prompt length",
            Self::WrongLength => "wrong output length",
            Self::WrongFinishReason => "wrong finish reason",
            Self::Contradiction => "contradictory token counts",
            Self::Malformed => "malformed response",
            Self::Stalled => "stalled",
            Self::TimedOut => "timed out",
            Self::NotSent => "not sent after a failed answer",
            Self::Imported => "failure in an imported file",
        })
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything that was asked for arrived.
    Succeeded,
    /// Something else happened.
    Failed {
        /// What kind of failure.
        kind: FailureKind,
        /// What was seen, in words.
        detail: String,
    },
}

/// A server's own times for one request, in microseconds; what it did not say is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerTimes {
    /// From the request's arrival in the engine until it was scheduled (`queue_time_ms`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_us: Option<u64>,
    /// From there to the first token (`time_to_first_token_ms`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_us: Option<u64>,
    /// From there to the last token (`generation_time_ms`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_us: Option<u64>,
}

impl ServerTimes {
    /// From arrival to the first token, in milliseconds.
    pub fn ttft_ms(&self) -> Option<f64> {
        Some(self.queue_us?.saturating_add(self.prefill_us?) as f64 / 1_000.0)
    }

    /// From arrival to the last token, in milliseconds.
    pub fn e2e_ms(&self) -> Option<f64> {
        Some(self.ttft_ms()? + self.decode_us? as f64 / 1_000.0)
    }
}

/// One request. All times are microseconds since the run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The request's place in the schedule, from 0.
    pub index: u32,
    /// When it should have been sent: its place in an open-loop schedule, or when its turn came in
    /// a closed loop.
    pub intended_us: u64,
    /// When it was sent.
    pub sent_us: u64,
    /// The chunks that carried tokens, in order. Empty when the response was not streamed.
    #[serde(default, skip_serializing_if = "Chunks::is_empty")]
    pub chunks: Chunks,
    /// When the response had ended, well or not.
    pub end_us: u64,
    /// Prompt tokens, as the server counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u32>,
    /// Output tokens, as the server counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u32>,
    /// The server's finish reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// Whether it was sent a second time, because the server was closing the kept connection that
    /// carried it first and had answered nothing. Its times count from the first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub resent: bool,
    /// What is not known of it and was estimated. Every figure that depends on it is an estimate.
    #[serde(default, skip_serializing_if = "Estimated::is_nothing")]
    pub estimated: Estimated,
    /// What the server says of its own time for it, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerTimes>,
    /// The parts of an answer with reasoning or tool calls; absent for plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<AnswerParts>,
    /// What speculative decoding did for it, where the server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafts: Option<Drafts>,
    /// In a load of several models, the place of its model in the load's mix, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<u16>,
    /// What the server did beside the protocol, one of each kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oddities: Vec<Oddity>,
    /// How it ended.
    pub outcome: Outcome,
}

/// Serde asks by reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Sample {
    /// Whether everything that was asked for arrived.
    pub fn succeeded(&self) -> bool {
        self.outcome == Outcome::Succeeded
    }

    /// When the first token had arrived; absent when the response was not streamed.
    pub fn first_token_us(&self) -> Option<u64> {
        self.chunks.first().map(|chunk| chunk.at_us)
    }

    /// When the last token had arrived: the last chunk, or the end of a response that was not
    /// streamed.
    pub fn last_token_us(&self) -> u64 {
        self.chunks.last_us().unwrap_or(self.end_us)
    }

    /// Time to first token, in milliseconds, from the intended start.
    pub fn ttft_ms(&self) -> Option<f64> {
        self.first_token_us().map(|first| us_to_ms(first, self.intended_us))
    }

    /// From the intended start to the last token, in milliseconds.
    pub fn e2e_ms(&self) -> f64 {
        us_to_ms(self.last_token_us(), self.intended_us)
    }

    /// Time per output token after the first, in milliseconds: (E2E − TTFT) / (n − 1). Absent below
    /// two tokens, and where all tokens came at once: something between held them back, and how
    /// long each took is not known.
    pub fn tpot_ms(&self) -> Option<f64> {
        let tokens = self.output_tokens.filter(|tokens| *tokens > 1)?;
        let first = self.first_token_us().filter(|first| *first < self.last_token_us())?;
        Some(us_to_ms(self.last_token_us(), first) / f64::from(tokens - 1))
    }

    /// The gaps between tokens, in milliseconds.
    ///
    /// A chunk of k tokens that comes g after the chunk before it gives k gaps of g/k; the first
    /// chunk gives none.
    pub fn token_gaps_ms(&self) -> impl Iterator<Item = f64> {
        self.chunks.iter().zip(self.chunks.iter().skip(1)).flat_map(|(before, chunk)| {
            let gap = us_to_ms(chunk.at_us, before.at_us) / f64::from(chunk.tokens.max(1));
            std::iter::repeat_n(gap, chunk.tokens as usize)
        })
    }

    /// From the intended start to the first output that was not reasoning, in milliseconds.
    pub fn first_answer_ms(&self) -> Option<f64> {
        self.parts?.first_answer_us.map(|first| us_to_ms(first, self.intended_us))
    }

    /// From the intended start to the end of the last tool call, in milliseconds.
    pub fn tool_call_ms(&self) -> Option<f64> {
        self.parts?.tool_call_us.map(|end| us_to_ms(end, self.intended_us))
    }

    /// The longest time between two chunks of an answer with reasoning or tool calls, in
    /// milliseconds: a parser that buffers is silent for as long.
    pub fn longest_silence_ms(&self) -> Option<f64> {
        self.parts?;
        let pairs = self.chunks.iter().zip(self.chunks.iter().skip(1));
        pairs.map(|(one, next)| us_to_ms(next.at_us, one.at_us)).max_by(f64::total_cmp)
    }

    /// Output tokens per second of this request's own E2E.
    pub fn output_rate(&self) -> Option<f64> {
        let seconds = self.e2e_ms() / 1_000.0;
        self.output_tokens.filter(|_| seconds > 0.0).map(|tokens| f64::from(tokens) / seconds)
    }
}

fn us_to_ms(later: u64, earlier: u64) -> f64 {
    later.saturating_sub(earlier) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::chunks::Chunk;

    fn sample(chunks: &[(u64, u32)]) -> Sample {
        Sample {
            intended_us: 1_000,
            sent_us: 1_200,
            chunks: chunks.iter().copied().map(Chunk::from).collect(),
            end_us: 90_000,
            prompt_tokens: Some(8),
            output_tokens: Some(chunks.iter().map(|chunk| chunk.1).sum()),
            finish_reason: Some("length".into()),
            ..crate::fixtures::sample()
        }
    }

    #[test]
    fn latency_counts_from_the_intended_start() {
        let sample = sample(&[(21_000, 1), (31_000, 1), (51_000, 2)]);
        assert_eq!(sample.ttft_ms(), Some(20.0));
        assert!((sample.e2e_ms() - 50.0).abs() < 1e-9);
        assert_eq!(sample.tpot_ms(), Some(10.0));
    }

    #[test]
    fn a_chunk_of_two_tokens_gives_two_gaps_of_half_its_distance() {
        let gaps: Vec<f64> =
            sample(&[(21_000, 1), (31_000, 1), (51_000, 2)]).token_gaps_ms().collect();
        assert_eq!(gaps, [10.0, 10.0, 10.0]);
    }

    #[test]
    fn one_token_has_no_time_per_output_token() {
        assert_eq!(sample(&[(21_000, 1)]).tpot_ms(), None);
    }

    #[test]
    fn tokens_that_came_all_at_once_have_no_time_per_token() {
        assert_eq!(sample(&[(21_000, 8)]).tpot_ms(), None);
        assert_eq!(sample(&[(21_000, 4), (21_000, 4)]).tpot_ms(), None);
    }

    #[test]
    fn only_an_answer_with_parts_has_their_times() {
        let mut sample = sample(&[(21_000, 1), (31_000, 1), (56_000, 2)]);
        let times = |sample: &Sample| {
            (sample.first_answer_ms(), sample.tool_call_ms(), sample.longest_silence_ms())
        };
        assert_eq!(times(&sample), (None, None, None));
        sample.parts = Some(AnswerParts {
            first_answer_us: Some(31_000),
            tool_call_us: Some(56_000),
            ..AnswerParts::default()
        });
        assert_eq!(times(&sample), (Some(30.0), Some(55.0), Some(25.0)));
    }

    #[test]
    fn a_sample_survives_its_line_of_json() {
        let sample = sample(&[(21_000, 1), (31_000, 3)]);
        let line = serde_json::to_string(&sample).unwrap();
        assert!(line.contains(r#""chunks":[[21000,1],[31000,3]]"#), "{line}");
        assert_eq!(serde_json::from_str::<Sample>(&line).unwrap(), sample);
    }
}
