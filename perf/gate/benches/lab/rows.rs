//! What is tried, and what is aimed at: [`print`].

use std::process::ExitCode;

use perf_gate::{Boundaries, Design, DuetPlan, Verdict};

use crate::percentile::Pool;
use crate::table::Line;
use crate::tally::Tally;
use crate::trial::{FIXED, Rules, Said, Setup, cost};
use crate::world::{SCENARIOS, World};
use crate::{histories, sides};

/// All seeds follow from this one.
const SEED: u64 = 20_260_101;

/// A baseline of ten starts in five sessions, three runs each; candidates of one run a start.
const USUAL: Setup = Setup {
    world: World {
        outliers: 0.02,
        slow_starts: 0.0,
        session_sd: 0.003,
        scale: 1.0,
        shared_server: true,
    },
    baseline: [5, 2],
    baseline_runs: 3,
    changed: 0,
    change: 0.0,
    of_promise: false,
    duet: true,
    fixed: false,
};

const TWO_WORSE: Setup = Setup { changed: 2, change: 0.05, ..USUAL };

struct Row {
    name: &'static str,
    title: &'static str,
    tried: Tried,
}

enum Tried {
    Suites(Setup, fn(&Tally, f64) -> Vec<Line>),
    Histories,
    Sides,
}

const fn with(world: World) -> Setup {
    Setup { world, ..USUAL }
}

fn rows() -> Vec<Row> {
    let usual = USUAL.world;
    let noisy = World { scale: 3.0, session_sd: 0.009, ..usual };
    let row = |name, title, setup, lines| Row { name, title, tried: Tried::Suites(setup, lines) };
    vec![
        row("same", "nothing changed", USUAL, same),
        row("two", "two of ten scenarios 5 % worse", TWO_WORSE, two),
        row("promise", "each guard worse by what it promises to detect", PROMISE, promise),
        row(
            "own",
            "a server for each scenario, nothing changed",
            with(World { shared_server: false, ..usual }),
            own,
        ),
        row(
            "slow",
            "5 % of starts 8 % slower",
            with(World { slow_starts: 0.05, ..usual }),
            hostile,
        ),
        row(
            "outliers",
            "5 % of runs 5 to 15 % worse",
            with(World { outliers: 0.05, ..usual }),
            hostile,
        ),
        row("drift", "sessions drift by 1 %", with(World { session_sd: 0.01, ..usual }), hostile),
        row("noise", "all noise three times as large", with(noisy), hostile),
        row(
            "noise-two",
            "the same, two scenarios 5 % worse",
            Setup { world: noisy, ..TWO_WORSE },
            reported,
        ),
        row("drift-two", "sessions drift by 1 %, two scenarios 5 % worse", DRIFT_TWO, reported),
        row("gain", "two scenarios 5 % better", Setup { change: -0.05, ..TWO_WORSE }, gain),
        row("single", "baseline of one run a start, two scenarios 5 % worse", SINGLE, reported),
        row(
            "one-session",
            "baseline of ten starts in one session",
            Setup { baseline: [1, 10], ..USUAL },
            few,
        ),
        row(
            "three",
            "baseline of three starts in one session",
            Setup { baseline: [1, 3], ..USUAL },
            few,
        ),
        row("fixed", "six starts, always; two scenarios 5 % worse", FIXED_TWO, reported),
        Row {
            name: "creep",
            title: "one guard, baseline measured afresh after every upgrade",
            tried: Tried::Histories,
        },
        Row {
            name: "pairs",
            title: "alternating pairs without a baseline, drift 1 %",
            tried: Tried::Sides,
        },
    ]
}

const PROMISE: Setup =
    Setup { changed: SCENARIOS, change: 1.0, of_promise: true, duet: false, ..USUAL };
const DRIFT_TWO: Setup = Setup { world: World { session_sd: 0.01, ..USUAL.world }, ..TWO_WORSE };
const SINGLE: Setup = Setup { baseline_runs: 1, ..TWO_WORSE };
const FIXED_TWO: Setup = Setup { fixed: true, duet: false, ..TWO_WORSE };

fn regressed(said: &Said) -> bool {
    said.verdict == Verdict::Regressed
}

fn inconclusive(said: &Said) -> bool {
    said.verdict == Verdict::Inconclusive
}

fn changed(said: &Said) -> bool {
    said.changed && !said.p99
}

