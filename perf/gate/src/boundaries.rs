//! How far from zero, and from twice the slack, a change must be at each look: [`Boundaries`].

use crate::design::{Design, DesignError};
use crate::group_sequential;
use crate::spending::{early, late};

/// The bounds of z for a design and a number of baseline starts. Computing them takes a few
/// milliseconds; no table is stored.
///
/// All looks share the baseline, whose error does not shrink as the candidate is measured again.
/// With N₀ starts there and n here the information is 1 / (1/N₀ + 1/n), and looks at a small
/// baseline are more alike than looks at a large one.
#[derive(Clone, Debug, PartialEq)]
pub struct Boundaries {
    design: Design,
    baseline_starts: usize,
    change: Vec<Option<f64>>,
    held: Vec<f64>,
}

impl Boundaries {
    /// Computes them. Session drift is left out: it makes the looks even more alike, so that fewer
    /// cross by chance.
    pub fn of(design: &Design, baseline_starts: usize) -> Result<Self, DesignError> {
        design.check()?;
        let base = 1.0 / baseline_starts.max(1) as f64;
        Ok(Self::with_information(design, baseline_starts, |starts| {
            1.0 / (base + 1.0 / starts as f64)
        }))
    }

    /// For a series that is compared with zero, such as the differences of pairs: the information
    /// grows with the looks.
    pub fn of_pairs(design: &Design) -> Result<Self, DesignError> {
        design.check()?;
        Ok(Self::with_information(design, 0, |pairs| pairs as f64))
    }

    /// For a comparison of two sides by pairs, in which either may be the worse: both directions
    /// share the false alarms.
    pub fn of_comparison(design: &Design) -> Result<Self, DesignError> {
        design.check()?;
        let both = Self::of_pairs(&Design { false_alarms: design.false_alarms / 2.0, ..*design })?;
        Ok(Self { design: *design, ..both })
    }

    fn with_information(
        design: &Design,
        baseline_starts: usize,
        of: impl Fn(usize) -> f64,
    ) -> Self {
        let all = of(design.max_starts);
        let information: Vec<f64> =
            (1..=design.max_starts).map(|starts| of(starts) / all).collect();
        let rate = design.false_alarms / design.guards as f64;
        let may_change = |starts: usize| starts >= design.min_starts;
        let spent =
            |(starts, t): (usize, &f64)| if may_change(starts) { late(rate, *t) } else { 0.0 };
        let alarms: Vec<f64> = (1..).zip(&information).map(spent).collect();
        let misses: Vec<f64> = information.iter().map(|t| early(design.misses, *t)).collect();
        let change = group_sequential::bounds(&information, &alarms);
        // Where almost nothing may be spent, the bound is out of reach.
        let change = change.into_iter().enumerate();
        let change = change
            .map(|(look, bound)| may_change(look + 1).then(|| bound.unwrap_or(f64::MAX)))
            .collect();
        let held = group_sequential::bounds(&information, &misses);
        let held = held.into_iter().map(|bound| bound.unwrap_or(f64::MAX)).collect();
        Self { design: *design, baseline_starts, change, held }
    }

    /// The design that they were computed for.
    pub fn design(&self) -> &Design {
        &self.design
    }

    /// The number of baseline starts that they were computed for.
    pub fn baseline_starts(&self) -> usize {
        self.baseline_starts
    }

    /// The z that a loss or gain must reach after `starts` starts to be called a change; `None`
    /// while there are too few. It stays the same after the last look.
    pub fn change(&self, starts: usize) -> Option<f64> {
        self.change[self.look(starts)]
    }

    /// How many z a loss must lie below twice the slack after `starts` starts to be called
    /// held.
    pub fn held(&self, starts: usize) -> f64 {
        self.held[self.look(starts)]
    }

    fn look(&self, starts: usize) -> usize {
        starts.clamp(1, self.design.max_starts) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_of_an_independent_computation_come_out() {
        // 40 guards, 8 looks, 10 starts in the baseline, 5 % each way: to within 0.05 where the
        // spending is the same. That of misses is a little earlier than the constant 2.17 there.
        let bounds = Boundaries::of(&Design::default(), 10).unwrap();
        assert_eq!([bounds.change(1), bounds.change(2)], [None, None]);
        for (starts, wanted) in (3..).zip([4.30, 3.86, 3.58, 3.37, 3.22, 3.10]) {
            let found = bounds.change(starts).unwrap();
            assert!((found - wanted).abs() < 0.05, "{starts} starts: {found} is not {wanted}");
        }
        for starts in 1..=8 {
            let found = bounds.held(starts);
            assert!((found - 2.17).abs() < 0.3, "{starts} starts: {found}");
        }
    }

    #[test]
    fn more_checks_are_held_to_wider_bounds_and_a_longer_budget_too() {
        let of = |design: Design| Boundaries::of(&design, 10).unwrap().change(8).unwrap();
        let usual = Design::default();
        assert!(of(Design { guards: 400, ..usual }) > of(usual));
        assert!(of(Design { max_starts: 12, ..usual }) > of(usual));
        assert!(of(Design { false_alarms: 0.01, ..usual }) > of(usual));
    }

    #[test]
    fn extreme_designs_have_finite_bounds_or_none() {
        for (guards, max_starts, baseline) in
            [(1, 3, 3), (1, 1, 1), (1_000, 64, 3), (10_000, 20, 500)]
        {
            let design =
                Design { guards, max_starts, min_starts: 3.min(max_starts), ..Design::default() };
            let bounds = Boundaries::of(&design, baseline).unwrap();
            let last = bounds.change(max_starts).unwrap();
            assert!(last > 1.0 && last < 7.0, "{guards} {max_starts} {baseline}: {last}");
            assert!(
                (1..=max_starts)
                    .all(|starts| bounds.held(starts) > 1.0 && bounds.held(starts) < 8.0)
            );
        }
    }

    #[test]
    fn a_comparison_shares_the_false_alarms_between_both_directions_and_keeps_its_design() {
        let design = Design::default();
        let half = Design { false_alarms: design.false_alarms / 2.0, ..design };
        let both = Boundaries::of_comparison(&design).unwrap();
        let each = Boundaries::of_pairs(&half).unwrap();
        for pairs in 1..=design.max_starts {
            assert_eq!(both.change(pairs), each.change(pairs));
            assert!((both.held(pairs) - each.held(pairs)).abs() < 1e-12);
        }
        assert_eq!(both.design(), &design);
        assert_eq!(each.design(), &half);
    }

    #[test]
    fn the_bounds_know_the_baseline_that_they_are_for() {
        let design = Design::default();
        assert_eq!(Boundaries::of(&design, 10).unwrap().baseline_starts(), 10);
        assert_eq!(Boundaries::of_pairs(&design).unwrap().baseline_starts(), 0);
    }
}
