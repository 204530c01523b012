//! The values of one metric on one side, checked and on the gate's scale: [`Series`].

use crate::direction::Direction;
use crate::huber::median;

/// The values of one metric on one side, one an engine start, in sessions.
///
/// A session is a stretch of time on one machine, without a reboot or a long pause: what drifts
/// from one day to the next is the same within it.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Session by session.
    sessions: Vec<Vec<Start>>,
    /// Each start's cost in order, without the sessions.
    costs: Vec<f64>,
}

/// One engine start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Start {
    /// Median of its runs' costs (natural logarithm, + = worse), or their mean if there are two or
    /// fewer.
    pub(crate) cost: f64,
    /// The cost of its first run.
    pub(crate) first: f64,
    /// Each run's cost less the mean of all, one a run; empty if there was one run.
    pub(crate) residuals: Vec<f64>,
}

impl Start {
    fn of(costs: &[f64]) -> Self {
        let mean = costs.iter().sum::<f64>() / costs.len() as f64;
        let residuals =
            if costs.len() < 2 { vec![] } else { costs.iter().map(|cost| cost - mean).collect() };
        let first = costs.first().copied().unwrap_or_default();
        Self { cost: median(costs), first, residuals }
    }

    /// How many runs.
    pub(crate) fn runs(&self) -> usize {
        self.residuals.len().max(1)
    }
}

/// Why values cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeriesError {
    /// There is nothing at all.
    #[error("there are no values; measure at least one engine start")]
    Empty,
    /// A session or a start without a value.
    #[error("session {session} has no values{}; leave it out, or measure it again",
        start.map_or_else(String::new, |start| format!(" in start {start}")))]
    Hole {
        /// Counted from 1.
        session: usize,
        /// Counted from 1; `None` if the session has no start.
        start: Option<usize>,
    },
    /// A value that is not positive and finite.
    #[error(
        "session {session}, start {start}, run {run} is {value}; only positive, finite values can be judged: a failed \
        run must be left out, not recorded as zero"
    )]
    NotPositive {
        /// Counted from 1.
        session: usize,
        /// Counted from 1, within the session.
        start: usize,
        /// Counted from 1, within the start.
        run: usize,
        /// The value, as text, because NaN is equal to nothing.
        value: String,
    },
    /// A value outside the range of measurements.
    #[error(
        "session {session}, start {start}, run {run} is {value}, which no measurement gives; values from 1e-12 to 1e15 can be judged"
    )]
    NoFigure {
        /// Counted from 1.
        session: usize,
        /// Counted from 1, within the session.
        start: usize,
        /// Counted from 1, within the start.
        run: usize,
        /// The value, as text.
        value: String,
    },
}

/// The range of a figure in any unit: sums and ratios of such values are finite.
const MEASURABLE: std::ops::RangeInclusive<f64> = 1e-12..=1e15;

impl Series {
    /// Takes `values[session][start][run]`, in the metric's own unit. A start's value is the median
    /// of its runs' costs, or their mean if there are two or fewer.
    pub fn new(direction: Direction, values: &[Vec<Vec<f64>>]) -> Result<Self, SeriesError> {
        let mut sessions = Vec::with_capacity(values.len());
        for (session, starts) in (1..).zip(values) {
            if starts.is_empty() {
                return Err(SeriesError::Hole { session, start: None });
            }
            let mut costs = Vec::with_capacity(starts.len());
            for (start, runs) in (1..).zip(starts) {
                costs.push(read_start(direction, session, start, runs)?);
            }
            sessions.push(costs);
        }
        Self::of_starts(sessions).ok_or(SeriesError::Empty)
    }

    /// Takes one value an engine start, all of one session.
    pub fn of_one_session(direction: Direction, starts: &[f64]) -> Result<Self, SeriesError> {
        if starts.is_empty() {
            return Err(SeriesError::Empty);
        }
        Self::new(direction, &[starts.iter().map(|value| vec![*value]).collect()])
    }

    /// Takes costs of one session as they are, one a run; `None` if there are none.
    pub(crate) fn of_costs(starts: &[Vec<f64>]) -> Option<Self> {
        Self::of_starts(vec![starts.iter().map(|runs| Start::of(runs)).collect()])
    }

