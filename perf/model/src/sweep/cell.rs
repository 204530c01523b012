//! One point of a sweep, and what came of it: [`Cell`]; and those that differ on one axis only:
//! [`rows`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::analysis::statistics::median;
use crate::spec::metric::{Metric, Quantity};
use crate::sweep::axis::Axis;
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
        /// The quantities that are estimates.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        estimated: BTreeSet<Quantity>,
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

    /// Whether a figure is an estimate.
    pub fn is_estimated(&self, figure: Figure) -> bool {
        matches!(&self.outcome, CellOutcome::Measured { estimated, .. }
            if estimated.contains(&figure.metric.quantity()))
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

/// The cells that differ on one axis only, in the order of its values: a list for each combination
/// of the other axes.
pub fn rows(axes: &[Axis], at: usize, cells: &[Cell]) -> Vec<Vec<usize>> {
    let Some(along) = axes.get(at) else { return Vec::new() };
    let place = |cell: usize| {
        along.values.iter().position(|value| cells[cell].values.get(at) == Some(value))
    };
    let is_same_but_here = |one: usize, other: usize| {
        let pairs = cells[one].values.iter().zip(&cells[other].values).enumerate();
        pairs.filter(|(axis, _)| *axis != at).all(|(_, (one, other))| one == other)
    };
    let mut rows: Vec<Vec<usize>> = Vec::new();
    for cell in 0..cells.len() {
        match rows.iter_mut().find(|row| is_same_but_here(row[0], cell)) {
            Some(row) => row.push(cell),
            None => rows.push(vec![cell]),
        }
    }
    for row in &mut rows {
        row.sort_by_key(|cell| place(*cell));
    }
    rows
}
