//! Notes on a verdict whose two sides ran at different SM clocks: [`from_baseline`] and [`side_by_side`].
//!
//! At the power cap the clock moves, and the speed of what computes moves with it. The figures are
//! judged as measured all the same: the candidate can be the reason for its clock, and
//! `docs/gate/covariate.md` shows what an adjustment would hide. Sides that were measured in turn have
//! the same day, so that their clocks say whose reason it is.

use crate::analysis::statistics::{mean, median};
use crate::judge::baseline::Baseline;
use crate::judge::results::{RepetitionResult, runs_by_start};
use crate::record::finding::{Finding, FindingCode};
use crate::spec::metric::{Metric, Quantity};

/// A difference that is named. Speed follows the clock in full at most, so that a clock that differs by
/// less takes no guard beyond the usual slack of 2.5 %.
const NAMED: f64 = 0.02;

/// The mean SM clocks of two sides, in MHz.
#[derive(Clone, Copy)]
struct Clocks {
    before: f64,
    now: f64,
}

impl Clocks {
    /// Of `[start][repetition]`; `None` where a side has none.
    fn of(before: &[Vec<f64>], now: &[Vec<f64>]) -> Option<Self> {
        let of = |starts: &[Vec<f64>]| {
            mean(&starts.iter().filter_map(|runs| median(runs)).collect::<Vec<_>>())
        };
        Some(Self { before: of(before)?, now: of(now)? })
    }

    fn change(self) -> f64 {
        self.now / self.before - 1.0
    }

    fn differ(self) -> bool {
        self.change().abs() > NAMED
    }

    /// `mean SM clock: 1905 MHz → 1740 MHz (-8.7 %)`, and what follows.
    fn finding(self, of: &str, what: &str) -> Finding {
        let Self { before, now } = self;
        let change = self.change() * 100.0;
        Finding::new(
            FindingCode::ClockDiffers,
            format!("mean SM clock{of}: {before:.0} MHz → {now:.0} MHz ({change:+.1} %){what}"),
        )
    }
}

/// What is said of starts whose mean SM clock differs from that of their baseline.
pub(crate) fn from_baseline(baseline: &Baseline, starts: &[RepetitionResult]) -> Option<Finding> {
    let clock = Metric::whole_server(Quantity::MeanSmClock)?;
    let clocks = Clocks::of(&baseline.sessions(clock).concat(), &runs_by_start(starts, clock))?;
    clocks.differ().then(|| {
        clocks.finding(
            "",
            ", which changes the speed of what computes; the machine or what is under test may be the reason. The \
             figures are judged as measured",
        )
    })
}

/// What is said of two sides that were measured in turn, `of` whom: of clocks that differ, and where
/// `asked` of those that do not, because they differed from the baseline.
pub(crate) fn side_by_side(
    of: &str,
    base: &[RepetitionResult],
    candidate: &[RepetitionResult],
    asked: bool,
) -> Option<Finding> {
    let clock = Metric::whole_server(Quantity::MeanSmClock)?;
    let clocks = Clocks::of(&runs_by_start(base, clock), &runs_by_start(candidate, clock))?;
    let what = if clocks.differ() {
        "; both sides were measured in turn, so it belongs to what is under test"
    } else {
        "; both sides were measured in turn, so the machine's clock is another than at the baseline"
    };
    (asked || clocks.differ()).then(|| clocks.finding(of, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn clock() -> Metric {
        Metric::whole_server(Quantity::MeanSmClock).unwrap()
    }

    fn starts(clocks: &[f64]) -> Vec<RepetitionResult> {
        let start = |(number, mhz): (u32, &f64)| {
            let mut start = fixtures::repetition(number);
            start.summary.values.insert(clock(), *mhz);
            start
        };
        (1..).zip(clocks).map(start).collect()
    }

    fn message(finding: Option<Finding>) -> String {
        finding.map(|finding| finding.message).unwrap_or_default()
    }

    #[test]
    fn a_clock_that_differs_from_the_baseline_by_more_than_two_percent_is_named() {
        let baseline = |clocks: &[f64]| {
            let session = clocks.iter().map(|clock| vec![*clock]).collect();
            fixtures::baseline(clock(), vec![session])
        };
        let said =
            |before: &[f64], now: &[f64]| message(from_baseline(&baseline(before), &starts(now)));
        insta::assert_snapshot!(said(&[1_900.0, 1_910.0], &[1_740.0]), @"mean SM clock: 1905 MHz → 1740 MHz (-8.7 %), which changes the speed of what computes; the machine or what is under test may be the reason. The figures are judged as measured");
        assert_eq!(said(&[1_900.0], &[1_870.0, 1_880.0]), "");
        assert_eq!(said(&[1_900.0], &[]), "");
        assert_eq!(said(&[], &[1_900.0]), "");
    }

    #[test]
    fn sides_that_were_measured_in_turn_say_whose_clock_it_is() {
        let said = |base: f64, candidate: f64, asked| {
            message(side_by_side(" in the duet", &starts(&[base]), &starts(&[candidate]), asked))
        };
        insta::assert_snapshot!(said(1_890.0, 1_740.0, false), @"mean SM clock in the duet: 1890 MHz → 1740 MHz (-7.9 %); both sides were measured in turn, so it belongs to what is under test");
        insta::assert_snapshot!(said(1_745.0, 1_740.0, true), @"mean SM clock in the duet: 1745 MHz → 1740 MHz (-0.3 %); both sides were measured in turn, so the machine's clock is another than at the baseline");
        assert_eq!(said(1_745.0, 1_740.0, false), "");
    }
}
