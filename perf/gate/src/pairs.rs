//! Two sides measured alternately, and the differences of neighbours: [`Pairs`].

use statrs::function::gamma::digamma;

use crate::direction::Direction;
use crate::distributions::upper_limit;
use crate::estimate::moderated;
use crate::huber::{location, median};
use crate::prior::Prior;
use crate::series::{Series, SeriesError, Start};

/// What was known before counts as much as this many guards.
const KNOWN: f64 = 4.0;

impl Prior {
    /// This prior, moved to what the pairs of a suite's guards show of starts.
    #[must_use]
    pub fn learned_of_pairs(self, all: &[&Pairs]) -> Self {
        let seen: Vec<f64> = all.iter().filter_map(|pairs| pairs.start_sd()).collect();
        if seen.len() < 2 {
            return self;
        }
        let logs = KNOWN * self.start_sd.ln() + seen.iter().map(|sd| sd.ln()).sum::<f64>();
        Self { start_sd: (logs / (KNOWN + seen.len() as f64)).exp(), ..self }
    }
}

/// The differences of neighbouring starts of two sides, measured in the order ABBA ABBA …: drift
/// during a session is in both starts of a pair, and even drift cancels over two pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs {
    differences: Vec<f64>,
    /// The farthest of either side's starts from the middle of its side.
    farthest: f64,
    /// The variance of the starts of either side around its mean, without the farthest one.
    scatter: f64,
    /// Of the starts with the fewest.
    runs: usize,
}

/// What is left of a variance, on average, when the farthest of 4 to 12 normal values is left out:
/// 0.62 to 0.71.
const SPARED: f64 = 0.65;

/// The degrees of freedom of the scatter of both sides' starts.
fn scatter_df(pairs: usize) -> f64 {
    let counted = if pairs >= 4 { pairs - 1 } else { pairs };
    2.0 * (counted as f64 - 1.0).max(1.0)
}

impl Pairs {
    /// Takes `pairs[pair]`, the runs of the base's and of the candidate's start, in the metric's
    /// own unit. In an error, "session" is the pair, start 1 the base's and start 2 the
    /// candidate's.
    pub fn new(direction: Direction, pairs: &[(Vec<f64>, Vec<f64>)]) -> Result<Self, SeriesError> {
        let sessions: Vec<Vec<Vec<f64>>> =
            pairs.iter().map(|(base, candidate)| vec![base.clone(), candidate.clone()]).collect();
        let series = Series::new(direction, &sessions)?;
        let side = |at: usize| -> Vec<f64> {
            series.by_session().iter().map(|pair| pair[at].cost).collect()
        };
        // Of four starts or more, one may always be odd.
        let spared = usize::from(pairs.len() >= 4);
        let squares = [side(0), side(1)].map(|mut costs| {
            let middle = median(&costs);
            costs.sort_by(|one, other| (one - middle).abs().total_cmp(&(other - middle).abs()));
            costs.truncate(costs.len() - spared);
            let mean = costs.iter().sum::<f64>() / costs.len() as f64;
            costs.iter().map(|cost| (cost - mean).powi(2)).sum::<f64>()
        });
        let df = scatter_df(pairs.len());
        let farthest = [side(0), side(1)].map(|costs| {
            let middle = median(&costs);
            costs.iter().map(|cost| (cost - middle).abs()).fold(0.0, f64::max)
        });
        Ok(Self {
            farthest: farthest[0].max(farthest[1]),
            scatter: squares.iter().sum::<f64>() / df / if spared > 0 { SPARED } else { 1.0 },
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

    /// How far one start is from the middle of its side: what scatters so between starts of the
    /// same engine is no drift that pairs cancel.
    pub(crate) fn farthest(&self) -> f64 {
        self.farthest
    }

    /// The upper limit of how much one start may scatter, moderated by a guess as
    /// [`guessed`](Self::guessed) is.
    pub(crate) fn most_scatter(&self, known: f64, known_df: f64) -> f64 {
        self.most_scatter_of(self.differences.len(), known, known_df)
    }

    /// The same of so many pairs that scatter like these.
    pub(crate) fn most_scatter_of(&self, pairs: usize, known: f64, known_df: f64) -> f64 {
        let df = scatter_df(pairs);
        let (variance, from_guess) = moderated(known, known_df, self.scatter, df);
        upper_limit(variance.sqrt(), df + from_guess)
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

    /// The same where what is known is a guess: it gives way where the pairs scatter more.
    pub(crate) fn guessed(&self, known: f64, known_df: f64) -> (f64, f64, f64) {
        let count = self.differences.len() as f64;
        if count < 2.0 {
            return self.estimate(&|_| known, known_df);
        }
        let middle = median(&self.differences);
        let rough: f64 =
            self.differences.iter().map(|difference| (difference - middle).powi(2)).sum();
        let of =
            |squares: f64| moderated(2.0 * known, known_df, squares / (count - 1.0), count - 1.0);
        let at = location(&self.differences, &vec![of(rough).0; self.differences.len()]);
        let squares: f64 =
            self.differences.iter().map(|difference| (difference - at).powi(2)).sum();
        let (variance, from_guess) = of(squares);
        (at, (variance / count).sqrt(), count - 1.0 + from_guess)
    }

    /// The standard deviation of one start that their scatter shows; `None` of fewer than three.
    fn start_sd(&self) -> Option<f64> {
        let df = self.differences.len().checked_sub(1).filter(|df| *df >= 2)? as f64;
        let mean = self.differences.iter().sum::<f64>() / (df + 1.0);
        let squares: f64 =
            self.differences.iter().map(|difference| (difference - mean).powi(2)).sum();
        // The mean logarithm of an estimated variance lies below that of the true one.
        let bias = digamma(df / 2.0) - (df / 2.0).ln();
        Some((squares / df / 2.0 / bias.exp()).sqrt().max(1e-6))
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
    fn two_guards_move_what_is_known_of_starts_and_one_does_not() {
        let wild = pairs(&[(100.0, 90.0), (94.0, 108.0), (107.0, 93.0), (92.0, 103.0)]);
        assert!(wild.start_sd().unwrap() > 0.03, "{wild:?}");
        let known = Prior::default();
        assert_eq!(known.learned_of_pairs(&[&wild]), known);
        let learned = known.learned_of_pairs(&[&wild, &wild]).start_sd;
        let (before, seen) = (known.start_sd.ln(), wild.start_sd().unwrap().ln());
        assert!((learned.ln() - (4.0 * before + 2.0 * seen) / 6.0).abs() < 1e-12, "{learned}");
    }

    #[test]
    fn values_that_cannot_be_judged_are_refused() {
        assert_eq!(Pairs::new(Direction::LowerIsBetter, &[]), Err(SeriesError::Empty));
        let error = Pairs::new(Direction::LowerIsBetter, &[(vec![1.0], vec![0.0])]).unwrap_err();
        assert!(error.to_string().starts_with("session 1, start 2, run 1 is 0"), "{error}");
    }
}
