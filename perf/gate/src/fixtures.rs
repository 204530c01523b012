//! What the tests of pairs share.

use crate::direction::Direction;
use crate::guard::Guard;
use crate::pairs::Pairs;
use crate::prior::Prior;

/// A latency that may rise by 2.5 %.
pub(crate) fn guard() -> Guard {
    Guard::new(Direction::LowerIsBetter, 0.025, Prior::default()).unwrap()
}

/// Pairs of one run on each side.
pub(crate) fn pairs(base: &[f64], candidate: &[f64]) -> Pairs {
    let runs: Vec<_> =
        base.iter().zip(candidate).map(|(one, other)| (vec![*one], vec![*other])).collect();
    Pairs::new(Direction::LowerIsBetter, &runs).unwrap()
}
