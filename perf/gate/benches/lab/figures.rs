//! What is counted in each row, and what is aimed at.

use perf_gate::Verdict;

use crate::table::Line;
use crate::tally::{Measured, Tally};
use crate::trial::Said;

/// What the rows call a suite that does not pass though nothing changed.
const RED: &str = "red: regressed or undecided";

pub(crate) fn regressed(said: &Said) -> bool {
    said.verdict == Verdict::Regressed
}

pub(crate) fn inconclusive(said: &Said) -> bool {
    said.verdict == Verdict::Inconclusive
}

pub(crate) fn changed(said: &Said) -> bool {
    said.changed && !said.p99
}

pub(crate) fn same(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::at_most("suites with a false alarm", 0.03, tally.false_alarms()),
        Line::at_most("… that the duet confirms", 0.005, tally.confirmed_false_alarms()),
        Line::at_most("GPU time ÷ six starts of one run", 0.45, tally.cost(fixed_s)),
        Line::report("… with the duets", tally.whole_cost(fixed_s)),
        Line::report(
            "guards with a band wider than 2.5 %, p99s excluded",
            tally.share(|s| !s.p99, |s| s.widened),
        ),
        Line::report(
            "mean band of the guards that are not p99s",
            tally.mean(|s| !s.p99, |s| s.band),
        ),
        Line::report("mean band of the p99s", tally.mean(|s| s.p99, |s| s.band)),
        Line::report("inconclusive guards", tally.share(|_| true, inconclusive)),
        Line::report(RED, tally.red()),
        Line::report("guards that cannot hold, p99s excluded", tally.blind()),
        Line::report("suites in which a guard improved", improved_suites(tally)),
    ]
}

pub(crate) fn two(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::at_least("guards found, p99s excluded", 0.92, tally.share(changed, regressed)),
        Line::report(
            "… and confirmed",
            tally.share(changed, |said| said.confirmed == Verdict::Regressed),
        ),
        Line::report(
            "guards found, of those with a band of 2.5 %",
            tally.share(|s| changed(s) && !s.widened, regressed),
        ),
        Line::report(
            "guards found, of the p99s",
            tally.share(|said| said.changed && said.p99, regressed),
        ),
        Line::at_most("GPU time ÷ six starts of one run", 0.65, tally.cost(fixed_s)),
        Line::report("… with the duets", tally.whole_cost(fixed_s)),
        Line::report("suites with a false alarm elsewhere", tally.false_alarms()),
    ]
}

pub(crate) fn promise(tally: &Tally, _: f64) -> Vec<Line> {
    vec![
        Line::at_least("guards found, p99s excluded", 0.95, tally.share(changed, regressed)),
        Line::at_least("guards found, of the p99s", 0.95, tally.share(|said| said.p99, regressed)),
    ]
}

pub(crate) fn own(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::at_most("suites with a false alarm", 0.03, tally.false_alarms()),
        Line::at_most("… that the duet confirms", 0.005, tally.confirmed_false_alarms()),
        Line::at_most("GPU time ÷ six starts of one run", 0.35, tally.cost(fixed_s)),
    ]
}

pub(crate) fn hostile(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::report("suites with a false alarm before the duet", tally.false_alarms()),
        Line::at_most("suites with a false alarm", 0.01, tally.confirmed_false_alarms()),
        Line::report(RED, tally.red()),
        Line::report("guards that cannot hold, p99s excluded", tally.blind()),
        Line::report("GPU time ÷ six starts of one run, with the duets", tally.whole_cost(fixed_s)),
    ]
}

pub(crate) fn reported(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::report("suites with a false alarm elsewhere", tally.false_alarms()),
        Line::report("guards found, p99s excluded", tally.share(changed, regressed)),
        Line::report("guards that cannot hold, p99s excluded", tally.blind()),
        Line::report("GPU time ÷ six starts of one run", tally.cost(fixed_s)),
    ]
}

pub(crate) fn gain(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    let improved = |said: &Said| said.verdict == Verdict::Improved;
    vec![
        Line::report("guards found improved, p99s excluded", tally.share(changed, improved)),
        Line::report(
            "… and confirmed",
            tally.share(changed, |said| said.confirmed == Verdict::Improved),
        ),
        Line::report(
            "suites in which another guard improved, before the duet",
            tally.any(|said| !said.changed && improved(said)),
        ),
        Line::report("… that the duet confirms", improved_suites(tally)),
        Line::report("GPU time ÷ six starts of one run", tally.cost(fixed_s)),
    ]
}

pub(crate) fn young(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    young_with(Line::report(RED, tally.red()), tally, fixed_s)
}

pub(crate) fn young_aimed(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    young_with(Line::at_most(RED, 0.06, tally.red()), tally, fixed_s)
}

fn young_with(red: Line, tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::report("suites with a false alarm before the duet", tally.false_alarms()),
        Line::at_most("… that the duet confirms", 0.03, tally.confirmed_false_alarms()),
        red,
        Line::report("guards that cannot hold, p99s excluded", tally.blind()),
        Line::report("suites in which a guard improved", improved_suites(tally)),
        Line::report(
            "mean band of the guards that are not p99s",
            tally.mean(|s| !s.p99, |s| s.band),
        ),
        Line::report("GPU time ÷ six starts of one run, with the duets", tally.whole_cost(fixed_s)),
    ]
}

pub(crate) fn improved_suites(tally: &Tally) -> Measured {
    tally.any(|said| !said.changed && said.confirmed == Verdict::Improved)
}

pub(crate) fn found(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::report("guards found, p99s excluded", tally.share(changed, regressed)),
        Line::report(
            "… and confirmed",
            tally.share(changed, |said| said.confirmed == Verdict::Regressed),
        ),
        Line::at_most(
            "suites with a confirmed false alarm elsewhere",
            0.03,
            tally.confirmed_false_alarms(),
        ),
        Line::report("guards that cannot hold, p99s excluded", tally.blind()),
        Line::report("GPU time ÷ six starts of one run, with the duets", tally.whole_cost(fixed_s)),
    ]
}

/// Whether it regressed, and the budget ended before the duet could say more.
fn unfinished(said: &Said) -> bool {
    regressed(said) && said.confirmed == Verdict::Inconclusive
}

pub(crate) fn short(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::report("suites with a false alarm before the duet", tally.false_alarms()),
        Line::at_most("… that the duet confirms", 0.03, tally.confirmed_false_alarms()),
        Line::report("suites in which the budget left a loss undecided", tally.any(unfinished)),
        Line::report("GPU time ÷ six starts of one run, with the duets", tally.whole_cost(fixed_s)),
    ]
}

pub(crate) fn short_found(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::report("guards found, p99s excluded", tally.share(changed, regressed)),
        Line::report(
            "… and confirmed",
            tally.share(changed, |said| said.confirmed == Verdict::Regressed),
        ),
        Line::report("… left undecided by the budget", tally.share(changed, unfinished)),
        Line::report("GPU time ÷ six starts of one run, with the duets", tally.whole_cost(fixed_s)),
    ]
}

pub(crate) fn few(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::at_most("suites with a false alarm", 0.05, tally.false_alarms()),
        Line::at_most("… that the duet confirms", 0.01, tally.confirmed_false_alarms()),
        Line::report(RED, tally.red()),
        Line::report(
            "mean band of the guards that are not p99s",
            tally.mean(|s| !s.p99, |s| s.band),
        ),
        Line::report("GPU time ÷ six starts of one run", tally.cost(fixed_s)),
    ]
}
