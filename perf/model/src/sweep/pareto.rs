//! The cells that no other beats in both of two figures: [`front`].

use crate::spec::metric::Direction;
use crate::sweep::cell::Cell;
use crate::sweep::goal::Figure;

/// The cells for which no other is at least as good in both figures and better in one, ordered by
/// the first figure, best first.
pub fn front(cells: &[Cell], first: Figure, second: Figure) -> Vec<usize> {
    let signed = |cell: &Cell, figure: Figure| {
        let value = cell.value(figure)?;
        Some(match figure.metric.direction() {
            Direction::HigherIsBetter => value,
            Direction::LowerIsBetter => -value,
        })
    };
    let points: Vec<(usize, f64, f64)> = cells
        .iter()
        .enumerate()
        .filter_map(|(at, cell)| Some((at, signed(cell, first)?, signed(cell, second)?)))
        .collect();
    let beats = |one: &(usize, f64, f64), other: &(usize, f64, f64)| {
        one.1 >= other.1 && one.2 >= other.2 && (one.1 > other.1 || one.2 > other.2)
    };
    let mut front: Vec<&(usize, f64, f64)> =
        points.iter().filter(|point| !points.iter().any(|other| beats(other, point))).collect();
    front.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    front.into_iter().map(|(at, ..)| *at).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::sweep_cell;

    const RATE: &str = "output_throughput_tok_per_s";
    const TTFT: &str = "ttft_p50_ms";

    fn of(points: &[(f64, f64)]) -> Vec<usize> {
        let cells: Vec<Cell> = points
            .iter()
            .map(|(rate, ttft)| sweep_cell(&["1"], 1, &[(RATE, *rate), (TTFT, *ttft)]))
            .collect();
        front(&cells, Figure::per_gpu(RATE.parse().unwrap()), Figure::of(TTFT.parse().unwrap()))
    }

    #[test]
    fn what_is_beaten_in_both_is_not_on_the_front_and_the_best_of_each_is() {
        assert_eq!(
            of(&[(10.0, 5.0), (20.0, 9.0), (15.0, 9.5), (30.0, 30.0), (9.0, 5.0)]),
            [3, 1, 0]
        );
    }

    #[test]
    fn throughput_counts_per_gpu() {
        let cells = [
            sweep_cell(&["1"], 1, &[(RATE, 100.0), (TTFT, 50.0)]),
            sweep_cell(&["2"], 4, &[(RATE, 200.0), (TTFT, 60.0)]),
        ];
        let rate = RATE.parse().unwrap();
        let ttft = Figure::of(TTFT.parse().unwrap());
        assert_eq!(front(&cells, Figure::per_gpu(rate), ttft), [0]);
        assert_eq!(front(&cells, Figure::of(rate), ttft), [1, 0]);
    }

    proptest! {
        #[test]
        fn no_cell_of_the_front_is_beaten_and_every_other_is(
            points in prop::collection::vec((1.0..100.0_f64, 1.0..100.0_f64), 1..20)
        ) {
            let front = of(&points);
            prop_assert!(!front.is_empty());
            for (at, (rate, ttft)) in points.iter().enumerate() {
                let is_beaten = points.iter().any(|(other_rate, other_ttft)| {
                    other_rate >= rate && other_ttft <= ttft && (other_rate > rate || other_ttft < ttft)
                });
                prop_assert_eq!(front.contains(&at), !is_beaten);
            }
        }
    }
}
