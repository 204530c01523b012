//! A load whose strength is searched for: [`LoadSearch`], the highest rate or concurrency at which
//! a share of the requests meets every objective.

use std::fmt;

use perf_gate::SearchPlan;
use serde::{Deserialize, Serialize};

use crate::spec::load::{Arrivals, Load};
use crate::spec::metric::Metric;
use crate::spec::units::{PerSecond, Percent, per_second, percent};

/// The probability with which a probe is decided the wrong way.
pub const PROBE_ERROR: f64 = 0.025;

/// What is raised until the objectives are missed, and from where to where.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// The rate of arrivals.
    Rate {
        /// The lowest.
        from: PerSecond,
        /// The highest.
        to: PerSecond,
    },
    /// The number of requests at once.
    Concurrency {
        /// The lowest.
        from: u32,
        /// The highest.
        to: u32,
    },
}

/// A search for the highest load under objectives.
///
/// Of all fields but the axis there are defaults: 99 % of the requests, found to 5 %, with 10
/// probes at most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadSearch {
    /// What is searched.
    pub axis: Axis,
    /// The share of requests that must meet every objective.
    pub share: Percent,
    /// How far the truth may be from the answer.
    pub resolution: Percent,
    /// The most probes.
    pub probes: u32,
}

impl LoadSearch {
    /// A search along an axis, with the defaults.
    pub fn along(axis: Axis) -> Self {
        Self { axis, share: percent(99.0), resolution: percent(5.0), probes: 10 }
    }

    /// The share of requests that must meet every objective; 99 % by default.
    #[must_use]
    pub fn share(self, share: Percent) -> Self {
        Self { share, ..self }
    }

    /// How far the truth may be from the answer; 5 % by default.
    #[must_use]
    pub fn resolution(self, resolution: Percent) -> Self {
        Self { resolution, ..self }
    }

    /// The most probes; 10 by default.
    #[must_use]
    pub fn probes(self, probes: u32) -> Self {
        Self { probes, ..self }
    }

    /// The metric that it measures.
    pub fn metric(self) -> Metric {
        match self.axis {
            Axis::Rate { .. } => Metric::MAX_RATE,
            Axis::Concurrency { .. } => Metric::MAX_CONCURRENCY,
        }
    }

    /// The plan that the statistics follow.
    pub fn plan(self) -> SearchPlan {
        let (from, to, is_whole) = match self.axis {
            Axis::Rate { from, to } => (from.value(), to.value(), false),
            Axis::Concurrency { from, to } => (from.into(), to.into(), true),
        };
        SearchPlan {
            from,
            to,
            is_whole,
            share: self.share.fraction(),
            resolution: self.resolution.fraction(),
            probes: self.probes,
            error: PROBE_ERROR,
        }
    }

    /// These arrivals at a load on the axis. `None` where they have no such load.
    pub fn arrivals(self, pattern: Arrivals, at: f64) -> Option<Arrivals> {
        let rate = per_second(at);
        match (self.axis, pattern) {
            (Axis::Rate { .. }, Arrivals::Poisson(_)) => Some(Arrivals::Poisson(rate)),
            (Axis::Rate { .. }, Arrivals::ConstantRate(_)) => Some(Arrivals::ConstantRate(rate)),
            (Axis::Rate { .. }, Arrivals::Gamma { shape, .. }) => {
                Some(Arrivals::Gamma { rate, shape })
            }
            (Axis::Concurrency { .. }, Arrivals::OneAtATime | Arrivals::Concurrency(_)) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a whole number within the range, which is of u32"
                )]
                let width = at.round() as u32;
                Some(Arrivals::Concurrency(width))
            }
            _ => None,
        }
    }

    /// The arrivals of a search that declares no others: Poisson, or so many at once.
    pub fn usual_arrivals(self) -> Arrivals {
        match self.axis {
            Axis::Rate { from, .. } => Arrivals::Poisson(from),
            Axis::Concurrency { from, .. } => Arrivals::Concurrency(from),
        }
    }

    /// Why a load cannot be searched, if it cannot: text for an error message.
    pub fn fault(self, load: &Load) -> Option<String> {
        let plan = self.plan();
        if let Err(error) = plan.check() {
            return Some(error.to_string());
        }
        if load.objectives.is_empty() {
            return Some(
                "a search needs an objective that the requests must meet, such as a limit of TTFT"
                    .to_owned(),
            );
        }
        if self.arrivals(load.arrivals, plan.from).is_none() {
            let fitting = match self.axis {
                Axis::Rate { .. } => "arrivals at a rate: Poisson, gamma or constant",
                Axis::Concurrency { .. } => "concurrent arrivals",
            };
            return Some(format!("this search needs {fitting}, not {}", load.arrivals));
        }
        let fewest = (plan.fewest_requests() / (1.0 - RAMP)).ceil();
        (f64::from(load.requests) < fewest).then(|| {
            format!(
                "{} requests in a probe cannot show that {} meet the objectives; ask for at least {fewest}, better for twice as many",
                load.requests, self.share
            )
        })
    }
}

/// The share of a probe's requests, the first ones, that is its ramp and is not judged.
pub const RAMP: f64 = 0.2;

impl fmt::Display for LoadSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.axis {
            Axis::Rate { from, to } => write!(f, "highest rate from {} to {to}", from.value())?,
            Axis::Concurrency { from, to } => {
                write!(f, "highest concurrency from {from} to {to} requests")?;
            }
        }
        write!(
            f,
            " at which {} of requests meet the objectives, to {} in at most {} probes",
            self.share, self.resolution, self.probes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn rates() -> LoadSearch {
        LoadSearch::along(Axis::Rate { from: per_second(1.0), to: per_second(64.0) })
    }

    #[test]
    fn a_search_describes_itself_and_names_its_metric() {
        assert_eq!(
            rates().to_string(),
            "highest rate from 1 to 64 requests/s at which 99 % of requests meet the objectives, to 5 % in at most 10 \
             probes"
        );
        assert_eq!(rates().metric().to_string(), "max_rate_req_per_s");
        let widths = LoadSearch::along(Axis::Concurrency { from: 1, to: 256 });
        assert_eq!(widths.metric().to_string(), "max_concurrency_requests");
        assert_eq!(widths.arrivals(Arrivals::OneAtATime, 6.0), Some(Arrivals::Concurrency(6)));
    }

    #[test]
    fn a_load_that_cannot_be_searched_is_refused() {
        let load = Load { requests: 1_000, ..fixtures::load() };
        assert_eq!(rates().fault(&load), None);
        let fault = |search: LoadSearch, load: Load| search.fault(&load).unwrap();
        let few = fault(rates(), Load { requests: 400, ..load.clone() });
        assert!(few.starts_with("400 requests in a probe cannot show that 99 %"), "{few}");
        let aimless = fault(rates(), Load { objectives: vec![], ..load.clone() });
        assert!(aimless.contains("needs an objective"), "{aimless}");
        let waves = fault(rates(), Load { arrivals: Arrivals::Waves(2), ..load.clone() });
        assert!(waves.ends_with("not waves of 2"), "{waves}");
        assert!(fault(rates().probes(1), load).contains("1 probes"));
    }
}
