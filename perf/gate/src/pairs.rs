//! Two sides measured alternately, and the differences of neighbours: [`Pairs`].

use crate::direction::Direction;
use crate::huber::{location, median};
use crate::series::{Series, SeriesError, Start};

/// The differences of neighbouring starts of two sides, measured in the order ABBA ABBA …: drift
/// during a session is in both starts of a pair, and even drift cancels over two pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs {
    differences: Vec<f64>,
    /// Of the starts with the fewest.
    runs: usize,
}

impl Pairs {
    /// Takes `pairs[pair]`, the runs of the base's and of the candidate's start, in the metric's
    /// own unit. In an error, "session" is the pair, start 1 the base's and start 2 the
    /// candidate's.
    pub fn new(direction: Direction, pairs: &[(Vec<f64>, Vec<f64>)]) -> Result<Self, SeriesError> {
        let sessions: Vec<Vec<Vec<f64>>> =
            pairs.iter().map(|(base, candidate)| vec![base.clone(), candidate.clone()]).collect();
        let series = Series::new(direction, &sessions)?;
        Ok(Self {
            differences: series
                .by_session()
                .iter()
                .map(|pair| pair[1].cost - pair[0].cost)
                .collect(),
            runs: series.by_session().iter().flatten().map(Start::runs).min().unwrap_or(1),
        })
    }

    /// How many pairs.
    pub fn count(&self) -> usize {
        self.differences.len()
    }

    /// Each pair's difference of costs: natural logarithm, + = the candidate is worse.
    pub fn differences(&self) -> &[f64] {
        &self.differences
    }

    /// The robust location of the differences, its standard error, and the degrees of freedom of
    /// that, given what is known of the variance of one start (as a function of its runs) and how
    /// many degrees of freedom that counts for.
    pub(crate) fn estimate(&self, known: &dyn Fn(usize) -> f64, known_df: f64) -> (f64, f64, f64) {
        let count = self.differences.len() as f64;
        let known = 2.0 * known(self.runs);
        let df = known_df + count - 1.0;
        // The median needs no scale. The squares are not clipped: among few pairs an extreme one
        // must make the verdict less certain, not disappear.
        let middle = median(&self.differences);
        let rough: f64 =
            self.differences.iter().map(|difference| (difference - middle).powi(2)).sum();
        let at = location(
            &self.differences,
            &vec![(known_df * known + rough) / df; self.differences.len()],
        );
        let squares: f64 =
            self.differences.iter().map(|difference| (difference - at).powi(2)).sum();
        let variance = (known_df * known + squares) / df;
        (at, (variance / count).sqrt(), df)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(values: &[(f64, f64)]) -> Pairs {
        let runs: Vec<(Vec<f64>, Vec<f64>)> =
            values.iter().map(|(one, other)| (vec![*one], vec![*other])).collect();
        Pairs::new(Direction::LowerIsBetter, &runs).unwrap()
    }

    #[test]
    fn what_drifts_in_both_cancels() {
        let drifting = pairs(&[(100.0, 105.0), (110.0, 115.5), (90.0, 94.5)]);
        let (at, _, df) = drifting.estimate(&|_| 1e-4, 4.0);
        assert!((at - 1.05_f64.ln()).abs() < 1e-9);
        assert!((df - 6.0).abs() < 1e-12);
    }

    #[test]
    fn one_extreme_pair_moves_the_difference_by_little() {
        let extreme = pairs(&[(100.0, 105.0), (100.0, 104.9), (100.0, 105.1), (100.0, 125.0)]);
        let (at, ..) = extreme.estimate(&|_| 1e-4, 4.0);
        assert!((at.exp() - 1.08).abs() < 0.01, "{at}");
    }

    #[test]
    fn one_pair_rests_on_what_is_known_beforehand() {
        let (_, error, _) = pairs(&[(100.0, 105.0)]).estimate(&|_| 1e-4, 4.0);
        assert!((error - 0.01 * 2.0_f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn values_that_cannot_be_judged_are_refused() {
        assert_eq!(Pairs::new(Direction::LowerIsBetter, &[]), Err(SeriesError::Empty));
        let error = Pairs::new(Direction::LowerIsBetter, &[(vec![1.0], vec![0.0])]).unwrap_err();
        assert!(error.to_string().starts_with("session 1, start 2, run 1 is 0"), "{error}");
    }
}
