//! Metrics as a test names them. The verb carries the direction, and what cannot make sense does
//! not compile: a throughput has no `may_rise`, a latency no `may_drop`, and a distribution must
//! say which statistic of it is meant.
//!
//! ```compile_fail
//! use perf::prelude::*;
//! let wrong = output_throughput().may_rise(percent(5.0));
//! ```
//! ```compile_fail
//! use perf::prelude::*;
//! let wrong = e2e().may_rise(percent(5.0)); // of which statistic?
//! ```
//! ```compile_fail
//! use perf::prelude::*;
//! let wrong = ttft().p50().may_rise(5.0); // five what?
//! ```

use std::time::Duration;

use perf_model::judge::results::Published;
use perf_model::spec::draft_position::DraftPosition;
use perf_model::spec::guard::Guard;
use perf_model::spec::load::Objective;
use perf_model::spec::metric::{Metric, Quantity, Statistic};
use perf_model::spec::units::{Percent, as_millis};

/// Output tokens of the whole server, per second.
pub fn output_throughput() -> Rate {
    Rate(Quantity::OutputThroughput)
}

/// Prompt and output tokens of the whole server, per second.
pub fn total_throughput() -> Rate {
    Rate(Quantity::TotalThroughput)
}

/// Requests per second of the whole server.
pub fn request_throughput() -> Rate {
    Rate(Quantity::RequestThroughput)
}

/// Requests per second that met every [objective](crate::Load::objective) of the load.
pub fn goodput() -> Rate {
    Rate(Quantity::Goodput)
}

/// The highest rate of arrivals at which enough requests meet every objective of the load. Only a
/// load with a [search](crate::Load::search) of [rates](crate::prelude::rates) has it.
pub fn max_rate() -> Rate {
    Rate(Quantity::MaxRate)
}

/// The most requests at once of which enough meet every objective of the load. Only a load with a
/// [search](crate::Load::search) of [concurrencies](crate::prelude::concurrencies) has it.
pub fn max_concurrency() -> Rate {
    Rate(Quantity::MaxConcurrency)
}

/// Seconds from the command that starts the server until it answers. Only a server that was started
/// for the run has it, and a simulated one that [says so](crate::Vllm::simulates_start_up).
pub fn start_up() -> StartUpTime {
    StartUpTime(Quantity::StartUp)
}

/// The part of the [start](start_up) in which weights are loaded.
pub fn weights_loading() -> StartUpTime {
    StartUpTime(Quantity::StartWeights)
}

/// The part of the [start](start_up) in which `torch.compile` compiles, as vLLM counts it.
pub fn compilation() -> StartUpTime {
    StartUpTime(Quantity::StartCompilation)
}

/// The part of the [start](start_up) in which CUDA graphs are captured, as vLLM counts it.
pub fn graph_capture() -> StartUpTime {
    StartUpTime(Quantity::StartGraphCapture)
}

/// Tokens that fit into the KV cache, from the server's log.
pub fn kv_cache_tokens() -> KvCache {
    KvCache(Quantity::KvCacheTokens)
}

/// Output tokens per second that one request saw.
pub fn request_output_rate() -> RequestRate {
    RequestRate(Quantity::RequestOutputRate)
}

/// Time to first token. Only streamed loads have it.
pub fn ttft() -> Latency {
    Latency(Quantity::Ttft)
}

/// Time per output token after the first, one value a request. Only streamed loads have it.
pub fn tpot() -> Latency {
    Latency(Quantity::Tpot)
}

/// Inter-token latency: the gaps between tokens of all requests. Only streamed loads have it.
pub fn itl() -> Latency {
    Latency(Quantity::Itl)
}

/// End to end, from the send to the last token.
pub fn e2e() -> Latency {
    Latency(Quantity::E2e)
}

/// To the first output that is not reasoning. Only answers with reasoning or tool calls have it.
pub fn first_answer() -> Latency {
    Latency(Quantity::FirstAnswer)
}

/// To the end of the last tool call. Only answers with tool calls have it.
pub fn tool_call() -> Latency {
    Latency(Quantity::ToolCall)
}

