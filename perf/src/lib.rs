//! Performance regression tests for vLLM, written as ordinary Rust tests.
//!
//! A test declares a server ([`Vllm`]) and the loads to put on it ([`Load`]), groups them in a
//! [`Suite`], runs it and holds what was measured against the baseline that is committed in
//! `baselines/`:
//!
//! ```no_run
//! use perf::prelude::*;
//!
//! fn awq_on_one_gpu() -> perf::Result {
//!     let engine = Vllm::under_test()
//!         .model("Qwen2.5-14B-Instruct-AWQ")
//!         .gpus(1)
//!         .arg("--quantization", "awq_marlin")
//!         .arg("--max-model-len", 8192);
//!
//!     Suite::new("qwen2.5-14b-awq")
//!         .load(
//!             Load::new("max_throughput")
//!                 .prompts(repeated_sentence("The quick brown fox jumps over the lazy dog. ", 120))
//!                 .output_tokens(at_most(256))
//!                 .arrivals(waves_of(32))
//!                 .requests(160)
//!                 .guard(output_throughput().may_drop(percent(2.5)))
//!                 .guard(e2e().p50().may_rise(percent(2.5))),
//!         )
//!         .run_on(engine)? // `?`: could not measure
//!         .hold() // panics: measured, and worse
//! }
//! ```
//!
//! A plain `cargo test` runs it on the simulated engine in virtual time; `cargo xtask perf` runs
//! the same function on a real one.

mod baselines;
mod budget;
mod compare;
mod cross_check;
mod duet;
mod error;
mod gpu_guards;
mod guards;
mod interrupt;
mod load;
mod load_api;
mod load_request;
mod load_search;
mod load_state;
mod measure;
mod neighbours;
mod parent;
mod plan;
mod preflight;
mod rank_guards;
mod refresh;
mod remote;
mod rounds;
mod run;
mod search;
mod session;
mod stall_detector;
mod start;
mod suite;
mod sweep;
mod tiers;
mod time;
mod vllm;

pub use error::{Error, Result};
pub use gpu_guards::{GpuCost, GpuYield};
pub use guards::{
    GoodputObjective, KvCache, Latency, LatencyStatistic, Rate, RateStatistic, RequestRate,
    StartUpTime, Tokens, TokensStatistic,
};
pub use load::Load;
pub use perf_engine::ServerFailure;
pub use rank_guards::RankSpread;
pub use suite::{Outcome, Suite};
pub use sweep::{Sweep, SweepCell, SweepOutcome};
pub use vllm::Vllm;

/// Everything that a test needs, in one `use`.
pub mod prelude {
    pub use perf_engine::ServerFailure;
    pub use perf_model::spec::load::{Arrivals, Length, OutputLength, Prompts};
    pub use perf_model::spec::load_search::LoadSearch;
    pub use perf_model::spec::request_field::RequestField;
    pub use perf_model::spec::tier::Tier;
    pub use perf_model::spec::units::{millis, per_second, percent};

    pub use serde_json::json;

    pub use crate::gpu_guards::{
        energy, energy_per_output_token, mean_power, nvlink_rx, nvlink_tx, pcie_rx, pcie_tx,
        peak_gpu_memory, tokens_per_joule,
    };
    pub use crate::guards::{
        acceptance_at, acceptance_length, acceptance_rate, answer_tokens, compilation, e2e,
        first_answer, goodput, graph_capture, itl, kv_cache_tokens, longest_silence,
        max_concurrency, max_rate, output_throughput, reasoning_tokens, request_acceptance_length,
        request_output_rate, request_throughput, start_up, tool_call, total_throughput, tpot, ttft,
        weights_loading,
    };
    pub use crate::load::{
        Load, as_recorded, as_recorded_at, at_most, at_most_of, concurrent, constant_rate,
        conversations, exactly, exactly_of, gamma, json_lines, lognormal, one_at_a_time, poisson,
        prose, ramp, random_tokens, random_tokens_of, repeated_sentence, share_gpt, shared_prefix,
        text, trace, uniform, verse, verse_of, waves_of,
    };
    pub use crate::load_search::{concurrencies, rates};
    pub use crate::rank_guards::busiest_rank;
    pub use crate::suite::{Outcome, Suite};
    pub use crate::sweep::{Sweep, SweepOutcome};
    pub use crate::vllm::Vllm;
}
