//! The arithmetic of the study of the clock (`docs/gate/covariate.md`): a slope from a baseline, and
//! figures that are moved along it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "../benches/lab/covariate.rs"]
mod covariate;

use covariate::{Adjustment, Point};
use perf_gate::{Boundaries, Design, Direction, Guard, Judgement, Plan, Prior, Series, Verdict};

/// Log clocks of the ten starts, two a session.
const CLOCKS: [[f64; 2]; 5] =
    [[0.03, -0.02], [-0.01, 0.025], [0.02, -0.03], [0.0, -0.035], [-0.02, 0.03]];

/// What else their costs hold.
const REST: [[f64; 2]; 5] =
    [[0.004, -0.006], [0.005, 0.007], [-0.008, -0.003], [0.002, -0.004], [-0.005, 0.006]];

/// A baseline whose log speed is `slope` times its log clock; `noise` times what else there is.
fn baseline(slope: f64, noise: f64) -> Vec<Vec<Point>> {
    let session = |(clocks, rest): (&[f64; 2], &[f64; 2])| {
        let start = |(clock, rest): (&f64, &f64)| Point {
            clock: *clock,
            cost: noise * rest - slope * clock,
        };
        clocks.iter().zip(rest).map(start).collect()
    };
    CLOCKS.iter().zip(&REST).map(session).collect()
}

fn adjustment(sessions: &[Vec<Point>]) -> Adjustment {
    Adjustment::of(sessions, Prior::central()).unwrap()
}

#[test]
fn a_slope_is_what_the_starts_within_sessions_show_drawn_to_a_half() {
    let shown = |slope: f64| {
        let found = adjustment(&baseline(slope, 1.0));
        format!("{:.3} ± {:.3}, used {:.3}", found.slope, found.variance.sqrt(), found.used)
    };
    insta::assert_snapshot!([0.0, 0.5, 1.0].map(shown).join("\n"), @r"
    -0.007 ± 0.118, used 0.834
    0.409 ± 0.118, used 0.834
    0.826 ± 0.118, used 0.834
    ");
}

#[test]
fn what_days_differ_by_is_no_evidence_of_a_slope() {
    let mut moved = baseline(1.0, 1.0);
    for (session, shift) in moved.iter_mut().zip([0.05, -0.03, 0.0, 0.02, -0.04]) {
        for start in session {
            start.cost += shift;
        }
    }
    assert!((adjustment(&moved).slope - adjustment(&baseline(1.0, 1.0)).slope).abs() < 1e-12);
}

#[test]
fn no_slope_is_estimated_from_three_starts_nor_of_a_clock_that_never_moved() {
    let points = |clocks: &[f64]| -> Vec<Vec<Point>> {
        vec![clocks.iter().map(|clock| Point { clock: *clock, cost: -clock }).collect()]
    };
    let of = |clocks: &[f64]| Adjustment::of(&points(clocks), Prior::central());
    assert_eq!(of(&[0.01, -0.01, 0.02]), None);
    assert_eq!(of(&[0.01; 8]), None);
    assert!(of(&[0.01, -0.01, 0.02, 0.0, -0.03]).is_some());
}

#[test]
fn a_baseline_is_moved_to_its_mean_clock_and_keeps_the_scatter_that_the_slope_took() {
    let sessions = baseline(1.0, 1.0);
    let found = adjustment(&sessions);
    let within = |points: &[Vec<Point>]| -> f64 {
        let of = |starts: &Vec<Point>| (starts[0].cost - starts[1].cost).powi(2) / 2.0;
        points.iter().map(of).sum()
    };
    let moved = |stretched: bool| -> Vec<Vec<Point>> {
        let session = |starts: &Vec<Point>| {
            let shifts = if stretched {
                found.baseline_shifts(starts)
            } else {
                starts.iter().map(|start| found.shift(start.clock)).collect()
            };
            let shifted =
                |(start, shift): (&Point, f64)| Point { cost: start.cost + shift, ..*start };
            starts.iter().zip(shifts).map(shifted).collect()
        };
        sessions.iter().map(session).collect()
    };
    // Five degrees of freedom, of which the slope used a part.
    let wanted = 5.0 / (5.0 - found.used);
    assert!((within(&moved(true)) / within(&moved(false)) - wanted).abs() < 1e-9);
    let mean = |points: &[Vec<Point>]| points.iter().flatten().map(|start| start.cost).sum::<f64>();
    assert!((mean(&moved(true)) - mean(&moved(false))).abs() < 1e-12);
}

#[test]
fn a_verdict_stands_only_where_the_error_of_the_slope_leaves_it_shown() {
    let (found, judged) = (adjustment(&baseline(0.5, 1.0)), judgement(&[104.6, 104.9, 104.4]));
    assert_eq!(judged.verdict, Verdict::Regressed, "{judged:?}");
    let band = Direction::LowerIsBetter.loss(judged.resolution.band);
    let at = |clock: f64, is_last| found.verdict(&judged, band, &[found.clock + clock; 3], is_last);
    // Moved by nothing there is no error of the slope, and far from the baseline's clock there is.
    assert_eq!(at(0.0, false), Verdict::Regressed);
    assert_eq!(at(0.2, false), Verdict::Continue);
    assert_eq!(at(-0.2, true), Verdict::Inconclusive);
}

/// Of these starts against ten calm ones.
fn judgement(candidate: &[f64]) -> Judgement {
    let sessions: Vec<Vec<Vec<f64>>> =
        [[100.2, 99.9], [100.1, 99.7], [99.8, 100.3], [100.0, 100.1], [99.9, 100.0]]
            .iter()
            .map(|starts| starts.iter().map(|value| vec![*value]).collect())
            .collect();
    let direction = Direction::LowerIsBetter;
    let baseline = Series::new(direction, &sessions).unwrap();
    let guard = Guard::new(direction, 0.025, Prior::central()).unwrap();
    let boundaries = Boundaries::of(&Design::of(1), baseline.starts()).unwrap();
    let candidate = Series::of_one_session(direction, candidate).unwrap();
    Plan::new(&boundaries, &guard, &baseline).judge(&candidate)
}
