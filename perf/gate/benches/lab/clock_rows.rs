//! The study of the clock as a covariate: every row on the same draws, judged in four ways.

use perf_gate::Verdict;

use crate::clock::{AT_THE_CAP, Clock};
use crate::figures::{changed, improved_suites, inconclusive, regressed};
use crate::judging::Arm;
use crate::percentile::Pool;
use crate::rows::{SEED, TWO_WORSE, USUAL, rules};
use crate::tally::{Measured, Tally, measured};
use crate::trial::{FIXED, Setup, cost};
use crate::world::{SCENARIOS, World};

/// By how much the candidate's clock differs because of the candidate, where it costs a part of the
/// loss: as much as may differ where the adjustment is for clocks that differ little.
const PART: f64 = -0.02;

/// The same where it is all of a loss of 5 %.
const ALL: f64 = -0.05;

/// The same where work per clock makes up for it.
const MADE_UP: f64 = 0.03;

const ARMS: [(Arm, &str); 4] = [
    (Arm::AsMeasured, "as measured"),
    (Arm::Adjusted, "adjusted"),
    (Arm::IfNear, "adjusted within 2 %"),
    (Arm::IfNearButDuets, "the same, duets as measured"),
];

struct Row {
    name: &'static str,
    title: &'static str,
    setup: Setup,
}

fn rows() -> Vec<Row> {
    let half = Clock { session_sd: 0.005, start_sd: 0.0125, ..AT_THE_CAP };
    let idle = Clock { drives: false, ..AT_THE_CAP };
    let computing = Clock { computing: 2, ..AT_THE_CAP };
    let calm = Clock { session_sd: 0.0025, start_sd: 0.00625, ..computing };
    let row = |name, title, setup: Setup, clock| {
        let world = World { clock: Some(clock), ..setup.world };
        Row { name, title, setup: Setup { world, ..setup } }
    };
    let of_session = |setup: Setup, starts| Setup { baseline: [1, starts], ..setup };
    let caused = |clock_change| Setup { clock_change, ..TWO_WORSE };
    let made_up = |clock_change| Setup { changed: 2, change: 0.0, clock_change, ..USUAL };
    let probe = Clock { read_sd: 0.01, ..computing };
    vec![
        row("same", "nothing changed", USUAL, AT_THE_CAP),
        row("two", "two of ten scenarios 5 % worse", TWO_WORSE, AT_THE_CAP),
        row("half-same", "a clock that scatters half as much, nothing changed", USUAL, half),
        row("half-two", "the same, two scenarios 5 % worse", TWO_WORSE, half),
        row("idle-same", "speed does not follow the clock, nothing changed", USUAL, idle),
        row("idle-two", "the same, two scenarios 5 % worse", TWO_WORSE, idle),
        row(
            "five-same",
            "baseline of five starts in one session, nothing changed",
            of_session(USUAL, 5),
            AT_THE_CAP,
        ),
        row("five-two", "the same, two scenarios 5 % worse", of_session(TWO_WORSE, 5), AT_THE_CAP),
        row(
            "three-two",
            "baseline of three starts in one session, two scenarios 5 % worse",
            of_session(TWO_WORSE, 3),
            AT_THE_CAP,
        ),
        row("cause-none", "two scenarios that compute 5 % worse", TWO_WORSE, computing),
        row("cause-part", "the same, 2 % of it by the candidate's clock", caused(PART), computing),
        row("cause-all", "the same, all of it by the candidate's clock", caused(ALL), computing),
        row("calm-none", "`cause-none`, the clock scatters a quarter as much", TWO_WORSE, calm),
        row("calm-part", "`cause-part`, the clock scatters a quarter as much", caused(PART), calm),
        row(
            "made-up",
            "the candidate's clock is 3 % higher and its work per clock as much less",
            made_up(MADE_UP),
            computing,
        ),
        row(
            "made-down",
            "the candidate's clock is 3 % lower and its work per clock as much more",
            made_up(-MADE_UP),
            computing,
        ),
        row(
            "probe",
            "`cause-all`, adjusted for the clock under a fixed load, 1 % beside that of the run",
            TWO_WORSE,
            probe,
        ),
    ]
}

/// The share of the changed guards that the first found and the second did not, p99s excluded.
fn hidden(first: &Tally, second: &Tally) -> Measured {
    measured(first.trials().iter().zip(second.trials()).map(|(first, second)| {
        let both = first.guards.iter().zip(&second.guards);
        let lost: Vec<bool> = both
            .filter(|(first, _)| changed(first) && regressed(first))
            .map(|(_, second)| !regressed(second))
            .collect();
        lost.iter().filter(|is| **is).count() as f64 / lost.len() as f64
    }))
}

/// Prints the table of all rows.
pub(crate) fn print(suites: usize) {
    let pool = Pool::draw(SEED);
    println!(
        "{suites} suites of {SCENARIOS} scenarios × 4 guards a row; seed {SEED}; percent ± standard error\n"
    );
    println!(
        "| row | judged | false alarm | confirmed | improved | found | confirmed | hidden | undecided | cannot hold | starts | GPU time | with duets |"
    );
    println!("|{}", "---|".repeat(13));
    for (index, row) in (101_u64..).zip(rows()) {
        let fixed_s = FIXED as f64 * cost(&row.setup.world, 1, SCENARIOS);
        let seed = SEED.wrapping_add(index << 32);
        let rules = rules(&row.setup);
        let of = |arm| Tally::of(&Setup { arm, ..row.setup }, &rules, &pool, suites, seed);
        let as_measured = of(Arm::AsMeasured);
        for (arm, judged) in ARMS {
            let tally = of(arm);
            let first = arm == Arm::AsMeasured;
            let title =
                if first { format!("`{}`: {}", row.name, row.title) } else { String::new() };
            let hidden = if first { None } else { Some(hidden(&as_measured, &tally)) };
            let cells = cells(&tally, hidden, fixed_s).join(" | ");
            println!("| {title} | {judged} | {cells} |");
        }
    }
}

/// The figures of one way to judge, in the order of the table's columns.
fn cells(tally: &Tally, hidden: Option<Measured>, fixed_s: f64) -> Vec<String> {
    let confirmed = tally.share(changed, |said| said.confirmed == Verdict::Regressed);
    let starts = tally.mean(|said| !said.p99, |said| said.starts as f64);
    vec![
        percent(tally.false_alarms()),
        percent(tally.confirmed_false_alarms()),
        percent(improved_suites(tally)),
        percent(tally.share(changed, regressed)),
        percent(confirmed),
        hidden.map_or_else(String::new, percent),
        percent(tally.share(|said| !said.p99 && !said.blind, inconclusive)),
        percent(tally.blind()),
        format!("{:.2} ± {:.2}", starts.mean, starts.error),
        percent(tally.cost(fixed_s)),
        percent(tally.whole_cost(fixed_s)),
    ]
}

/// Empty where a row has no such guards.
fn percent(Measured { mean, error }: Measured) -> String {
    if mean.is_finite() {
        format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * error)
    } else {
        String::new()
    }
}
