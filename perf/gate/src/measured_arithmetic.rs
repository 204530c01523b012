//! The figures of fixed cases. The error rates in `docs/gate/measured.md` are those of this
//! arithmetic: where a snapshot changes, the lab must measure again before it is accepted.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::search::{BLOCKS, Probe, Search, SearchPlan};
use crate::{
    Anchor, Block, Boundaries, Design, Direction, DuetPlan, Guard, Judgement, Kind, Knowledge,
    Pairs, Plan, Power, Series, compare_pairs, creep, power,
};

/// How a baseline was measured: sessions, starts of each, runs of each.
const LAYOUTS: [(usize, usize, usize); 5] = [(1, 2, 1), (1, 3, 3), (2, 2, 2), (3, 2, 1), (5, 2, 3)];

/// How far values scatter, relative: sessions, starts, runs.
const SCATTERS: [(f64, f64, f64); 3] =
    [(0.003, 0.004, 0.006), (0.01, 0.012, 0.02), (0.0, 0.05, 0.1)];

const CHANGES: [f64; 4] = [-0.06, 0.0, 0.02, 0.08];

/// What is printed, with seven digits of each number: the last ones differ between machines.
fn digits(debug: &str) -> String {
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | 'e');
    let mut rest = debug;
    let mut out = String::new();
    while let Some(at) = rest.find(is_number) {
        out.push_str(&rest[..at]);
        let end = rest[at..].find(|c| !is_number(c)).map_or(rest.len(), |length| at + length);
        let text = &rest[at..end];
        let shown = match text.parse::<f64>() {
            Ok(number) if text.contains('.') => format!("{number:.6e}"),
            _ => text.to_owned(),
        };
        out.push_str(&shown);
        rest = &rest[end..];
    }
    out + rest
}

/// Values around 100 that scatter like this, all worse by `change`.
fn values(
    (sessions, starts, runs): (usize, usize, usize),
    scatter: (f64, f64, f64),
    change: f64,
    draws: &mut ChaCha8Rng,
) -> Vec<Vec<Vec<f64>>> {
    let mut around = |at: f64, sd: f64| at * (1.0 + sd * draws.random_range(-1.7..1.7));
    (0..sessions)
        .map(|_| {
            let session = around(100.0 * (1.0 + change), scatter.0);
            (0..starts)
                .map(|_| {
                    let start = around(session, scatter.1);
                    (0..runs).map(|_| around(start, scatter.2)).collect()
                })
                .collect()
        })
        .collect()
}

/// Every pair of a layout and a scatter, with draws of its own.
fn cases() -> impl Iterator<Item = ((usize, usize, usize), (f64, f64, f64), ChaCha8Rng)> {
    let pairs = LAYOUTS.into_iter().flat_map(|layout| SCATTERS.map(|scatter| (layout, scatter)));
    (0..).zip(pairs).map(|(at, (layout, scatter))| (layout, scatter, ChaCha8Rng::seed_from_u64(at)))
}

fn latency(slack: f64) -> Guard {
    Guard::new(Direction::LowerIsBetter, slack, Knowledge::default().prior(Kind::Central)).unwrap()
}

#[test]
fn a_guard_is_judged_by_the_arithmetic_that_was_measured() {
    let mut lines = Vec::new();
    for (layout, scatter, mut draws) in cases() {
        let directions = [Direction::LowerIsBetter, Direction::HigherIsBetter];
        let direction = directions[lines.len() % 2];
        let baseline = Series::new(direction, &values(layout, scatter, 0.0, &mut draws)).unwrap();
        let others: Vec<Series> = (0..3)
            .map(|_| Series::new(direction, &values(layout, scatter, 0.0, &mut draws)).unwrap())
            .collect();
        let known: Vec<(Kind, &Series)> =
            others.iter().chain([&baseline]).map(|series| (Kind::Central, series)).collect();
        let knowledge = Knowledge::of(&known);
        let guard = Guard::new(direction, 0.025, knowledge.prior(Kind::Central))
            .unwrap()
            .with_max_band(0.1)
            .unwrap()
            .with_offset(knowledge.offset(&baseline));
        let boundaries = Boundaries::of(&Design::of(12), baseline.starts()).unwrap();
        let plan = Plan::new(&boundaries, &guard, &baseline);
        lines.push(format!(
            "{layout:?} {scatter:?} {guard:?} {:?} {:?}",
            plan.resolution(),
            Anchor::of(&guard, &baseline)
        ));
        for truth in CHANGES {
            let measured = values((1, 8, 1), scatter, truth, &mut draws);
            for starts in [4, 8] {
                let candidate = Series::new(direction, &[measured[0][..starts].to_vec()]).unwrap();
                let Judgement {
                    verdict,
                    change,
                    change_low,
                    change_high,
                    error,
                    z,
                    z_change,
                    z_below,
                    z_held,
                    held_but_worse,
                    scatters,
                    noise,
                    ..
                } = plan.judge(&candidate);
                let shown = (verdict, change, change_low, change_high, error, noise);
                let bounds = (z, z_change, z_below, z_held, held_but_worse, scatters);
                lines.push(format!("  {truth} {starts} {shown:?} {bounds:?}"));
            }
        }
    }
    insta::assert_snapshot!(digits(&lines.join("\n")));
}

