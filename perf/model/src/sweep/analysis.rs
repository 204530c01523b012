//! Everything that follows from a sweep's cells: [`Analysis`].

use serde::Serialize;

use crate::spec::metric::{Metric, Quantity};
use crate::sweep::axis::{Setting, number};
use crate::sweep::cell::rows;
use crate::sweep::goal::Figure;
use crate::sweep::knee::knee;
use crate::sweep::pareto::front;
use crate::sweep::ranking::{Ranked, rank};
use crate::sweep::recommendation::recommend;
use crate::sweep::report::SweepReport;
use crate::sweep::sensitivity::{Change, along};

/// What follows from a sweep's cells. Cells are named by their numbers, from 0.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Analysis {
    /// For each goal the cells, best first.
    pub rankings: Vec<Vec<Ranked>>,
    /// The cells that no other beats in both figures of the front.
    pub front: Vec<usize>,
    /// The knees of the throughput over concurrency or rate.
    pub knees: Vec<Knee>,
    /// How much each figure changes along each axis.
    pub sensitivities: Vec<Sensitivity>,
    /// A sentence for each goal.
    pub recommendations: Vec<String>,
}

/// Where the output throughput of the whole server stops rising with the load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Knee {
    /// The axis: concurrency or rate.
    pub setting: Setting,
    /// The values on the other axes: `TP=2, DP=4`; empty without other axes.
    pub others: String,
    /// The cell at the knee; absent where the curve has none.
    pub cell: Option<usize>,
}

/// How much a figure changes along an axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sensitivity {
    /// The axis, by its number.
    pub axis: usize,
    /// The figure.
    pub figure: Figure,
    /// A row for each combination of the other axes.
    pub rows: Vec<Change>,
}

impl Analysis {
    /// Analyses a sweep.
    pub fn of(report: &SweepReport) -> Self {
        let cells = &report.cells;
        let rankings: Vec<Vec<Ranked>> =
            report.goals.iter().map(|goal| rank(cells, goal)).collect();
        let recommendations = report.goals.iter().zip(&rankings);
        Self {
            front: report
                .front_figures()
                .map_or(Vec::new(), |[throughput, latency]| front(cells, throughput, latency)),
            knees: knees(report),
            sensitivities: sensitivities(report),
            recommendations: recommendations
                .map(|(goal, ranking)| recommend(report, goal, ranking))
                .collect(),
            rankings,
        }
    }
}

fn sensitivities(report: &SweepReport) -> Vec<Sensitivity> {
    let figures = report.figures();
    let axes = (0..report.axes.len()).filter(|axis| report.axes[*axis].values.len() > 1);
    let all = axes.flat_map(|axis| figures.iter().map(move |figure| (axis, *figure)));
    all.map(|(axis, figure)| Sensitivity {
        axis,
        figure,
        rows: along(&report.axes, axis, &report.cells, figure),
    })
    .filter(|sensitivity| !sensitivity.rows.is_empty())
    .collect()
}

/// A knee for each combination of the other axes that was measured at three loads at least.
fn knees(report: &SweepReport) -> Vec<Knee> {
    let Some(throughput) = Metric::whole_server(Quantity::OutputThroughput).map(Figure::of) else {
        return Vec::new();
    };
    let mut knees: Vec<Knee> = Vec::new();
    for (axis, declared) in report.axes.iter().enumerate() {
        if !declared.setting.is_intensity() {
            continue;
        }
        for row in rows(&report.axes, axis, &report.cells) {
            let point = |cell: usize| {
                let values = &report.cells[cell].values;
                Some((number(values.get(axis)?)?, report.cells[cell].value(throughput)?, cell))
            };
            let mut points: Vec<(f64, f64, usize)> =
                row.iter().filter_map(|cell| point(*cell)).collect();
            if points.len() < 3 {
                continue;
            }
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            let curve: Vec<(f64, f64)> = points.iter().map(|(x, y, _)| (*x, *y)).collect();
            knees.push(Knee {
                setting: declared.setting.clone(),
                others: report.label_without(row[0], axis),
                cell: knee(&curve).map(|(at, _)| points[at].2),
            });
        }
    }
    knees
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::sweep;

    #[test]
    fn a_sweep_has_a_knee_for_each_server_and_a_row_for_each_combination() {
        let analysis = Analysis::of(&sweep());
        let knees: Vec<(&str, Option<usize>)> =
            analysis.knees.iter().map(|knee| (knee.others.as_str(), knee.cell)).collect();
        assert_eq!(knees, [("max-num-seqs=8", Some(1)), ("max-num-seqs=64", None)]);
        assert_eq!(analysis.front, [2, 1, 3]);
        let rows: Vec<usize> =
            analysis.sensitivities.iter().map(|sensitivity| sensitivity.rows.len()).collect();
        assert_eq!(rows, [3, 2, 2, 2]);
    }

    #[test]
    fn what_follows_from_a_sweep_is_the_same_after_it_was_written_and_read() {
        let report = sweep();
        let text = serde_json::to_string(&report).unwrap();
        let read: SweepReport = serde_json::from_str(&text).unwrap();
        assert_eq!(read, report);
        assert_eq!(Analysis::of(&read), Analysis::of(&report));
    }
}
