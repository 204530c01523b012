//! What became of a guarded figure over the accepted baselines and the runs that were held against them:
//! [`History`].

use perf_gate::change_points;
use serde::Serialize;

use crate::analysis::statistics::median;
use crate::judge::anchor::Anchor;
use crate::judge::baseline::{Baseline, Sessions};
use crate::judge::verdict::Verdict;
use crate::spec::metric::Metric;

/// A baseline as a commit has it.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The commit, short; absent for what is not committed.
    pub commit: Option<String>,
    /// When it was committed, in seconds since 1970.
    pub at_unix_s: u64,
    /// What the commit says of itself.
    pub subject: String,
    /// The baseline.
    pub baseline: Baseline,
}

/// A figure of a run that was held against the baseline.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The run's name.
    pub name: String,
    /// When it was asked for, in seconds since 1970.
    pub at_unix_s: u64,
    /// The median of its starts, in the metric's unit.
    pub value: f64,
    /// What the gate said of it.
    pub verdict: Verdict,
}

/// A guarded figure over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct History {
    /// The baseline's file, from the repository's root.
    pub baseline_file: String,
    /// The suite.
    pub suite: String,
    /// The load.
    pub load: String,
    /// The figure.
    pub metric: Metric,
    /// The sessions of all accepted baselines, and the runs, in the order of their time.
    pub points: Vec<Point>,
    /// The level that somebody last decided on.
    pub anchor: Option<AnchorLevel>,
    /// Where the level changed, by statistics alone.
    pub change_points: Vec<Shift>,
}

/// A value at a time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Where it is from.
    #[serde(flatten)]
    pub source: Source,
    /// When, in seconds since 1970.
    pub at_unix_s: u64,
    /// A session's median or a run's, in the metric's unit.
    pub value: f64,
    /// By how much the baseline moved when this was accepted, relative to the one before; absent where
    /// it did not.
    pub step: Option<f64>,
}

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum Source {
    /// A session of an accepted baseline.
    Baseline {
        /// The commit, short; absent for what is not committed.
        commit: Option<String>,
        /// What the commit says of itself.
        subject: String,
    },
    /// A run.
    Run {
        /// Its name.
        name: String,
        /// What the gate said of the figure.
        verdict: Verdict,
    },
}

/// The level of the anchor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnchorLevel {
    /// Its median, in the metric's unit.
    pub value: f64,
    /// Why it stands there.
    pub reason: String,
    /// By how much the last baseline differs from it.
    pub change: f64,
}

/// A change of level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// The first point of the new level, by its place among the points.
    pub point: usize,
    /// The (geometric) mean before, back to the change point before, in the metric's unit.
    pub before: f64,
    /// The mean from here on, up to the next change point.
    pub after: f64,
    /// The relative change.
    pub change: f64,
    /// The p-value of a t-test.
    pub p: f64,
}

impl History {
    /// The history of a metric. `accepted` are the baselines in the order of their commits.
    pub fn of(
        baseline_file: &str,
        metric: Metric,
        accepted: &[Accepted],
        ran: &[Ran],
        anchor: Option<&Anchor>,
    ) -> Option<Self> {
        let last = &accepted.last()?.baseline;
        let mut points = accepted_points(metric, accepted);
        points.extend(ran.iter().map(|run| Point {
            source: Source::Run { name: run.name.clone(), verdict: run.verdict },
            at_unix_s: run.at_unix_s,
            value: run.value,
            step: None,
        }));
        // A value that cannot be a measurement has no logarithm.
        points.retain(|point| point.value.is_finite() && point.value > 0.0);
        // Stable: sessions of one commit stay in their order.
        points.sort_by_key(|point| point.at_unix_s);
        let level = anchor.and_then(|anchor| {
            let value = anchor.baseline.median(metric).filter(|value| *value > 0.0)?;
            let change = last.median(metric)? / value - 1.0;
            Some(AnchorLevel { value, reason: anchor.reason.clone(), change })
        });
        Some(Self {
            baseline_file: baseline_file.to_owned(),
            suite: last.suite.clone(),
            load: last.load.clone(),
            metric,
            change_points: shifts(&points),
            points,
            anchor: level,
        })
    }
}

