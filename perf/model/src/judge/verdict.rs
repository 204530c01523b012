//! What may be said of a guard, a load or a run: [`Verdict`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// What may be said. Ordered from good to bad: the verdict of a whole is the worst of its parts.
///
/// A regression outranks everything, because it is the one thing that was proven; what could not be
/// measured outranks what could not be compared, and that what was too noisy to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better than the baseline by more than its noise and the slack explain. The baseline is out
    /// of date.
    Improved,
    /// Within the slack.
    Held,
    /// Not run: this machine lacks what it needs. Never a pass.
    Skipped,
    /// The budget was used up before a decision.
    Inconclusive,
    /// There is no baseline yet.
    Unrecorded,
    /// The baseline is of another machine, model, workload or argument.
    Incomparable,
    /// The run cannot be trusted: requests failed, or counts disagree.
    Invalid,
    /// Better than the baseline for so long that what has been lost since cannot be seen.
    Stale,
    /// Within the slack of the baseline, but the losses that were accepted since the anchor add up
    /// to more.
    Creep,
    /// Worse than the baseline by more than the slack.
    Regressed,
}

impl Verdict {
    /// The verdict of a whole: the worst of its parts. A whole of which nothing was better or worse
    /// held.
    pub fn join(verdicts: impl IntoIterator<Item = Self>) -> Option<Self> {
        verdicts.into_iter().max()
    }

    /// The verdict of a run: the worst of the suites that ran. Suites that this machine cannot run
    /// are left aside, unless nothing else was there.
    pub fn of_run(verdicts: impl IntoIterator<Item = Self>) -> Option<Self> {
        let (skipped, ran): (Vec<_>, Vec<_>) =
            verdicts.into_iter().partition(|verdict| *verdict == Self::Skipped);
        Self::join(ran).or(Self::join(skipped))
    }

    /// Whether a build may go on.
    pub fn is_pass(self) -> bool {
        matches!(self, Self::Held | Self::Improved)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Improved => "improved",
            Self::Held => "held",
            Self::Skipped => "skipped",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Unrecorded => "UNRECORDED",
            Self::Incomparable => "INCOMPARABLE",
            Self::Invalid => "INVALID",
            Self::Stale => "STALE",
            Self::Creep => "CREEP",
            Self::Regressed => "REGRESSED",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_is_as_good_as_its_worst_part() {
        use Verdict::{Held, Improved, Inconclusive, Invalid, Regressed};
        assert_eq!(Verdict::join([Improved, Held]), Some(Held));
        assert_eq!(Verdict::join([Held, Inconclusive, Improved]), Some(Inconclusive));
        assert_eq!(Verdict::join([Invalid, Regressed]), Some(Regressed));
        assert_eq!(Verdict::join([]), None);
    }

    #[test]
    fn a_skipped_suite_neither_passes_nor_fails_a_run() {
        use Verdict::{Held, Regressed, Skipped};
        assert_eq!(Verdict::of_run([Skipped, Held]), Some(Held));
        assert_eq!(Verdict::of_run([Skipped, Regressed]), Some(Regressed));
        assert_eq!(Verdict::of_run([Skipped, Skipped]), Some(Skipped));
    }

    #[test]
    fn only_held_and_improved_pass() {
        use Verdict::{
            Creep, Held, Improved, Incomparable, Inconclusive, Invalid, Regressed, Skipped, Stale,
            Unrecorded,
        };
        assert!([Held, Improved].iter().all(|verdict| verdict.is_pass()));
        let rest =
            [Skipped, Inconclusive, Unrecorded, Incomparable, Invalid, Stale, Creep, Regressed];
        assert!(!rest.iter().any(|verdict| verdict.is_pass()));
    }
}