/// The longest time between two chunks of an answer: a parser that buffers is silent for as long.
/// Only answers with reasoning or tool calls have it.
pub fn longest_silence() -> Latency {
    Latency(Quantity::LongestSilence)
}

/// Output tokens of a request that were reasoning.
pub fn reasoning_tokens() -> Tokens {
    Tokens(Quantity::ReasoningTokens)
}

/// Output tokens of a request that were not reasoning, where some were.
pub fn answer_tokens() -> Tokens {
    Tokens(Quantity::AnswerTokens)
}

/// Tokens that a step of speculative decoding gave on average, over the whole server.
pub fn acceptance_length() -> Rate {
    Rate(Quantity::AcceptanceLength)
}

/// The share of drafted tokens that were accepted, in percent, over the whole server.
pub fn acceptance_rate() -> Rate {
    Rate(Quantity::AcceptanceRate)
}

/// The share of drafts whose token at a position was accepted, in percent, over the whole server. The
/// position counts from 0, as vLLM's `position` does; 15 is the last that has a figure.
///
/// ```compile_fail
/// use perf::prelude::*;
/// let wrong = acceptance_at::<16>();
/// ```
pub fn acceptance_at<const POSITION: usize>() -> Rate {
    const {
        assert!(POSITION < DraftPosition::MOST, "only the first 16 positions have figures");
    }
    Rate(Quantity::AcceptanceAt(DraftPosition::new(POSITION).unwrap_or(DraftPosition::FIRST)))
}

/// The acceptance length of a request. Only a server that says so for each request has it.
pub fn request_acceptance_length() -> RequestRate {
    RequestRate(Quantity::RequestAcceptanceLength)
}

/// A number of tokens that each request has: fewer is better.
#[derive(Clone, Copy, Debug)]
pub struct Tokens(Quantity);

/// A statistic of a number of tokens.
#[derive(Clone, Copy, Debug)]
pub struct TokensStatistic(Metric);

impl TokensStatistic {
    /// Guards it: a rise of more than `slack` above the baseline is a regression.
    pub fn may_rise(self, slack: Percent) -> Guard {
        Guard::new(self.0, slack)
    }
}

/// A rate of the whole server: more is better.
#[derive(Clone, Copy, Debug)]
pub struct Rate(Quantity);

impl Rate {
    /// Guards it: a drop of more than `slack` below the baseline is a regression.
    pub fn may_drop(self, slack: Percent) -> Guard {
        Guard::new(self.metric(), slack)
    }

    /// What somebody else published for it, in its unit: tokens or requests per second, tokens, or
    /// percent.
    pub fn was(self, value: f64) -> Published {
        Published { metric: self.metric(), value }
    }

    fn metric(self) -> Metric {
        Metric::whole_server(self.0).expect("a `Rate` is only made of whole-server quantities")
    }
}

/// A rate that each request has: more is better.
#[derive(Clone, Copy, Debug)]
pub struct RequestRate(Quantity);

/// A statistic of a rate that each request has.
#[derive(Clone, Copy, Debug)]
pub struct RateStatistic(Metric);

impl RateStatistic {
    /// Guards it: a drop of more than `slack` below the baseline is a regression.
    pub fn may_drop(self, slack: Percent) -> Guard {
        Guard::new(self.0, slack)
    }

    /// What somebody else published for it, in tokens per second.
    pub fn was(self, value: f64) -> Published {
        Published { metric: self.0, value }
    }
}

/// A latency: less is better.
#[derive(Clone, Copy, Debug)]
pub struct Latency(Quantity);

impl Latency {
    /// An objective for goodput: a request meets it when its own value is at most `limit`.
    pub fn within(self, limit: Duration) -> GoodputObjective {
        GoodputObjective(Objective { quantity: self.0, limit })
    }
}

/// A time of the server's start: less is better.
#[derive(Clone, Copy, Debug)]
pub struct StartUpTime(Quantity);

impl StartUpTime {
    /// Guards it: a rise of more than `slack` above the baseline is a regression.
    pub fn may_rise(self, slack: Percent) -> Guard {
        Guard::new(whole(self.0), slack)
    }

    /// What somebody else published for it.
    pub fn was(self, value: Duration) -> Published {
        Published { metric: whole(self.0), value: value.as_secs_f64() }
    }
}