/// The sessions of all baselines, each once. A commit that adds sessions or rewrites the file moves
/// nothing.
fn accepted_points(metric: Metric, accepted: &[Accepted]) -> Vec<Point> {
    let mut points = Vec::new();
    let mut before: Option<&Sessions> = None;
    for one in accepted {
        let Some(sessions) = one.baseline.metrics.get(&metric) else { continue };
        let known = before.filter(|before| sessions.starts_with(before)).map_or(0, Vec::len);
        let moved = (known == 0).then(|| {
            let before = median(&before?.concat().concat()).filter(|before| *before > 0.0)?;
            Some(median(&sessions.concat().concat())? / before - 1.0)
        });
        let mut step = moved.flatten();
        for session in &sessions[known..] {
            let Some(value) = median(&session.concat()) else { continue };
            points.push(Point {
                source: Source::Baseline {
                    commit: one.commit.clone(),
                    subject: one.subject.clone(),
                },
                at_unix_s: one.at_unix_s,
                value,
                step: step.take(),
            });
        }
        before = Some(sessions);
    }
    points
}

/// The change points, on the scale of ratios.
fn shifts(points: &[Point]) -> Vec<Shift> {
    let logarithms: Vec<f64> = points.iter().map(|point| point.value.ln()).collect();
    let shift = |found: perf_gate::ChangePoint| Shift {
        point: found.index,
        before: found.before.exp(),
        after: found.after.exp(),
        change: (found.after - found.before).exp_m1(),
        p: found.p,
    };
    change_points(&logarithms).into_iter().map(shift).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric() -> Metric {
        "e2e_p50_ms".parse().unwrap()
    }

    fn accepted(commit: &str, at_unix_s: u64, sessions: &[&[f64]]) -> Accepted {
        let sessions: Sessions = sessions
            .iter()
            .map(|session| session.iter().map(|value| vec![*value]).collect())
            .collect();
        Accepted {
            commit: Some(commit.into()),
            at_unix_s,
            subject: format!("accept {commit}"),
            baseline: crate::fixtures::baseline(metric(), sessions),
        }
    }

    fn of(accepted: &[Accepted], ran: &[Ran], anchor: Option<&Anchor>) -> History {
        History::of("baselines/m/s/l.snap", metric(), accepted, ran, anchor).unwrap()
    }

    #[test]
    fn a_session_that_was_added_is_a_point_and_only_a_new_baseline_is_a_step() {
        let history = of(
            &[
                accepted("a", 1, &[&[100.0, 102.0, 101.0]]),
                accepted("b", 2, &[&[100.0, 102.0, 101.0], &[99.0]]),
                accepted("rewrite", 3, &[&[100.0, 102.0, 101.0], &[99.0]]),
                accepted("c", 4, &[&[111.0], &[110.0]]),
            ],
            &[],
            None,
        );
        let points: Vec<(f64, Option<f64>)> =
            history.points.iter().map(|point| (point.value, point.step)).collect();
        let step = 110.5 / 100.5 - 1.0;
        assert_eq!(points, [(101.0, None), (99.0, None), (111.0, Some(step)), (110.0, None)]);
        assert_eq!((history.suite.as_str(), history.load.as_str()), ("s", "l"));
    }

    #[test]
    fn runs_stand_between_the_baselines_of_their_time_and_the_anchor_beside_them() {
        let ran = |at_unix_s, value| Ran {
            name: "0001".into(),
            at_unix_s,
            value,
            verdict: Verdict::Held,
        };
        let all = [accepted("a", 10, &[&[100.0]]), accepted("b", 30, &[&[104.0]])];
        let anchor = Anchor { reason: "first".into(), baseline: all[0].baseline.clone() };
        let history = of(&all, &[ran(20, 101.0), ran(40, f64::NAN)], Some(&anchor));
        let values: Vec<f64> = history.points.iter().map(|point| point.value).collect();
        assert_eq!(values, [100.0, 101.0, 104.0]);
        let level = history.anchor.unwrap();
        assert!((level.value - 100.0).abs() < 1e-9 && (level.change - 0.04).abs() < 1e-9);
        assert!(History::of("f", metric(), &[], &[], None).is_none());
    }

    #[test]
    fn a_lasting_change_of_level_is_a_change_point_with_its_size() {
        let sessions = |level: f64| [0.0, 0.4, -0.3, 0.1, -0.2, 0.2].map(|noise| level + noise);
        let all: Vec<Accepted> = (1..)
            .zip(sessions(100.0).into_iter().chain(sessions(105.0)))
            .map(|(at, value)| accepted("c", at, &[&[value]]))
            .collect();
        let shifts = of(&all, &[], None).change_points;
        assert_eq!(shifts.len(), 1);
        assert_eq!(shifts[0].point, 6);
        assert!((shifts[0].change - 0.05).abs() < 1e-3 && shifts[0].p < 1e-6, "{shifts:?}");
    }
}
