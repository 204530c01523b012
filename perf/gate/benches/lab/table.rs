//! What was measured against what was aimed at, as a table: [`Line`].

use crate::tally::Measured;

/// What a figure is aimed to be.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    AtMost(f64),
    AtLeast(f64),
    /// Reported only, without an aim.
    None,
}

/// One figure. All are shares, shown in percent.
pub(crate) struct Line {
    pub(crate) what: &'static str,
    pub(crate) measured: Measured,
    pub(crate) aim: Aim,
}

impl Line {
    pub(crate) fn report(what: &'static str, measured: Measured) -> Self {
        Self { what, measured, aim: Aim::None }
    }

    pub(crate) fn at_most(what: &'static str, most: f64, measured: Measured) -> Self {
        Self { what, measured, aim: Aim::AtMost(most) }
    }

    pub(crate) fn at_least(what: &'static str, least: f64, measured: Measured) -> Self {
        Self { what, measured, aim: Aim::AtLeast(least) }
    }

    pub(crate) fn misses_its_aim(&self) -> bool {
        match self.aim {
            Aim::AtMost(most) => self.measured.mean > most,
            Aim::AtLeast(least) => self.measured.mean < least,
            Aim::None => false,
        }
    }

    pub(crate) fn print(&self, row: &str) {
        let aim = match self.aim {
            Aim::AtMost(most) => format!("≤ {:.1}", 100.0 * most),
            Aim::AtLeast(least) => format!("≥ {:.1}", 100.0 * least),
            Aim::None => String::new(),
        };
        let passed = match (self.aim, self.misses_its_aim()) {
            (Aim::None, _) => "",
            (_, true) => "**missed**",
            (_, false) => "met",
        };
        let Measured { mean, error } = self.measured;
        println!(
            "| {row} | {} | {:.2} | {:.2} | {aim} | {passed} |",
            self.what,
            100.0 * mean,
            100.0 * error
        );
    }

    pub(crate) fn print_head() {
        println!("| row | figure | measured, % | standard error | aim | |");
        println!("|---|---|---|---|---|---|");
    }
}
