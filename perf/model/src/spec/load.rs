//! What is put on a server: [`Load`], which is a [`Workload`] (what is asked), [`Arrivals`] (when)
//! and a count.
//!
//! These are declarations: plain data. `perf/load` turns them into requests.

mod arrivals;
mod length;
mod prompts;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use arrivals::Arrivals;
pub use length::Length;
pub use prompts::Prompts;

use crate::spec::extra_body::ExtraBody;
use crate::spec::load_search::LoadSearch;
use crate::spec::metric::Quantity;
use crate::spec::model_mix::ModelMix;
use crate::spec::request_field::RequestField;
use crate::spec::units::{Percent, as_millis};

/// How long the answers are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputLength {
    /// Exactly this many tokens: the end-of-sequence token is ignored, and any other length is a
    /// failure.
    Exactly(u32),
    /// Exactly a number of tokens that differs from request to request.
    ExactlyOf(Length),
    /// Until the model stops, and at most this many tokens.
    AtMost(u32),
    /// Until the model stops, and at most a number of tokens that differs from request to request.
    AtMostOf(Length),
}

impl OutputLength {
    /// The largest number of tokens that an answer may have.
    pub fn limit(self) -> u32 {
        match self {
            Self::Exactly(tokens) | Self::AtMost(tokens) => tokens,
            Self::ExactlyOf(length) | Self::AtMostOf(length) => length.max(),
        }
    }

    /// Whether an answer of any other length is a failure.
    pub fn is_exact(self) -> bool {
        matches!(self, Self::Exactly(_) | Self::ExactlyOf(_))
    }
}

/// The endpoint of the server to which requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `POST /v1/completions`.
    Completions,
    /// `POST /v1/chat/completions`, each prompt as one user message.
    Chat,
    /// `POST /v1/responses`, each prompt as its input.
    Responses,
}

/// What the requests ask for.
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
    /// The sampling temperature, always sent, because a model's own default is hidden in its files.
    pub temperature: f64,
}

/// A bound that a request must meet to count for goodput.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// TTFT, TPOT or E2E.
    pub quantity: Quantity,
    /// The upper bound.
    pub limit: Duration,
}