#[test]
fn pairs_are_judged_by_the_arithmetic_that_was_measured() {
    let mut lines = Vec::new();
    let comparison =
        Boundaries::of_comparison(&Design { guards: 6, max_starts: 8, ..Design::default() })
            .unwrap();
    let duet = DuetPlan::new(4, 3).unwrap();
    for (at, scatter) in (0..).zip(SCATTERS) {
        let mut draws = ChaCha8Rng::seed_from_u64(at);
        let direction = Direction::LowerIsBetter;
        let baseline =
            Series::new(direction, &values((2, 3, 3), scatter, 0.0, &mut draws)).unwrap();
        let boundaries = Boundaries::of(&Design::of(6), baseline.starts()).unwrap();
        let plan = Plan::new(&boundaries, &latency(0.025), &baseline);
        for change in CHANGES {
            let judged = plan.judge(
                &Series::new(direction, &values((1, 4, 3), scatter, change, &mut draws)).unwrap(),
            );
            let base = values((1, 8, 3), scatter, 0.0, &mut draws).remove(0);
            let candidate = values((1, 8, 3), scatter, change, &mut draws).remove(0);
            let both: Vec<(Vec<f64>, Vec<f64>)> = base.into_iter().zip(candidate).collect();
            for count in [1, 2, 4, 8] {
                let pairs = Pairs::new(direction, &both[..count]).unwrap();
                let learned =
                    Knowledge::of_pairs(&[(Kind::Central, &pairs), (Kind::Central, &pairs)]);
                let guard = Guard::new(direction, 0.03, learned.prior(Kind::Central)).unwrap();
                let compared = compare_pairs(&comparison, &guard, &pairs);
                lines.push(format!("{change} {count} {compared:?}"));
                if count <= 4 {
                    let confirmed = duet.confirm(plan.guard(), &judged, &pairs);
                    lines.push(format!("  confirms {:?}: {confirmed:?}", judged.verdict));
                }
            }
        }
    }
    insta::assert_snapshot!(digits(&lines.join("\n")));
}

#[test]
fn boundaries_power_and_creep_are_those_that_were_measured() {
    let mut lines = Vec::new();
    for (guards, baseline_starts, max_starts) in [(1, 3, 8), (12, 6, 8), (40, 10, 12), (40, 2, 5)] {
        let design = Design { max_starts, ..Design::of(guards) };
        let boundaries = [
            Boundaries::of(&design, baseline_starts).unwrap(),
            Boundaries::of_pairs(&design).unwrap(),
            Boundaries::of_comparison(&design).unwrap(),
        ];
        for bounds in boundaries {
            let at = |starts| (bounds.change(starts), bounds.held(starts));
            lines.push(format!("{guards} {:?}", (1..=max_starts).map(at).collect::<Vec<_>>()));
        }
    }
    for (layout, scatter, mut draws) in cases() {
        let direction = Direction::HigherIsBetter;
        let baseline = Series::new(direction, &values(layout, scatter, 0.0, &mut draws)).unwrap();
        let guard = Guard::new(direction, 0.025, Knowledge::default().prior(Kind::Tail)).unwrap();
        let boundaries = Boundaries::of(&Design::of(10), baseline.starts()).unwrap();
        let plan = Plan::new(&boundaries, &guard, &baseline);
        let said: Vec<Power> = [-0.1, 0.0].map(|change| power(&plan, change, 80)).to_vec();
        let anchor = Anchor { value: 104.0, error: 0.004, sessions: 3 };
        let crept = creep(&Design::of(10), &guard, &anchor, &baseline);
        lines.push(format!("{layout:?} {scatter:?} {said:?} {crept:?}"));
    }
    insta::assert_snapshot!(digits(&lines.join("\n")));
}

#[test]
fn a_search_probes_where_it_did_when_it_was_measured() {
    let mut lines = Vec::new();
    for (truth, steep, is_whole) in
        [(7.3, 1.3, false), (40.0, 1.05, false), (25.0, 1.5, true), (300.0, 1.3, false)]
    {
        let plan = SearchPlan {
            from: 1.0,
            to: 128.0,
            is_whole,
            share: 0.95,
            resolution: 0.05,
            probes: 10,
            error: 0.025,
        };
        let mut search = Search::new(plan).unwrap();
        let mut draws = ChaCha8Rng::seed_from_u64(3);
        while let Some(next) = search.next_probe() {
            let odds = f64::powf(steep, (next.at / truth).ln() * 100.0) / 19.0;
            let chance = 1.0 / (1.0 + odds);
            let size = 50 * next.scale;
            let mut met =
                |chance: f64| (0..size).map(|_| u32::from(draws.random_bool(chance))).sum();
            let blocks: Vec<Block> = (0..BLOCKS)
                .map(|_| Block { requests: size, met: met(chance), slow: met(0.1) })
                .collect();
            let grew = next.at > 2.0 * truth;
            let capacity = grew.then_some(1.1 * truth);
            let share = crate::Share::of(&blocks, 0.025);
            let verdict = search.take(Probe { at: next.at, blocks, grew, length: 30.0, capacity });
            lines.push(format!("{next:?} {share:?} {verdict:?}"));
        }
        lines.push(format!("{:?}", search.answer()));
    }
    insta::assert_snapshot!(digits(&lines.join("\n")));
}
