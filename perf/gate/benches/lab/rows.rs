//! x
use std::process::ExitCode;
use std::time::Instant;

use perf_gate::{Boundaries, Design, DuetPlan, Verdict};

use crate::percentile::Pool;
use crate::tally::{Measured, Tally};
use crate::trial::{Rules, Setup, cost};
use crate::world::{SCENARIOS, World};

fn p(name: &str, m: Measured) {
    println!("    {name:40} {:8.3} ± {:.3}", 100.0 * m.mean, 100.0 * m.error);
}

pub(crate) fn print(suites: usize, wanted: &[String]) -> ExitCode {
    let pool = Pool::draw(1);
    let rules = Rules { boundaries: Boundaries::of(&Design::default(), 10).unwrap(), duet: DuetPlan::new(4).unwrap() };
    let runs: [usize; 3] = std::env::var("RUNS")
        .unwrap_or("1,1,1".into())
        .split(',')
        .map(|x| x.parse().unwrap())
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let design = Design {
        misses: perf_gate::knob("MISS", 0.05),
        runs: [1, 1],
        max_starts: perf_gate::knob("K", 8.0) as usize,
        ..Design::default()
    };
    let usual = Setup {
        world: World::default(),
        baseline: [5, 2],
        runs,
        changed: 0,
        change: 0.0,
        of_promise: false,
        duet: true,
    };
    let with = |change: &dyn Fn(&mut World)| {
        let mut setup = usual;
        change(&mut setup.world);
        setup
    };
    let rows: Vec<(&str, Setup)> = vec![
        ("same", usual),
        ("two", Setup { changed: 2, change: 0.05, ..usual }),
        ("own", with(&|w| w.shared_server = false)),
        ("slow", with(&|w| w.slow_starts = 0.05)),
        ("outliers", with(&|w| w.outliers = 0.05)),
        ("drift", with(&|w| w.session_sd = 0.01)),
        (
            "noise3",
            with(&|w| {
                w.scale = 3.0;
                w.session_sd = 0.009
            }),
        ),
        (
            "two-noise3",
            Setup {
                changed: 2,
                change: 0.05,
                ..with(&|w| {
                    w.scale = 3.0;
                    w.session_sd = 0.009
                })
            },
        ),
        ("two-drift", Setup { changed: 2, change: 0.05, ..with(&|w| w.session_sd = 0.01) }),
        ("all", Setup { changed: 10, change: 0.05, duet: false, ..usual }),
        ("promise", Setup { changed: 10, change: 1.0, of_promise: true, duet: false, ..usual }),
        ("gain", Setup { changed: 2, change: -0.05, ..usual }),
        ("one-session", Setup { baseline: [1, 10], ..usual }),
        ("three", Setup { baseline: [1, 3], ..usual }),
    ];
    for (name, setup) in rows {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        let t0 = Instant::now();
        let own = Rules {
            boundaries: Boundaries::of(&design, setup.baseline[0] * setup.baseline[1]).unwrap(),
            duet: rules.duet.clone(),
        };
        let t = Tally::of(&setup, &own, &pool, suites, 7_000_000);
        println!("{name}  ({:.1} s)", t0.elapsed().as_secs_f64());
        let fixed = 6.0 * cost(&setup.world, 1, SCENARIOS);
        p("false alarms", t.false_alarms());
        p("  non-p99", t.any(|s| !s.changed && !s.p99 && s.verdict == Verdict::Regressed));
        p("false alarms, duet", t.confirmed_false_alarms());
        p("inconclusive", t.share(|_| true, |s| s.verdict == Verdict::Inconclusive));
        p("inconclusive of widened", t.share(|s| s.widened, |s| s.verdict == Verdict::Inconclusive));
        p("widened non-p99", t.share(|s| !s.p99, |s| s.widened));
        p("cost", t.cost(fixed));
        p("cost duet", t.whole_cost(fixed));
        if setup.changed > 0 {
            p("power non-p99", t.share(|s| s.changed && !s.p99, |s| s.verdict == Verdict::Regressed));
            p("power unwidened", t.share(|s| s.changed && !s.p99 && !s.widened, |s| s.verdict == Verdict::Regressed));
            p("power p99", t.share(|s| s.changed && s.p99, |s| s.verdict == Verdict::Regressed));
            p("power duet", t.share(|s| s.changed && !s.p99, |s| s.confirmed == Verdict::Regressed));
            p("inconclusive changed", t.share(|s| s.changed, |s| s.verdict == Verdict::Inconclusive));
            p("improved", t.share(|s| s.changed && !s.p99, |s| s.verdict == Verdict::Improved));
        }
    }
    ExitCode::SUCCESS
}
