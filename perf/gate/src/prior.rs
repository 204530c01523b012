//! What is known of a metric's noise before it was measured: [`Prior`].

use serde::{Deserialize, Serialize};

/// What is known of a metric's noise before it was measured, and how much that weighs.
///
/// Ten starts tell the noise to within a quarter at best, and three hardly at all; a verdict that
/// believed them alone would now and then be certain by accident.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// Typical standard deviation of one start's log value; 0.012 is 1.2 %.
    pub start_sd: f64,
    /// How many degrees of freedom that is worth.
    pub start_df: f64,
    /// The median of what is thought possible for the standard deviation between sessions.
    pub session_sd: f64,
    /// The standard deviation of its natural logarithm: 0.7 is "within a factor of two, in two
    /// cases of three".
    pub session_spread: f64,
}

/// The drift from day to day where it was not measured.
const UNMEASURED_DAY: f64 = 0.005;

impl Prior {
    /// For throughputs, means and medians.
    pub const fn central() -> Self {
        Self { start_sd: 0.012, start_df: 4.0, session_sd: 0.0025, session_spread: 0.7 }
    }

    /// For high percentiles, which rest on few requests: noisier, and less is known of them.
    pub const fn tail() -> Self {
        Self { start_sd: 0.06, start_df: 2.0, ..Self::central() }
    }

    /// By a metric's name: [`Prior::tail`] if it is a percentile from the 90th on or a maximum
    /// (`itl_p99_ms`, `ttft_max_ms`), [`Prior::central`] otherwise. A name that begins with `max`
    /// is of a limit (`max_rate`), not of the largest of many values.
    pub fn of_metric(name: &str) -> Self {
        let is_tail =
            |(at, part): (usize, &str)| part.starts_with("p9") || (part == "max" && at > 0);
        if name.to_ascii_lowercase().split('_').enumerate().any(is_tail) {
            Self::tail()
        } else {
            Self::central()
        }
    }

    /// This prior for baselines of at most this number of sessions. Below three, hardly anything
    /// shows how far days differ, and what is thought possible must be what is usual: on public
    /// histories of GPUs days differ by 0.54 % (standard deviation; quartiles 0.26 and 0.83 %).
    #[must_use]
    pub fn of_sessions(self, sessions: usize) -> Self {
        let session_sd =
            if sessions < 3 { self.session_sd.max(UNMEASURED_DAY) } else { self.session_sd };
        Self { session_sd, ..self }
    }

    /// Whether the figures can be computed with.
    pub(crate) fn is_sound(&self) -> bool {
        let positive = [self.start_sd, self.start_df, self.session_sd, self.session_spread];
        positive.iter().all(|figure| figure.is_finite() && *figure > 0.0)
    }
}

impl Default for Prior {
    fn default() -> Self {
        Self::central()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_high_percentile_is_known_by_its_name() {
        for name in ["itl_p99_ms", "ttft_p95_ms", "e2e_max_ms", "ITL_P99.9_MS"] {
            assert_eq!(Prior::of_metric(name), Prior::tail(), "{name}");
        }
        for name in
            ["itl_p50_ms", "ttft_mean_ms", "output_throughput_tok_per_s", "max_rate_req_per_s"]
        {
            assert_eq!(Prior::of_metric(name), Prior::central(), "{name}");
        }
    }
}
