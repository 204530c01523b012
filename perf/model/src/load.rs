//! What is put on a server: [`Load`], which is a [`Workload`] (what is asked), [`Arrivals`] (when) and a count.
//!
//! These are declarations, plain data. What turns them into requests is in `perf/load`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metric::Quantity;
use crate::units::{PerSecond, as_millis};

/// Where the prompts come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompts {
    /// One text for every request.
    Text(String),
    /// One sentence said over and over, for every request.
    RepeatedSentence {
        /// The sentence, with the space that parts it from its next copy.
        sentence: String,
        /// How many copies.
        times: u32,
    },
    /// Random token ids, another row for each request; the length is exact.
    RandomTokens {
        /// Tokens in each prompt.
        length: u32,
    },
    /// A file of JSON lines, each an object with a `prompt` text and optionally its `output_tokens`; used in order,
    /// again from the top when the requests outnumber the lines.
    JsonLines(PathBuf),
}

/// How long the answers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputLength {
    /// Exactly so many tokens: the end-of-sequence token is ignored, and any other length is a failure.
    Exactly(u32),
    /// Until the model stops, and at most so many tokens.
    AtMost(u32),
}

impl OutputLength {
    /// The largest number of tokens that may come.
    pub fn limit(self) -> u32 {
        match self {
            Self::Exactly(tokens) | Self::AtMost(tokens) => tokens,
        }
    }
}

/// Which of the server's endpoints is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `POST /v1/completions`.
    Completions,
    /// `POST /v1/chat/completions`, each prompt as one user message.
    Chat,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Where the prompts come from.
    pub prompts: Prompts,
    /// How long the answers are.
    pub output: OutputLength,
    /// The endpoint.
    pub api: Api,
    /// Whether the answers are streamed. TTFT, TPOT and ITL exist only then.
    pub stream: bool,
    /// The sampling temperature, always sent: a model's own default would hide in its files.
    pub temperature: f64,
}

/// When the requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// The next when the last has ended.
    OneAtATime,
    /// So many at once; whenever one ends the next is sent.
    Concurrency(u32),
    /// So many at once; the next wave when the whole last one has ended.
    Waves(u32),
    /// Open loop, evenly spaced.
    ConstantRate(PerSecond),
    /// Open loop, at random: exponential gaps from the run's seed.
    Poisson(PerSecond),
}

impl Arrivals {
    /// Whether sends wait for responses.
    pub fn is_closed_loop(self) -> bool {
        matches!(self, Self::OneAtATime | Self::Concurrency(_) | Self::Waves(_))
    }

    /// How many requests are under way at once by design: the width of a closed loop, 1 for the others.
    pub fn width(self) -> u32 {
        match self {
            Self::Concurrency(width) | Self::Waves(width) => width,
            _ => 1,
        }
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneAtATime => write!(f, "one at a time"),
            Self::Concurrency(width) => write!(f, "{width} concurrent"),
            Self::Waves(width) => write!(f, "waves of {width}"),
            Self::ConstantRate(rate) => write!(f, "constant {rate}"),
            Self::Poisson(rate) => write!(f, "poisson {rate}"),
        }
    }
}

/// A bound that a request must meet to count for goodput.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// TTFT, TPOT or E2E.
    pub quantity: Quantity,
    /// The most it may be.
    pub limit: Duration,
}

/// One load on one server.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The name: a baseline's file, a row in a report.
    pub name: String,
    /// What is asked.
    pub workload: Workload,
    /// When.
    pub arrivals: Arrivals,
    /// How many measured requests.
    pub requests: u32,
    /// How many requests before them, which are not measured.
    pub warmup: u32,
    /// What a request must meet to count for goodput; without any there is no goodput.
    pub objectives: Vec<Objective>,
    /// Nothing received for so long makes a request a failure.
    pub stall_limit: Duration,
    /// How late the sends of an open loop may be at the 99th percentile, before the client and not the server was
    /// measured.
    pub lateness_limit: Duration,
}

impl Load {
    /// What the load is, on one line, as it stands in a baseline. Two loads are comparable when these lines are equal.
    pub fn describe(&self) -> String {
        let workload = &self.workload;
        let prompts = match &workload.prompts {
            Prompts::Text(text) => format!("the text {text:?}"),
            Prompts::RepeatedSentence { sentence, times } => format!("{sentence:?} × {times}"),
            Prompts::RandomTokens { length } => format!("{length} random tokens"),
            Prompts::JsonLines(path) => format!("prompts of {}", path.display()),
        };
        let output = match workload.output {
            OutputLength::Exactly(tokens) => format!("exactly {tokens} output tokens"),
            OutputLength::AtMost(tokens) => format!("at most {tokens} output tokens"),
        };
        let api = match workload.api {
            Api::Completions => "completions",
            Api::Chat => "chat",
        };
        let streamed = if workload.stream { "streamed" } else { "not streamed" };
        format!("{prompts}, {output}, {api}, {streamed}, temperature {}", workload.temperature)
    }

    /// When and how many, on one line: `waves of 32, 160 requests after 32 to warm up`.
    pub fn describe_arrivals(&self) -> String {
        let plural = if self.requests == 1 { "" } else { "s" };
        format!("{}, {} request{plural} after {} to warm up", self.arrivals, self.requests, self.warmup)
    }

    /// The objectives on one line, for a load that has any.
    pub fn describe_objectives(&self) -> Option<String> {
        let parts: Vec<String> = self
            .objectives
            .iter()
            .map(|objective| format!("{} ≤ {} ms", objective.quantity.label(), as_millis(objective.limit)))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{millis, per_second};

    #[test]
    fn a_load_describes_itself_on_one_line() {
        let load = Load {
            name: "chat".into(),
            workload: Workload {
                prompts: Prompts::RandomTokens { length: 64 },
                output: OutputLength::Exactly(64),
                api: Api::Completions,
                stream: true,
                temperature: 0.0,
            },
            arrivals: Arrivals::Poisson(per_second(2.5)),
            requests: 100,
            warmup: 8,
            objectives: vec![Objective { quantity: Quantity::Ttft, limit: millis(200.0) }],
            stall_limit: Duration::from_mins(1),
            lateness_limit: Duration::from_millis(5),
        };
        assert_eq!(load.describe(), "64 random tokens, exactly 64 output tokens, completions, streamed, temperature 0");
        assert_eq!(load.describe_arrivals(), "poisson 2.5 requests/s, 100 requests after 8 to warm up");
        assert_eq!(load.describe_objectives().as_deref(), Some("TTFT ≤ 200 ms"));
    }
}
