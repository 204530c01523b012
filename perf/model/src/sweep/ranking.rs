//! Which cell is the best for a goal, and by how much: [`rank`].

use serde::{Deserialize, Serialize};

use crate::spec::metric::Direction;
use crate::sweep::cell::Cell;
use crate::sweep::goal::{Figure, Goal};

/// A cell's place for a goal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// Its number among the cells, from 0.
    pub cell: usize,
    /// The loss against the best value, as a factor: 1 is the best, 1.1 is 10 % worse.
    ///
    /// For a goal of several figures it is the geometric mean of their factors. So each counts as
    /// much as any other, in any unit and range.
    pub loss: f64,
}

/// The cells that have every figure of a goal, best first; equal ones in the order of the cells.
pub fn rank(cells: &[Cell], goal: &Goal) -> Vec<Ranked> {
    let losses: Vec<Vec<Option<f64>>> =
        goal.figures.iter().map(|figure| losses(cells, *figure)).collect();
    let mean = |cell: usize| -> Option<f64> {
        let logs: Option<Vec<f64>> =
            losses.iter().map(|of_figure| of_figure[cell].map(f64::ln)).collect();
        let logs = logs.filter(|logs| !logs.is_empty())?;
        Some((logs.iter().sum::<f64>() / logs.len() as f64).exp())
    };
    let mut ranked: Vec<Ranked> =
        (0..cells.len()).filter_map(|cell| Some(Ranked { cell, loss: mean(cell)? })).collect();
    ranked.sort_by(|one, other| one.loss.total_cmp(&other.loss));
    ranked
}

/// The loss of each cell against the best value of a figure, as a factor from 1 up. Values of 0 and
/// below have none: no factor leads from them to a better one.
fn losses(cells: &[Cell], figure: Figure) -> Vec<Option<f64>> {
    let values: Vec<Option<f64>> =
        cells.iter().map(|cell| cell.value(figure).filter(|value| *value > 0.0)).collect();
    let known = values.iter().flatten().copied();
    let higher = figure.metric.direction() == Direction::HigherIsBetter;
    let best = known.reduce(if higher { f64::max } else { f64::min });
    let loss = |value: f64| best.map(|best| if higher { best / value } else { value / best });
    values.into_iter().map(|value| value.and_then(loss)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::sweep_cell;

    fn figure(key: &str) -> Figure {
        Figure::of(key.parse().unwrap())
    }

    fn order(goal: &Goal) -> Vec<usize> {
        let cells = [
            sweep_cell(&["1"], 1, &[("output_throughput_tok_per_s", 100.0), ("ttft_p50_ms", 50.0)]),
            sweep_cell(&["2"], 2, &[("output_throughput_tok_per_s", 180.0), ("ttft_p50_ms", 60.0)]),
            sweep_cell(
                &["4"],
                4,
                &[("output_throughput_tok_per_s", 200.0), ("ttft_p50_ms", 200.0)],
            ),
            sweep_cell(&["8"], 8, &[]),
        ];
        rank(&cells, goal).iter().map(|ranked| ranked.cell).collect()
    }

    #[test]
    fn the_best_is_the_highest_rate_or_the_lowest_latency_and_a_cell_without_figures_has_no_place()
    {
        let rate = figure("output_throughput_tok_per_s");
        assert_eq!(order(&Goal::best("throughput", rate)), [2, 1, 0]);
        assert_eq!(order(&Goal::best("first token", figure("ttft_p50_ms"))), [0, 1, 2]);
        let per_gpu = Figure { per_gpu: true, ..rate };
        assert_eq!(order(&Goal::best("efficiency", per_gpu)), [0, 1, 2]);
    }

    #[test]
    fn a_balance_prefers_what_is_near_the_best_in_each_figure() {
        let figures = vec![figure("output_throughput_tok_per_s"), figure("ttft_p50_ms")];
        assert_eq!(order(&Goal::balance("balance", figures)), [1, 0, 2]);
    }

    #[test]
    fn a_loss_is_a_factor_and_that_of_a_balance_the_geometric_mean() {
        let cells = [
            sweep_cell(&["1"], 1, &[("ttft_p50_ms", 50.0), ("tpot_p50_ms", 20.0)]),
            sweep_cell(&["2"], 1, &[("ttft_p50_ms", 100.0), ("tpot_p50_ms", 10.0)]),
        ];
        let goal = Goal::balance("b", vec![figure("ttft_p50_ms"), figure("tpot_p50_ms")]);
        for ranked in rank(&cells, &goal) {
            assert!((ranked.loss - 2.0_f64.sqrt()).abs() < 1e-12, "{ranked:?}");
        }
    }
}