    fn of_starts(sessions: Vec<Vec<Start>>) -> Option<Self> {
        let costs: Vec<f64> = sessions.iter().flatten().map(|start| start.cost).collect();
        (!costs.is_empty()).then_some(Self { sessions, costs })
    }

    /// How many engine starts.
    pub fn starts(&self) -> usize {
        self.costs.len()
    }

    /// How many sessions.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Each start's cost: natural logarithm, + = worse.
    pub fn costs(&self) -> &[f64] {
        &self.costs
    }

    /// The most runs of a start.
    pub(crate) fn most_runs(&self) -> usize {
        self.by_session().iter().flatten().map(Start::runs).max().unwrap_or(1)
    }

    /// The middle of all runs' costs, as a table shows it.
    pub(crate) fn middle(&self) -> f64 {
        let of = |start: &Start| -> Vec<f64> {
            // The first run's residual says where the mean of all lies.
            let mean = start.first - start.residuals.first().copied().unwrap_or_default();
            if start.residuals.is_empty() {
                vec![start.first]
            } else {
                start.residuals.iter().map(|residual| mean + residual).collect()
            }
        };
        median(&self.sessions.iter().flatten().flat_map(of).collect::<Vec<_>>())
    }

    /// The starts, session by session.
    pub(crate) fn by_session(&self) -> &[Vec<Start>] {
        &self.sessions
    }
}

fn read_start(
    direction: Direction,
    session: usize,
    start: usize,
    runs: &[f64],
) -> Result<Start, SeriesError> {
    if runs.is_empty() {
        return Err(SeriesError::Hole { session, start: Some(start) });
    }
    if let Some((run, value)) =
        (1..).zip(runs).find(|(_, value)| !(value.is_finite() && **value > 0.0))
    {
        return Err(SeriesError::NotPositive { session, start, run, value: value.to_string() });
    }
    if let Some((run, value)) = (1..).zip(runs).find(|(_, value)| !MEASURABLE.contains(value)) {
        return Err(SeriesError::NoFigure { session, start, run, value: format!("{value:e}") });
    }
    let costs: Vec<f64> = runs.iter().map(|value| direction.cost(*value)).collect();
    Ok(Start::of(&costs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_the_median_of_its_runs_and_the_mean_of_two() {
        let values = vec![vec![vec![1.0, 100.0, 2.0]], vec![vec![1.0, 4.0], vec![3.0]]];
        let series = Series::new(Direction::LowerIsBetter, &values).unwrap();
        let costs: Vec<f64> = series.costs().iter().map(|cost| cost.exp()).collect();
        assert!(
            costs.iter().zip([2.0, 2.0, 3.0]).all(|(cost, wanted)| (cost - wanted).abs() < 1e-9),
            "{costs:?}"
        );
        assert_eq!((series.starts(), series.sessions()), (3, 2));
    }

    #[test]
    fn values_of_which_no_ratio_can_be_taken_are_refused_and_named() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = Series::new(Direction::LowerIsBetter, &[vec![vec![1.0], vec![1.0, bad]]])
                .unwrap_err();
            assert!(error.to_string().starts_with("session 1, start 2, run 2 is "), "{error}");
        }
        for bad in [1e308, 1e-300] {
            let error = Series::new(Direction::LowerIsBetter, &[vec![vec![bad]]]).unwrap_err();
            let named = format!("session 1, start 1, run 1 is {bad:e}, which no measurement gives");
            assert!(error.to_string().starts_with(&named), "{error}");
        }
        assert_eq!(Series::new(Direction::LowerIsBetter, &[]), Err(SeriesError::Empty));
        assert_eq!(Series::of_one_session(Direction::LowerIsBetter, &[]), Err(SeriesError::Empty));
        let hole = Series::new(Direction::LowerIsBetter, &[vec![vec![1.0]], vec![]]).unwrap_err();
        assert_eq!(hole.to_string(), "session 2 has no values; leave it out, or measure it again");
        let hole = Series::new(Direction::LowerIsBetter, &[vec![vec![1.0], vec![]]]).unwrap_err();
        assert_eq!(
            hole.to_string(),
            "session 1 has no values in start 2; leave it out, or measure it again"
        );
    }
}
