//! A sweep that was measured: [`SweepReport`], the body of `sweep.json`.

use serde::{Deserialize, Serialize};

use crate::spec::engine_kind::EngineKind;
use crate::spec::metric::{Metric, Quantity, Statistic};
use crate::sweep::axis::{Axis, Setting};
use crate::sweep::cell::{Cell, CellOutcome};
use crate::sweep::goal::{Figure, Goal};

/// What was declared, and what came of each cell. Everything else follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepReport {
    /// The sweep's name.
    pub name: String,
    /// The engine.
    pub engine: EngineKind,
    /// What it ran on; absent if nothing was measured.
    pub hardware: Option<String>,
    /// The model.
    pub model: String,
    /// What was asked, on one line; what the axes vary is that of the first cell.
    pub load: String,
    /// What was varied.
    pub axes: Vec<Axis>,
    /// What was wanted.
    pub goals: Vec<Goal>,
    /// Every cell, the first axis slowest.
    pub cells: Vec<Cell>,
    /// Engine starts for each server.
    pub starts_per_server: u32,
    /// Engine starts that were made, those that failed included.
    pub starts: u32,
    /// What they took: seconds times GPUs.
    pub gpu_s: f64,
    /// Changes along an axis that somebody else published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published_changes: Vec<PublishedChange>,
}

/// A relative change along an axis that somebody else published: one run, noise unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedChange {
    /// The axis.
    pub setting: Setting,
    /// The values on the other axes, in their order.
    pub others: Vec<String>,
    /// Of which metric.
    pub metric: Metric,
    /// The change from the first value to the last: −0.1 is 10 % less.
    pub change: f64,
}

impl SweepReport {
    /// The figures that the goals name, and those of the Pareto front; each once.
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures: Vec<Figure> = Vec::new();
        let named = self.goals.iter().flat_map(|goal| goal.figures.iter().copied());
        for figure in named.chain(self.front_figures().into_iter().flatten()) {
            if !figures.contains(&figure) {
                figures.push(figure);
            }
        }
        figures
    }

    /// The figures of the Pareto front: output throughput per GPU, against the first of TTFT P50,
    /// TPOT P50 and E2E P50 that a cell has.
    pub fn front_figures(&self) -> Option<[Figure; 2]> {
        let has = |figure: &Figure| self.cells.iter().any(|cell| cell.value(*figure).is_some());
        let metric = Metric::whole_server(Quantity::OutputThroughput)?;
        // Where no server has several GPUs, both are the same.
        let is_spread = self.cells.iter().any(|cell| cell.gpus > 1);
        let throughput = if is_spread { Figure::per_gpu(metric) } else { Figure::of(metric) };
        let latency = [Quantity::Ttft, Quantity::Tpot, Quantity::E2e]
            .into_iter()
            .filter_map(|quantity| Metric::of(quantity, Statistic::P50).map(Figure::of))
            .find(has)?;
        has(&throughput).then_some([throughput, latency])
    }

    /// A cell by its values: `TP=2, DP=4`.
    pub fn label(&self, cell: usize) -> String {
        let Some(cell) = self.cells.get(cell) else { return String::new() };
        let parts = self.axes.iter().zip(&cell.values);
        let parts: Vec<String> =
            parts.map(|(axis, value)| format!("{}={value}", axis.setting)).collect();
        parts.join(", ")
    }

    /// The same without one axis; empty for a sweep of one axis.
    pub fn label_without(&self, cell: usize, axis: usize) -> String {
        let Some(cell) = self.cells.get(cell) else { return String::new() };
        let parts = self.axes.iter().zip(&cell.values).enumerate();
        let parts: Vec<String> = parts
            .filter(|(at, _)| *at != axis)
            .map(|(_, (axis, value))| format!("{}={value}", axis.setting))
            .collect();
        parts.join(", ")
    }

    /// How many cells were measured, failed, and were not run.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |is: fn(&CellOutcome) -> bool| {
            self.cells.iter().filter(|cell| is(&cell.outcome)).count()
        };
        (
            count(|outcome| matches!(outcome, CellOutcome::Measured { .. })),
            count(|outcome| matches!(outcome, CellOutcome::Failed { .. })),
            count(|outcome| matches!(outcome, CellOutcome::NotRun { .. })),
        )
    }

    /// What was published of the change along an axis with the other values of this cell.
    pub fn published_change(&self, axis: usize, cell: usize, metric: Metric) -> Option<f64> {
        let (setting, values) = (&self.axes.get(axis)?.setting, &self.cells.get(cell)?.values);
        let others = || values.iter().enumerate().filter(|(at, _)| *at != axis);
        let is_it = |change: &&PublishedChange| {
            change.setting == *setting
                && change.metric == metric
                && change.others.iter().eq(others().map(|(_, value)| value))
        };
        Some(self.published_changes.iter().find(is_it)?.change)
    }
}
