//! A verdict beside which the SM clock differs: [`clock_difference`].
//!
//! At the power cap the clock moves, and the speed of what computes moves with it. The figures are
//! judged as measured all the same: the candidate can be the reason for its clock, and
//! `docs/gate/covariate.md` shows what an adjustment would hide.

use crate::analysis::statistics::{mean, median};
use crate::judge::baseline::Baseline;
use crate::judge::results::LoadResults;
use crate::record::finding::{Finding, FindingCode};
use crate::spec::metric::{Metric, Quantity};

/// A difference that is named. Speed follows the clock in full at most, so that a clock that differs by
/// less takes no guard beyond the usual slack of 2.5 %.
const NAMED: f64 = 0.02;

/// What is said of a mean SM clock that differs from the baseline's. `in_turn` if both sides were
/// measured in turn.
pub(crate) fn clock_difference(
    baseline: &Baseline,
    evidence: &LoadResults<'_>,
    in_turn: bool,
) -> Option<Finding> {
    let clock = Metric::whole_server(Quantity::MeanSmClock)?;
    finding(&baseline.sessions(clock).concat(), &evidence.values(clock), in_turn)
}

/// The same of the clocks of both sides, `[start][repetition]` in MHz.
fn finding(before: &[Vec<f64>], now: &[Vec<f64>], in_turn: bool) -> Option<Finding> {
    let of = |starts: &[Vec<f64>]| {
        mean(&starts.iter().filter_map(|runs| median(runs)).collect::<Vec<_>>())
    };
    let (before, now) = (of(before)?, of(now)?);
    let change = now / before - 1.0;
    if change.abs() <= NAMED {
        return None;
    }
    let why = if in_turn {
        "both sides were measured in turn, so it belongs to what is under test"
    } else {
        "the machine or what is under test may be the reason; a duet tells them apart"
    };
    Some(Finding::new(
        FindingCode::ClockDiffers,
        format!(
            "mean SM clock: {before:.0} MHz → {now:.0} MHz ({:+.1} %), which changes the speed of what computes; {why}. \
             The figures are judged as measured",
            change * 100.0
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(before: &[f64], now: &[f64], in_turn: bool) -> Option<String> {
        let starts = |clocks: &[f64]| clocks.iter().map(|clock| vec![*clock]).collect::<Vec<_>>();
        let finding = finding(&starts(before), &starts(now), in_turn)?;
        assert_eq!(finding.code, FindingCode::ClockDiffers);
        Some(finding.message)
    }

    #[test]
    fn a_clock_that_differs_by_more_than_two_percent_is_named_and_no_other() {
        insta::assert_snapshot!(said(&[1_900.0, 1_910.0], &[1_740.0], false).unwrap(), @"mean SM clock: 1905 MHz → 1740 MHz (-8.7 %), which changes the speed of what computes; the machine or what is under test may be the reason; a duet tells them apart. The figures are judged as measured");
        insta::assert_snapshot!(said(&[1_500.0], &[1_545.0, 1_535.0], true).unwrap(), @"mean SM clock: 1500 MHz → 1540 MHz (+2.7 %), which changes the speed of what computes; both sides were measured in turn, so it belongs to what is under test. The figures are judged as measured");
        assert_eq!(said(&[1_900.0], &[1_870.0], false), None);
    }

    #[test]
    fn nothing_is_said_of_a_clock_that_a_side_did_not_measure() {
        assert_eq!(said(&[1_900.0], &[], false), None);
        assert_eq!(said(&[], &[1_900.0], false), None);
    }
}