/// A size of the KV cache: more is better.
#[derive(Clone, Copy, Debug)]
pub struct KvCache(Quantity);

impl KvCache {
    /// Guards it: a fall of more than `slack` below the baseline is a regression.
    pub fn may_drop(self, slack: Percent) -> Guard {
        Guard::new(whole(self.0), slack)
    }

    /// What somebody else published for it.
    pub fn was(self, value: f64) -> Published {
        Published { metric: whole(self.0), value }
    }
}

fn whole(quantity: Quantity) -> Metric {
    Metric::whole_server(quantity).expect("only made of quantities that are one number a start")
}

/// A bound that a request must meet to count for goodput.
#[derive(Clone, Copy, Debug)]
pub struct GoodputObjective(pub(crate) Objective);

/// A statistic of a latency.
#[derive(Clone, Copy, Debug)]
pub struct LatencyStatistic(Metric);

impl LatencyStatistic {
    /// Guards it: a rise of more than `slack` above the baseline is a regression.
    pub fn may_rise(self, slack: Percent) -> Guard {
        Guard::new(self.0, slack)
    }

    /// What somebody else published for it.
    pub fn was(self, value: Duration) -> Published {
        Published { metric: self.0, value: as_millis(value) }
    }
}

/// The least value of a latency: only shown beside a published one.
#[derive(Clone, Copy, Debug)]
pub struct LatencyMinimum(Metric);

impl LatencyMinimum {
    /// What somebody else published for it.
    pub fn was(self, value: Duration) -> Published {
        Published { metric: self.0, value: as_millis(value) }
    }
}

impl Latency {
    /// The least value, of TTFT. Nothing can guard it: it says nothing about what users see.
    pub fn min(self) -> LatencyMinimum {
        LatencyMinimum(self.statistic(Statistic::Min))
    }
}

/// The statistics of a distribution, for each kind of distribution the one type that says which way
/// is better.
macro_rules! statistics {
    ($distribution:ty => $statistic:ident) => {
        impl $distribution {
            /// The arithmetic mean.
            pub fn mean(self) -> $statistic {
                $statistic(self.statistic(Statistic::Mean))
            }

            /// The median.
            pub fn p50(self) -> $statistic {
                $statistic(self.statistic(Statistic::P50))
            }

            /// The 90th percentile.
            pub fn p90(self) -> $statistic {
                $statistic(self.statistic(Statistic::P90))
            }

            /// The 95th percentile.
            pub fn p95(self) -> $statistic {
                $statistic(self.statistic(Statistic::P95))
            }

            /// The 99th percentile.
            pub fn p99(self) -> $statistic {
                $statistic(self.statistic(Statistic::P99))
            }

            fn statistic(self, statistic: Statistic) -> Metric {
                Metric::of(self.0, statistic)
                    .expect("distributions are only made of quantities that have statistics")
            }
        }
    };
}

impl From<Rate> for Metric {
    fn from(rate: Rate) -> Self {
        rate.metric()
    }
}

impl From<RateStatistic> for Metric {
    fn from(rate: RateStatistic) -> Self {
        rate.0
    }
}

impl From<TokensStatistic> for Metric {
    fn from(tokens: TokensStatistic) -> Self {
        tokens.0
    }
}

impl From<LatencyStatistic> for Metric {
    fn from(latency: LatencyStatistic) -> Self {
        latency.0
    }
}

statistics!(RequestRate => RateStatistic);
statistics!(Latency => LatencyStatistic);
statistics!(Tokens => TokensStatistic);

#[cfg(test)]
mod tests {
    use perf_model::spec::units::percent;

    use super::*;

    #[test]
    fn a_guard_names_what_it_guards() {
        assert_eq!(
            output_throughput().may_drop(percent(2.5)).metric.to_string(),
            "output_throughput_tok_per_s"
        );
        assert_eq!(e2e().p99().may_rise(percent(2.5)).metric.to_string(), "e2e_p99_ms");
        assert_eq!(
            request_output_rate().mean().may_drop(percent(1.0)).metric.to_string(),
            "request_output_rate_mean_tok_per_s"
        );
    }
}
