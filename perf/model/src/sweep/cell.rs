//! One point of a sweep, and what came of it: [`Cell`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analysis::statistics::median;
use crate::spec::metric::Metric;
use crate::sweep::goal::Figure;

/// One point of a sweep: a value on each axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The values, in the order of the axes.
    pub values: Vec<String>,
    /// GPUs of its server; 0 for a server on the CPU.
    pub gpus: u32,
    /// What came of it.
    pub outcome: CellOutcome,
    /// What somebody else published for it: one run, noise unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub published: BTreeMap<Metric, f64>,
}

/// What came of a cell. A cell that gave no figures says why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellOutcome {
    /// It was measured.
    Measured {
        /// Each figure, one value for each engine start.
        starts: BTreeMap<Metric, Vec<f64>>,
        /// What a reader should know of it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remarks: Vec<String>,
    },
    /// It gave no valid figures.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was not tried.
    NotRun {
        /// Why.
        reason: String,
    },
}

impl Cell {
    /// Whether it has figures.
    pub fn is_measured(&self) -> bool {
        matches!(self.outcome, CellOutcome::Measured { .. })
    }

    /// Why it has no figures.
    pub fn reason(&self) -> Option<&str> {
        match &self.outcome {
            CellOutcome::Measured { .. } => None,
            CellOutcome::Failed { reason } | CellOutcome::NotRun { reason } => Some(reason),
        }
    }

    /// The values of a figure by engine start; none if it was not measured.
    pub fn by_start(&self, figure: Figure) -> Vec<f64> {
        let CellOutcome::Measured { starts, .. } = &self.outcome else { return Vec::new() };
        let values = starts.get(&figure.metric).map_or(&[][..], Vec::as_slice);
        values.iter().map(|value| value / self.divisor(figure)).collect()
    }

    /// A figure: the median over engine starts.
    pub fn value(&self, figure: Figure) -> Option<f64> {
        median(&self.by_start(figure)).filter(|value| value.is_finite())
    }

    /// What somebody else published of a figure.
    pub fn published(&self, figure: Figure) -> Option<f64> {
        Some(self.published.get(&figure.metric)? / self.divisor(figure))
    }

    /// A server on the CPU counts as one GPU.
    fn divisor(&self, figure: Figure) -> f64 {
        if figure.per_gpu { f64::from(self.gpus.max(1)) } else { 1.0 }
    }
}
