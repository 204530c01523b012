//! What a sweep has finished so far, a line each, so that it goes on after it was killed:
//! [`Declaration`], then [`Line`]s, gathered by [`Progress`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::spec::engine_kind::EngineKind;
use crate::spec::metric::{Metric, Quantity};
use crate::sweep::cell::CellOutcome;

/// The version of a journal's format.
pub const SCHEMA: u32 = 1;

/// What a sweep declares, as far as its cells depend on it. The first line of its journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// The version of the format.
    pub schema: u32,
    /// The sweep's name.
    pub sweep: String,
    /// The engine.
    pub engine: EngineKind,
    /// Engine arguments, variables, image and faults that are put under test, and the draw of the
    /// simulated engine's noise.
    pub under_test: Vec<String>,
    /// Engine starts for each server.
    pub starts: u32,
    /// The cells: their values, server and load, on one line each.
    pub cells: Vec<String>,
}

impl Declaration {
    /// What another declaration has that is not in this one, and the other way round; none if they
    /// are equal. Figures of two declarations do not belong into one table.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let pair = |what: &str, one: &dyn std::fmt::Display, now: &dyn std::fmt::Display| {
            Some(format!("its {what} was {one} and is now {now}"))
        };
        if self.schema != other.schema {
            return pair("format", &self.schema, &other.schema);
        }
        if self.sweep != other.sweep {
            return pair("name", &self.sweep, &other.sweep);
        }
        if self.engine != other.engine {
            return pair("engine", &self.engine, &other.engine);
        }
        if self.under_test != other.under_test {
            return Some(format!(
                "under test was [{}] and is now [{}]",
                self.under_test.join(" "),
                other.under_test.join(" ")
            ));
        }
        if self.starts != other.starts {
            return pair("number of starts for each server", &self.starts, &other.starts);
        }
        let first = self.cells.iter().zip(&other.cells).find(|(one, now)| one != now);
        if let Some((one, now)) = first {
            return Some(format!("a cell was `{one}` and is now `{now}`"));
        }
        (self.cells.len() != other.cells.len())
            .then(|| format!("it had {} cells and now has {}", self.cells.len(), other.cells.len()))
    }
}

/// A line after the declaration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// An engine start began.
    Started {
        /// Its number in the run.
        start: u32,
    },
    /// An engine start ended, by itself or with its loads.
    Stopped {
        /// Its number in the run.
        start: u32,
        /// What it took: seconds times GPUs.
        gpu_s: f64,
    },
    /// A cell was measured in one of its server's starts.
    Measured {
        /// The cell's number, from 0.
        cell: usize,
        /// Which start of its server, from 1.
        repetition: u32,
        /// What it ran on.
        hardware: String,
        /// Its figures.
        figures: BTreeMap<Metric, f64>,
        /// What a reader should know of it.
        remarks: Vec<String>,
        /// The quantities that are estimates.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        estimated: BTreeSet<Quantity>,
    },
    /// A cell gave no valid figures, and is not tried again.
    Failed {
        /// The cell's number, from 0.
        cell: usize,
        /// Why.
        reason: String,
    },
}

/// What a journal says of the cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Engine starts that began.
    pub starts: u32,
    /// What those that ended took: seconds times GPUs.
    pub gpu_s: f64,
    /// What was measured on: every hardware once.
    pub hardware: BTreeSet<String>,
    measured: BTreeMap<usize, BTreeMap<u32, BTreeMap<Metric, f64>>>,
    remarks: BTreeMap<usize, Vec<String>>,
    estimated: BTreeMap<usize, BTreeSet<Quantity>>,
    failed: BTreeMap<usize, String>,
}

