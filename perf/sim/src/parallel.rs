//! What tensor parallelism, data parallelism and the token budget of a step do to step times, where a
//! profile says so: [`Parallel`].

use serde::Deserialize;

/// How a deployment behaves when it is spread over GPUs. Every figure is fitted, not derived.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parallel {
    /// Step times by tensor-parallel size, in place of the profile's own.
    #[serde(default)]
    pub tensor: Vec<TensorParallel>,
    /// What each replica beyond the first adds to every step, in milliseconds: replicas share the
    /// host's processors and its API server.
    #[serde(default)]
    pub replica_ms: f64,
    /// How step times depend on the token budget of a step, by tensor- and data-parallel size.
    #[serde(default)]
    pub budgets: Vec<Budget>,
    /// Sizes with which the server does not start.
    #[serde(default)]
    pub failures: Vec<Failure>,
}

/// Step times at a tensor-parallel size.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorParallel {
    /// The size.
    pub tp: u32,
    /// As `step.base_ms`.
    pub base_ms: f64,
    /// As `step.prefill_token_us`.
    pub prefill_token_us: f64,
    /// As `step.decode_seq_us`.
    pub decode_seq_us: f64,
}

/// Factors on step times by `--max-num-batched-tokens`: points (tokens, factor), joined by straight
/// lines over the logarithm of the tokens, level beyond the ends. Without points the factor is 1.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Tensor-parallel size.
    pub tp: u32,
    /// Data-parallel size.
    pub dp: u32,
    /// On steps that decode.
    #[serde(default)]
    pub decode: Vec<(u32, f64)>,
    /// On the time of prompt tokens.
    #[serde(default)]
    pub prefill: Vec<(u32, f64)>,
}

/// Sizes with which the server does not start.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Tensor-parallel size.
    pub tp: u32,
    /// Data-parallel size.
    pub dp: u32,
    /// The line of the log with the reason.
    pub reason: String,
}

impl Parallel {
    /// What is wrong with a figure, if something is.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let is_time = |time: f64| time.is_finite() && time >= 0.0;
        let steps = self.tensor.iter();
        if steps.clone().any(|step| !(step.base_ms > 0.0 && step.base_ms.is_finite()))
            || !steps.flat_map(|step| [step.prefill_token_us, step.decode_seq_us]).all(is_time)
            || !is_time(self.replica_ms)
        {
            return Some("holds a time that is negative or not finite, or a base of 0");
        }
        let mut points = self.budgets.iter().flat_map(|budget| [&budget.decode, &budget.prefill]);
        let is_curve = |points: &Vec<(u32, f64)>| {
            points.windows(2).all(|pair| pair[0].0 < pair[1].0)
                && points
                    .iter()
                    .all(|(tokens, factor)| *tokens > 0 && factor.is_finite() && *factor > 0.0)
        };
        (!points.all(is_curve))
            .then_some("has factors whose tokens do not ascend, or that are not above 0")
    }

    /// Why a server of these sizes does not start, if it does not.
    pub(crate) fn failure(&self, tp: u32, dp: u32) -> Option<&str> {
        let is_it = |failure: &&Failure| failure.tp == tp && failure.dp == dp;
        self.failures.iter().find(is_it).map(|failure| failure.reason.as_str())
    }
}
