//! What can be measured: [`Metric`], a quantity and, where it is a distribution, a statistic of it.
//!
//! Every name says its scope. A throughput is of the whole server; the rate of one request is a
//! separate quantity with its own name. The definitions and formulas are in `docs/GLOSSARY.md`.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

pub use perf_gate::Direction;
use serde::{Deserialize, Serialize};

pub use crate::spec::quantity::{QUANTITIES, Quantity};

/// A statistic of a quantity that has a value per request or per gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statistic {
    /// The least value. Some reports give it; it says nothing about what users see, so that nothing
    /// can guard it and no baseline has it.
    Min,
    /// The arithmetic mean.
    Mean,
    /// The median.
    P50,
    /// The 90th percentile.
    P90,
    /// The 95th percentile.
    P95,
    /// The 99th percentile.
    P99,
}

/// A quantity, and the statistic of it where it has one. Ordered as reports show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Metric {
    quantity: Quantity,
    statistic: Option<Statistic>,
}

/// All statistics that can be guarded, in the order of reports.
pub const STATISTICS: [Statistic; 5] =
    [Statistic::Mean, Statistic::P50, Statistic::P90, Statistic::P95, Statistic::P99];

impl Statistic {
    /// The name in baselines and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }

    /// The name in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Mean => "mean",
            Self::P50 => "P50",
            Self::P90 => "P90",
            Self::P95 => "P95",
            Self::P99 => "P99",
        }
    }
}

impl Metric {
    /// The highest rate under objectives.
    pub const MAX_RATE: Self = Self { quantity: Quantity::MaxRate, statistic: None };

    /// The highest concurrency under objectives.
    pub const MAX_CONCURRENCY: Self = Self { quantity: Quantity::MaxConcurrency, statistic: None };

    /// A whole-server quantity. `None` if the quantity is a distribution and needs a statistic.
    pub fn whole_server(quantity: Quantity) -> Option<Self> {
        quantity.is_whole_server().then_some(Self { quantity, statistic: None })
    }

    /// A statistic of a distribution. `None` if the quantity is one number a run.
    pub fn of(quantity: Quantity, statistic: Statistic) -> Option<Self> {
        (!quantity.is_whole_server()).then_some(Self { quantity, statistic: Some(statistic) })
    }

    /// The quantity.
    pub fn quantity(self) -> Quantity {
        self.quantity
    }

    /// The statistic, for a distribution.
    pub fn statistic(self) -> Option<Statistic> {
        self.statistic
    }

    /// The direction that is better.
    pub fn direction(self) -> Direction {
        self.quantity.direction()
    }

    /// The unit in tables.
    pub fn unit(self) -> &'static str {
        self.quantity.unit()
    }

    /// Whether it is a high percentile, which scatters more than means and medians do.
    pub fn is_tail(self) -> bool {
        matches!(self.statistic, Some(Statistic::P90 | Statistic::P95 | Statistic::P99))
    }

    /// The name in tables: `E2E P50`.
    pub fn label(self) -> String {
        match self.statistic {
            Some(statistic) => format!("{} {}", self.quantity.label(), statistic.label()),
            None => self.quantity.label().to_owned(),
        }
    }

    /// The minima that are measured beside [`Metric::all`], to stand next to published ones.
    pub fn minima() -> impl Iterator<Item = Self> {
        Self::of(Quantity::Ttft, Statistic::Min).into_iter()
    }

    /// Every metric that a baseline has, in the order of reports.
    pub fn all() -> impl Iterator<Item = Self> {
        QUANTITIES.into_iter().flat_map(|quantity| {
            let statistics: Vec<Option<Statistic>> = if quantity.is_whole_server() {
                vec![None]
            } else {
                STATISTICS.into_iter().map(Some).collect()
            };
            statistics.into_iter().map(move |statistic| Self { quantity, statistic })
        })
    }
}

/// The key in baselines and records, which ends in the unit: `e2e_p50_ms`,
/// `output_throughput_tok_per_s`.
impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.quantity.name())?;
        if let Some(statistic) = self.statistic {
            write!(f, "_{}", statistic.name())?;
        }
        write!(f, "_{}", self.quantity.key_unit())
    }
}

/// A key that is not a metric's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no metric is called `{0}`")]
pub struct UnknownMetric(pub String);

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        // Reading the baselines of a repository looks up thousands of keys.
        static METRICS: LazyLock<HashMap<String, Metric>> = LazyLock::new(|| {
            let all = Metric::all().chain(Metric::minima());
            all.map(|metric| (metric.to_string(), metric)).collect()
        });
        METRICS.get(key).copied().ok_or_else(|| UnknownMetric(key.to_owned()))
    }
}

impl Serialize for Metric {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        key.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