impl Progress {
    /// Takes in a line.
    pub fn push(&mut self, line: Line) {
        match line {
            Line::Started { .. } => self.starts += 1,
            // To the microsecond, so that the sum does not depend on the order in which starts ended.
            Line::Stopped { gpu_s, .. } => {
                self.gpu_s = ((self.gpu_s + gpu_s) * 1e6).round() / 1e6;
            }
            Line::Measured { cell, repetition, hardware, figures, remarks, estimated } => {
                self.estimated.entry(cell).or_default().extend(estimated);
                self.hardware.insert(hardware);
                self.measured.entry(cell).or_default().insert(repetition, figures);
                let known = self.remarks.entry(cell).or_default();
                for remark in remarks {
                    if !known.contains(&remark) {
                        known.push(remark);
                    }
                }
            }
            Line::Failed { cell, reason } => {
                self.failed.entry(cell).or_insert(reason);
            }
        }
    }

    /// Whether a cell needs no more of a start of its server.
    pub fn is_finished(&self, cell: usize, repetition: u32) -> bool {
        self.failed.contains_key(&cell)
            || self.measured.get(&cell).is_some_and(|starts| starts.contains_key(&repetition))
    }

    /// What came of a cell; none if it is not finished after this many starts of its server.
    pub fn outcome(&self, cell: usize, starts: u32) -> Option<CellOutcome> {
        if let Some(reason) = self.failed.get(&cell) {
            return Some(CellOutcome::Failed { reason: reason.clone() });
        }
        let measured = self.measured.get(&cell)?;
        if measured.len() < starts as usize {
            return None;
        }
        let mut by_metric: BTreeMap<Metric, Vec<f64>> = BTreeMap::new();
        for (metric, value) in measured.values().flatten() {
            by_metric.entry(*metric).or_default().push(*value);
        }
        // A figure that one start lacks would be of other starts than the rest.
        by_metric.retain(|_, values| values.len() == measured.len());
        let remarks = self.remarks.get(&cell).cloned().unwrap_or_default();
        let estimated = self.estimated.get(&cell).cloned().unwrap_or_default();
        Some(CellOutcome::Measured { starts: by_metric, remarks, estimated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(cell: usize, repetition: u32, value: f64) -> Line {
        let metric: Metric = "ttft_p50_ms".parse().unwrap();
        Line::Measured {
            cell,
            repetition,
            hardware: "h".into(),
            figures: BTreeMap::from([(metric, value)]),
            remarks: vec!["a remark".into()],
            estimated: BTreeSet::new(),
        }
    }

    #[test]
    fn a_cell_is_finished_when_every_start_of_its_server_measured_it_or_it_failed() {
        let mut progress = Progress::default();
        progress.push(measured(0, 1, 3.0));
        assert!(progress.is_finished(0, 1) && !progress.is_finished(0, 2));
        assert_eq!(progress.outcome(0, 2), None);
        progress.push(measured(0, 2, 5.0));
        let metric: Metric = "ttft_p50_ms".parse().unwrap();
        let whole = CellOutcome::Measured {
            starts: BTreeMap::from([(metric, vec![3.0, 5.0])]),
            remarks: vec!["a remark".into()],
            estimated: BTreeSet::new(),
        };
        assert_eq!(progress.outcome(0, 2), Some(whole));
        progress.push(Line::Failed { cell: 1, reason: "out of memory".into() });
        assert!(progress.is_finished(1, 2));
        let failed = CellOutcome::Failed { reason: "out of memory".into() };
        assert_eq!(progress.outcome(1, 2), Some(failed));
    }

    #[test]
    fn another_declaration_is_named_by_what_differs() {
        let one = Declaration {
            schema: SCHEMA,
            sweep: "s".into(),
            engine: EngineKind::Docker,
            under_test: Vec::new(),
            starts: 1,
            cells: vec!["TP=1".into()],
        };
        assert_eq!(one.difference(&one.clone()), None);
        let now = Declaration { cells: vec!["TP=2".into()], ..one.clone() };
        assert_eq!(one.difference(&now).as_deref(), Some("a cell was `TP=1` and is now `TP=2`"));
        let now = Declaration { cells: vec!["TP=1".into(), "TP=2".into()], ..one.clone() };
        assert_eq!(one.difference(&now).as_deref(), Some("it had 1 cells and now has 2"));
        let now = Declaration { engine: EngineKind::Process, ..one.clone() };
        assert_eq!(
            one.difference(&now).as_deref(),
            Some("its engine was docker and is now process")
        );
    }
}
