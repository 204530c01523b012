//! What tensor parallelism, data parallelism and the token budget of a step do to step times, where a
//! profile says so: [`Parallel`], and what follows for one server: [`Spread`].

use serde::Deserialize;

use crate::args::ServeArgs;
use crate::profile::{Profile, Step};

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
    pub(crate) fn failure(&self, args: &ServeArgs) -> Option<&str> {
        let is_it = |failure: &&Failure| {
            failure.tp == args.tensor_parallel_size && failure.dp == args.data_parallel_size
        };
        self.failures.iter().find(is_it).map(|failure| failure.reason.as_str())
    }
}

/// The step times of one server, and how many replicas it has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) step: Step,
    pub(crate) replicas: u32,
    pub(crate) decode: f64,
    pub(crate) prefill: f64,
}

impl Spread {
    pub(crate) fn of(profile: &Profile, args: &ServeArgs) -> Self {
        let (tp, dp) = (args.tensor_parallel_size, args.data_parallel_size);
        let mut step = profile.step.clone();
        let Some(parallel) = &profile.parallel else {
            return Self { step, replicas: dp, decode: 1.0, prefill: 1.0 };
        };
        if let Some(of_tp) = parallel.tensor.iter().find(|of_tp| of_tp.tp == tp) {
            step.base_ms = of_tp.base_ms;
            step.prefill_token_us = of_tp.prefill_token_us;
            step.decode_seq_us = of_tp.decode_seq_us;
        }
        step.base_ms += parallel.replica_ms * f64::from(dp - 1);
        let tokens = args.max_num_batched_tokens.unwrap_or(profile.defaults.max_num_batched_tokens);
        let budget = parallel.budgets.iter().find(|budget| budget.tp == tp && budget.dp == dp);
        let factor = |points: fn(&Budget) -> &[(u32, f64)]| {
            budget.map_or(1.0, |budget| interpolated(points(budget), tokens as f64))
        };
        Self {
            step,
            replicas: dp,
            decode: factor(|budget| &budget.decode),
            prefill: factor(|budget| &budget.prefill),
        }
    }
}

/// The factor at a number of tokens.
fn interpolated(points: &[(u32, f64)], tokens: f64) -> f64 {
    let after = points.iter().position(|(at, _)| f64::from(*at) >= tokens);
    match after {
        None => points.last().map_or(1.0, |(_, factor)| *factor),
        Some(0) => points[0].1,
        Some(after) => {
            let ((from, low), (to, high)) = (points[after - 1], points[after]);
            let share = (tokens / f64::from(from)).ln() / (f64::from(to) / f64::from(from)).ln();
            share.mul_add(high - low, low)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::profile;

    fn spread(line: &str) -> Spread {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        Spread::of(&profile("qwen3-8b-8gpus").unwrap(), &ServeArgs::parse(&words).unwrap())
    }

    #[test]
    fn a_profile_without_the_section_has_its_own_step_times_at_any_size() {
        let profile = profile("generic").unwrap();
        let args = ServeArgs::parse(&["-tp".into(), "4".into(), "-dp=2".into()]).unwrap();
        let spread = Spread::of(&profile, &args);
        assert_eq!(spread, Spread { step: profile.step, replicas: 2, decode: 1.0, prefill: 1.0 });
    }

    #[test]
    fn replicas_add_to_every_step_and_a_tensor_parallel_size_has_step_times_of_its_own() {
        let (one, two) = (spread("-tp 2 -dp 1"), spread("-tp 2 -dp 4"));
        assert!((two.step.base_ms - one.step.base_ms - 3.0).abs() < 1e-9, "{two:?}");
        assert!(spread("-tp 4").step.base_ms < spread("-tp 1").step.base_ms);
    }

    #[test]
    fn a_factor_is_level_beyond_its_points_and_straight_over_the_logarithm_between_them() {
        let points = [(4_096, 1.0), (65_536, 1.4)];
        for (tokens, factor) in
            [(1_024.0, 1.0), (4_096.0, 1.0), (16_384.0, 1.2), (65_536.0, 1.4), (1e6, 1.4)]
        {
            assert!((interpolated(&points, tokens) - factor).abs() < 1e-12, "{tokens}");
        }
        assert!((interpolated(&[], 7.0) - 1.0).abs() < 1e-12);
    }
}