/// One load on one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The name: a baseline's file, a row in a report.
    pub name: String,
    /// What the requests ask for.
    pub workload: Workload,
    /// When the requests are sent.
    pub arrivals: Arrivals,
    /// In conversations, the time from an answer to the next message, in milliseconds: what a user
    /// reads and types, or an agent's tool takes. Absent, the next message follows at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<Length>,
    /// The number of measured requests.
    pub requests: u32,
    /// The number of warm-up requests before them, which are not measured.
    pub warmup: u32,
    /// Whether `vllm:kv_cache_usage_perc` is sampled during the load.
    #[serde(default, skip_serializing_if = "is_false")]
    pub samples_kv_cache: bool,
    /// The bounds that a request must meet to count for goodput; without any there is no goodput.
    pub objectives: Vec<Objective>,
    /// A request that receives no event for this long is a failure. Comments that keep a
    /// connection alive do not count as events.
    pub stall_limit: Duration,
    /// A request that takes longer than this is a failure, even if data still arrives.
    pub request_limit: Duration,
    /// A hash of the file that the prompts come from; absent without a file, or before the file
    /// is read.
    pub contents: Option<String>,
    /// The 99th percentile of lateness up to which the sends of an open loop are valid; above it,
    /// the client was measured and not the server. In any load, the client's event loop may wake
    /// up to twice as late.
    pub lateness_limit: Duration,
    /// The share of requests that may fail before the run is invalid. Failed requests count
    /// in no figure.
    pub failures_allowed: Percent,
    /// Fields that are not sent, for a server that does not know them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leave_out: Vec<RequestField>,
    /// Fields that are added to the body of every request.
    #[serde(default, skip_serializing_if = "ExtraBody::is_empty")]
    pub body: ExtraBody,
    /// The models that its requests name, by weight; empty where all name the model under test.
    #[serde(default, skip_serializing_if = "ModelMix::is_empty")]
    pub model_mix: ModelMix,
    /// The search for the highest rate or concurrency, for a load that is one: its arrivals are
    /// the pattern, and its requests those of a probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<LoadSearch>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Load {
    /// The load on one line, as a baseline stores it. Two loads are comparable when
    /// these lines are equal.
    pub fn describe(&self) -> String {
        let workload = &self.workload;
        let prompts = &workload.prompts;
        let output = match workload.output {
            OutputLength::Exactly(tokens) => format!("exactly {tokens} output tokens"),
            OutputLength::ExactlyOf(length) => format!("exactly {length} output tokens"),
            OutputLength::AtMost(tokens) => format!("at most {tokens} output tokens"),
            OutputLength::AtMostOf(length) => format!("at most {length} output tokens"),
        };
        let api = match workload.api {
            Api::Completions => "completions",
            Api::Chat => "chat",
            Api::Responses => "responses",
        };
        let streamed = if workload.stream { "streamed" } else { "not streamed" };
        let contents =
            self.contents.as_ref().map_or(String::new(), |hash| format!(" (content {hash})"));
        let mut line = format!(
            "{prompts}{contents}, {output}, {api}, {streamed}, temperature {}",
            workload.temperature
        );
        if !self.leave_out.is_empty() {
            let names: Vec<&str> = self.leave_out.iter().map(|field| field.name()).collect();
            line = format!("{line}, without {}", names.join(" and "));
        }
        if !self.body.is_empty() {
            line = format!("{line}, with {}", self.body);
        }
        if !self.model_mix.is_empty() {
            line = format!("{line}, of {}", self.model_mix);
        }
        line
    }

    /// The arrivals and the counts on one line: `waves of 32, 160 requests after 32 to warm up`.
    pub fn describe_arrivals(&self) -> String {
        if let Some(search) = self.search {
            return format!(
                "{search}, each of {} requests or more, {}, after {} to warm up",
                self.requests,
                self.arrivals.pattern(),
                self.warmup
            );
        }
        let plural = if self.requests == 1 { "" } else { "s" };
        let pause = self.pause_ms.map_or(String::new(), |millis| {
            format!(", each turn {millis} ms after the answer before it")
        });
        format!(
            "{}{pause}, {} request{plural} after {} to warm up",
            self.arrivals, self.requests, self.warmup
        )
    }

    /// The number of warm-up requests where none is declared: as many as are in flight at once, and
    /// at least one for each model of a mix.
    pub fn usual_warmup(&self) -> u32 {
        let models = u32::try_from(self.model_mix.len()).unwrap_or(u32::MAX);
        self.arrivals.width().max(models)
    }

    /// The objectives on one line, for a load that has any.
    pub fn describe_objectives(&self) -> Option<String> {
        let parts: Vec<String> = self
            .objectives
            .iter()
            .map(|objective| {
                format!("{} ≤ {} ms", objective.quantity.label(), as_millis(objective.limit))
            })
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_load_describes_itself_on_one_line() {
        let load = fixtures::load();
        assert_eq!(
            load.describe(),
            "64 random tokens, exactly 64 output tokens, completions, streamed, temperature 0"
        );
        let edited = Load { contents: Some("00ff".into()), ..fixtures::load() };
        assert!(
            edited.describe().starts_with("64 random tokens (content 00ff), exactly"),
            "{}",
            edited.describe()
        );
        let mut more = fixtures::load();
        more.body.set("top_p", 0.9);
        assert!(
            more.describe().ends_with("temperature 0, with top_p = 0.9"),
            "{}",
            more.describe()
        );
        more.model_mix = ModelMix::new([("base", 3.0), ("adapter", 0.5)]);
        assert!(
            more.describe().ends_with("with top_p = 0.9, of models base (3) and adapter (0.5)"),
            "{}",
            more.describe()
        );
        let fewer = Load {
            leave_out: vec![RequestField::CacheSalt, RequestField::MinTokens],
            ..fixtures::load()
        };
        assert!(
            fewer.describe().ends_with("temperature 0, without cache_salt and min_tokens"),
            "{}",
            fewer.describe()
        );
        assert_eq!(
            load.describe_arrivals(),
            "poisson 2.5 requests/s, 100 requests after 8 to warm up"
        );
        let paused = Load {
            pause_ms: Some(Length::Uniform { min: 200, max: 900 }),
            arrivals: Arrivals::Concurrency(8),
            ..fixtures::load()
        };
        assert_eq!(
            paused.describe_arrivals(),
            "8 concurrent, each turn 200 to 900 ms after the answer before it, 100 requests after 8 to warm up"
        );
        assert_eq!(load.describe_objectives().as_deref(), Some("TTFT ≤ 200 ms"));
    }
}
