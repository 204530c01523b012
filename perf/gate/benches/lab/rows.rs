//! What is tried, and what is aimed at: [`print`].

use std::process::ExitCode;

use perf_gate::{Boundaries, Design, DuetPlan};

use crate::figures::{
    few, found, gain, hostile, own, promise, reported, same, short, short_found, two, young,
    young_aimed,
};
use crate::judging::Arm;
use crate::percentile::Pool;
use crate::table::Line;
use crate::tally::Tally;
use crate::trial::{FIXED, Rules, Setup, cost};
use crate::world::{self, METRICS, SCENARIOS, World};
use crate::{histories, rivals, sides};

/// All seeds follow from this one.
pub(crate) const SEED: u64 = 20_260_101;

/// A baseline of ten starts in five sessions, three runs each; candidates of one run a start.
pub(crate) const USUAL: Setup = Setup {
    world: world::USUAL,
    baseline: [5, 2],
    baseline_runs: 3,
    changed: 0,
    change: 0.0,
    of_promise: false,
    duet: true,
    budget_pairs: None,
    fixed: false,
    clock_change: 0.0,
    arm: Arm::AsMeasured,
};

pub(crate) const TWO_WORSE: Setup = Setup { changed: 2, change: 0.05, ..USUAL };

struct Row {
    name: &'static str,
    title: &'static str,
    tried: Tried,
}

enum Tried {
    Suites(Setup, fn(&Tally, f64) -> Vec<Line>),
    Histories,
    Sides(World),
    Rivals,
}

const fn with(world: World) -> Setup {
    Setup { world, ..USUAL }
}

fn rows() -> Vec<Row> {
    let usual = USUAL.world;
    let noisy = World { scale: 3.0, session_sd: 0.009, ..usual };
    let row = |name, title, setup, lines| Row { name, title, tried: Tried::Suites(setup, lines) };
    let mut rows = vec![
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
            tried: Tried::Sides(World { session_sd: 0.01, ..usual }),
        },
    ];
    rows.extend(rows_of_real_baselines());
    rows
}

/// Baselines and machines as people have them: few sessions, days that differ, slow hours.
fn rows_of_real_baselines() -> Vec<Row> {
    let usual = USUAL.world;
    let days = |session_sd: f64| World { session_sd, ..usual };
    let one = |world: World| Setup { world, baseline: [1, 5], ..USUAL };
    let three = |world: World| Setup { world, baseline: [1, 3], baseline_runs: 1, ..USUAL };
    let row = |name, title, setup, lines| Row { name, title, tried: Tried::Suites(setup, lines) };
    let sides = |name, title, start_sd| {
        let world = World { start_sd: Some(start_sd), ..usual };
        Row { name, title, tried: Tried::Sides(world) }
    };
    let one_row = |name, title, sd| row(name, title, one(days(sd)), young);
    let slow_hour = |slow_hour: f64| with(World { slow_hour, ..usual });
    vec![
        one_row("one-0.5", "five starts in one session, days differ by 0.5 %", 0.005),
        Row {
            tried: Tried::Suites(one(days(0.01)), young_aimed),
            ..one_row("one-1", "the same, days differ by 1 %", 0.01)
        },
        one_row("one-2", "the same, days differ by 2 %", 0.02),
        row(
            "one-two",
            "five starts in one session, two scenarios 5 % worse",
            Setup { baseline: [1, 5], ..TWO_WORSE },
            found,
        ),
        row(
            "one-gain",
            "five starts in one session, days differ by 1 %, two scenarios 5 % better",
            Setup { baseline: [1, 5], change: -0.05, world: days(0.01), ..TWO_WORSE },
            gain,
        ),
        row("few-0.3", "three starts of one run, days differ by 0.3 %", three(usual), young),
        row("few-1", "the same, days differ by 1 %", three(days(0.01)), young),
        row("few-2", "the same, days differ by 2 %", three(days(0.02)), young),
        row(
            "few-noisy",
            "three starts of one run, all noise three times as large",
            three(World { scale: 3.0, ..usual }),
            young,
        ),
        row("hour-2", "the candidate's hour is 2 % slower", slow_hour(0.02), young),
        row("hour-3", "the candidate's hour is 3 % slower", slow_hour(0.03), young),
        row(
            "slow-gpu",
            "one session in ten on a GPU that is 10 % slower",
            with(World { slow_gpus: 0.1, ..usual }),
            young,
        ),
        row(
            "first-worse",
            "the first run of a start 2 % worse",
            with(World { first_run: 0.02, ..usual }),
            young,
        ),
        row(
            "first-two",
            "the first run of a start 2 % better, two scenarios 5 % worse",
            Setup { world: World { first_run: -0.02, ..usual }, ..TWO_WORSE },
            found,
        ),
        row(
            "order",
            "the last scenario of a start 2 % worse for its place",
            with(World { order: 0.02, ..usual }),
            young,
        ),
        row(
            "order-two",
            "the same, two scenarios 5 % worse",
            Setup { world: World { order: 0.02, ..usual }, ..TWO_WORSE },
            found,
        ),
        sides("pairs-3", "alternating pairs, starts scatter by 3 %", 0.03),
        sides("pairs-6", "alternating pairs, starts scatter by 6 %", 0.06),
        Row { name: "rivals", title: "other rules, days differ by 0.5 %", tried: Tried::Rivals },
        row(
            "hour-3-short",
            "the candidate's hour is 3 % slower, and the budget ends after two pairs of a duet",
            Setup { budget_pairs: Some(2), ..slow_hour(0.03) },
            short,
        ),
        row(
            "two-short",
            "two scenarios 5 % worse, and the budget ends after two pairs of a duet",
            Setup { budget_pairs: Some(2), ..TWO_WORSE },
            short_found,
        ),
    ]
}

const PROMISE: Setup =
    Setup { changed: SCENARIOS, change: 1.0, of_promise: true, duet: false, ..USUAL };
const DRIFT_TWO: Setup = Setup { world: World { session_sd: 0.01, ..USUAL.world }, ..TWO_WORSE };
const SINGLE: Setup = Setup { baseline_runs: 1, ..TWO_WORSE };
const FIXED_TWO: Setup = Setup { fixed: true, duet: false, ..TWO_WORSE };

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
            // A history is of one guard and cheap, and one in twenty is near the aim.
            Tried::Histories => histories::lines(10 * suites, seed),
            Tried::Sides(world) => sides::lines(*world, &pool, suites, seed),
            Tried::Rivals => rivals::lines(&pool, suites, seed),
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

pub(crate) fn rules(setup: &Setup) -> Rules {
    let usual = Design::default();
    let design =
        if setup.fixed { Design { min_starts: FIXED, max_starts: FIXED, ..usual } } else { usual };
    let starts = setup.baseline[0] * setup.baseline[1];
    let duets = (0..=SCENARIOS * METRICS).map(|suspects| DuetPlan::new(4, suspects).unwrap());
    Rules { boundaries: Boundaries::of(&design, starts).unwrap(), duets: duets.collect() }
}
