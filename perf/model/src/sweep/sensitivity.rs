//! How much a figure changes along one axis while the others stay: [`along`].

use serde::{Deserialize, Serialize};

use crate::sweep::axis::Axis;
use crate::sweep::cell::{Cell, rows};
use crate::sweep::goal::Figure;

/// The change of a figure along an axis, with the other axes at one combination of values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The cell at the first value that was measured, and the one at the last.
    pub cells: (usize, usize),
    /// The relative change from the first to the last: −0.1 is 10 % less.
    pub change: f64,
}

/// The changes of a figure along an axis, a row for each combination of the other axes that was
/// measured at two values at least. First and last are in the order of the axis.
pub fn along(axes: &[Axis], at: usize, cells: &[Cell], figure: Figure) -> Vec<Change> {
    let change = |row: Vec<usize>| {
        let value = |cell: usize| Some((cell, cells[cell].value(figure)?));
        let mut measured = row.into_iter().filter_map(value);
        let (first, last) = (measured.next()?, measured.next_back()?);
        (first.1 > 0.0).then(|| Change { cells: (first.0, last.0), change: last.1 / first.1 - 1.0 })
    };
    rows(axes, at, cells).into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::sweep_cell;

    const RATE: &str = "output_throughput_tok_per_s";

    #[test]
    fn each_row_compares_the_ends_of_the_axis_and_leaves_out_what_was_not_measured() {
        let axes: [Axis; 2] = ["tp=1,2".parse().unwrap(), "concurrency=1,8,32".parse().unwrap()];
        let cells = [
            sweep_cell(&["1", "1"], 1, &[(RATE, 10.0)]),
            sweep_cell(&["1", "8"], 1, &[(RATE, 60.0)]),
            sweep_cell(&["1", "32"], 1, &[(RATE, 100.0)]),
            sweep_cell(&["2", "1"], 2, &[(RATE, 20.0)]),
            sweep_cell(&["2", "8"], 2, &[(RATE, 15.0)]),
            sweep_cell(&["2", "32"], 2, &[]),
        ];
        let figure = Figure::of(RATE.parse().unwrap());
        let found: Vec<((usize, usize), f64)> = along(&axes, 1, &cells, figure)
            .iter()
            .map(|row| (row.cells, (row.change * 1e6).round() / 1e6))
            .collect();
        assert_eq!(found, [((0, 2), 9.0), ((3, 4), -0.25)]);
        let by_tp: Vec<(usize, usize)> =
            along(&axes, 0, &cells, figure).iter().map(|row| row.cells).collect();
        assert_eq!(by_tp, [(0, 3), (1, 4)]);
    }
}