fn same(tally: &Tally, fixed_s: f64) -> Vec<Line> {
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
    ]
}

fn two(tally: &Tally, fixed_s: f64) -> Vec<Line> {
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

fn promise(tally: &Tally, _: f64) -> Vec<Line> {
    vec![
        Line::at_least("guards found, p99s excluded", 0.95, tally.share(changed, regressed)),
        Line::at_least("guards found, of the p99s", 0.95, tally.share(|said| said.p99, regressed)),
    ]
}

fn own(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::at_most("suites with a false alarm", 0.03, tally.false_alarms()),
        Line::at_most("… that the duet confirms", 0.005, tally.confirmed_false_alarms()),
        Line::at_most("GPU time ÷ six starts of one run", 0.35, tally.cost(fixed_s)),
    ]
}

fn hostile(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::report("suites with a false alarm before the duet", tally.false_alarms()),
        Line::at_most("suites with a false alarm", 0.05, tally.confirmed_false_alarms()),
        Line::at_most(
            "inconclusive, of the guards with a wider band",
            0.05,
            tally.share(|s| s.widened, inconclusive),
        ),
        Line::report("GPU time ÷ six starts of one run, with the duets", tally.whole_cost(fixed_s)),
    ]
}

fn reported(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::report("suites with a false alarm elsewhere", tally.false_alarms()),
        Line::report("guards found, p99s excluded", tally.share(changed, regressed)),
        Line::report(
            "inconclusive, of the guards with a wider band",
            tally.share(|s| s.widened, inconclusive),
        ),
        Line::report("GPU time ÷ six starts of one run", tally.cost(fixed_s)),
    ]
}

fn gain(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    let improved = |said: &Said| said.verdict == Verdict::Improved;
    vec![
        Line::report("guards found improved, p99s excluded", tally.share(changed, improved)),
        Line::report(
            "suites in which another guard improved",
            tally.any(|said| !said.changed && improved(said)),
        ),
        Line::report("GPU time ÷ six starts of one run", tally.cost(fixed_s)),
    ]
}

fn few(tally: &Tally, fixed_s: f64) -> Vec<Line> {
    vec![
        Line::at_most("suites with a false alarm", 0.05, tally.false_alarms()),
        Line::report("… that the duet confirms", tally.confirmed_false_alarms()),
        Line::report(
            "mean band of the guards that are not p99s",
            tally.mean(|s| !s.p99, |s| s.band),
        ),
        Line::report("GPU time ÷ six starts of one run", tally.cost(fixed_s)),
    ]
}

/// Tries the rows that are wanted, or all, and prints a table.
pub(crate) fn print(suites: usize, wanted: &[String]) -> ExitCode {
    let pool = Pool::draw(SEED);
    let all = rows();
    if let Some(unknown) = wanted.iter().find(|name| all.iter().all(|row| row.name != *name)) {
        let names: Vec<&str> = all.iter().map(|row| row.name).collect();
        println!("there is no row `{unknown}`; name some of: {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    println!("{suites} suites of {SCENARIOS} scenarios × 4 guards a row; seed {SEED}\n");
    Line::print_head();
    let mut missed = false;
    for (index, row) in (1_u64..).zip(&all) {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == row.name) {
            continue;
        }
        let seed = SEED.wrapping_add(index << 32);
        let lines = match &row.tried {
            Tried::Suites(setup, lines) => {
                let fixed_s = FIXED as f64 * cost(&setup.world, 1, SCENARIOS);
                lines(&Tally::of(setup, &rules(setup), &pool, suites, seed), fixed_s)
            }
            Tried::Histories => histories::lines(suites, seed),
            Tried::Sides => sides::lines(&pool, suites, seed),
        };
        for (index, line) in lines.iter().enumerate() {
            line.print(&if index == 0 {
                format!("`{}`: {}", row.name, row.title)
            } else {
                String::new()
            });
            missed |= line.misses_its_aim();
        }
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn rules(setup: &Setup) -> Rules {
    let usual = Design::default();
    let design =
        if setup.fixed { Design { min_starts: FIXED, max_starts: FIXED, ..usual } } else { usual };
    let starts = setup.baseline[0] * setup.baseline[1];
    Rules { boundaries: Boundaries::of(&design, starts).unwrap(), duet: DuetPlan::new(4).unwrap() }
}
