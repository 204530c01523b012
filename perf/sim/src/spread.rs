//! What a profile's [`Parallel`](crate::parallel::Parallel) means for one server: [`Spread`].

use crate::args::ServeArgs;
use crate::parallel::Budget;
use crate::profile::{Profile, Step};

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
