//! Raw values from any source, as JSON documents: [`judge_inputs`].
//!
//! One document for each side and metric:
//!
//! ```json
//! { "metric": "itl_p50_ms", "unit": "ms", "direction": "lower_is_better", "slack": 0.025,
//!   "values": [[[21.3], [21.1]], [[21.4], [21.2]]] }
//! ```
//!
//! `values[session][start][run]` are in the metric's own unit. `slack` (relative; 0.025 if
//! absent) and `prior` (by the metric's name if absent) are read from the baseline's document.

use serde::{Deserialize, Serialize};

use crate::boundaries::Boundaries;
use crate::design::{Design, DesignError};
use crate::direction::Direction;
use crate::guard::{Guard, GuardError};
use crate::judge::{Judgement, Verdict, judge};
use crate::knowledge::{Kind, Knowledge};
use crate::prior::Prior;
use crate::series::{Series, SeriesError};

/// The slack where a document gives none.
const SLACK: f64 = 0.025;

/// The values of one metric on one side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The metric's name; the same on both sides.
    pub metric: String,
    /// Its unit; the same on both sides.
    pub unit: String,
    /// Which way is better: `lower_is_better` or `higher_is_better`.
    pub direction: Direction,
    /// How far it may move the wrong way, relative: 0.025 is 2.5 %.
    #[serde(
        rename = "tolerance",
        alias = "slack",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub slack: Option<f64>,
    /// The widest band that says enough to pass, relative; twice the slack if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_band: Option<f64>,
    /// What is known of its noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<Prior>,
    /// `values[session][start][run]`.
    pub values: Vec<Vec<Vec<f64>>>,
}

/// The verdict on two sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Output {
    /// The metric's name.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Which way is better.
    pub direction: Direction,
    /// The baseline's value, in the metric's unit.
    pub baseline: f64,
    /// The candidate's.
    pub candidate: f64,
    /// The verdict and every number that it was reached from.
    #[serde(flatten)]
    pub judgement: Judgement,
}

/// Why two documents cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Two metrics, or one in two units.
    #[error(
        "the baseline's {what} is {baseline}, the candidate's is {candidate}; give documents of the same metric"
    )]
    Mismatch {
        /// What differs.
        what: &'static str,
        /// In the baseline.
        baseline: String,
        /// In the candidate.
        candidate: String,
    },
    /// A metric of the baseline that the candidate lacks.
    #[error(
        "the candidate lacks {metric}, which the baseline guards; measure it, or remove it from the baseline"
    )]
    Missing {
        /// The metric.
        metric: String,
    },
    /// A metric of the candidate that the baseline lacks.
    #[error(
        "the candidate holds {metric}, and the baseline does not; give documents of the same metrics"
    )]
    Unknown {
        /// The metric.
        metric: String,
    },
    /// Two documents of one metric.
    #[error(
        "the {side} holds {metric} twice; give one document for each metric, and one file for each load"
    )]
    Twice {
        /// Which side.
        side: &'static str,
        /// The metric.
        metric: String,
    },
    /// Values that cannot be judged.
    #[error("the {side}'s values of {metric} cannot be judged: {error}")]
    Values {
        /// Which side.
        side: &'static str,
        /// The metric.
        metric: String,
        /// What is wrong with them.
        error: SeriesError,
    },
    /// A slack or prior outside its range.
    #[error("the baseline's document of {metric}: {error}")]
    Guard {
        /// The metric.
        metric: String,
        /// What is wrong.
        error: GuardError,
    },
    /// A design outside its range.
    #[error(transparent)]
    Design(#[from] DesignError),
}

/// Judges every document of a candidate against the one of the same metric in the baseline, whose
/// documents tell each other's noise as the baselines of a run's suite do. `budget` is the most
/// engine starts that may be measured: what is open then is inconclusive.
pub fn judge_inputs(
    design: &Design,
    budget: usize,
    baselines: &[Input],
    candidates: &[Input],
) -> Result<Vec<Output>, InputError> {
    for (side, documents) in [("baseline", baselines), ("candidate", candidates)] {
        let mut seen: Vec<&str> = Vec::with_capacity(documents.len());
        for Input { metric, .. } in documents {
            if seen.contains(&metric.as_str()) {
                return Err(InputError::Twice { side, metric: metric.clone() });
            }
            seen.push(metric);
        }
    }
    let of = |documents: &[Input], metric: &str| {
        documents.iter().position(|document| document.metric == metric)
    };
    if let Some(more) = candidates.iter().find(|more| of(baselines, &more.metric).is_none()) {
        return Err(InputError::Unknown { metric: more.metric.clone() });
    }
    if let Some(gone) = baselines.iter().find(|base| of(candidates, &base.metric).is_none()) {
        return Err(InputError::Missing { metric: gone.metric.clone() });
    }
    let bases: Vec<Series> =
        baselines.iter().map(|base| read("baseline", base)).collect::<Result<_, _>>()?;
    let kinds = baselines.iter().map(|base| Kind::of_metric(&base.metric));
    let knowledge = Knowledge::of(&kinds.zip(&bases).collect::<Vec<_>>());
    candidates
        .iter()
        .map(|candidate| {
            let Some(at) = of(baselines, &candidate.metric) else {
                return Err(InputError::Unknown { metric: candidate.metric.clone() });
            };
            judge_one(design, budget, &knowledge, (&baselines[at], &bases[at]), candidate)
        })
        .collect()
}

fn read(side: &'static str, input: &Input) -> Result<Series, InputError> {
    Series::new(input.direction, &input.values).map_err(|error| InputError::Values {
        side,
        metric: input.metric.clone(),
        error,
    })
}

fn judge_one(
    design: &Design,
    budget: usize,
    knowledge: &Knowledge,
    (baseline, base): (&Input, &Series),
    candidate: &Input,
) -> Result<Output, InputError> {
    same("unit", &baseline.unit, &candidate.unit)?;
    same("direction", baseline.direction.name(), candidate.direction.name())?;
    let metric = &baseline.metric;
    let prior = baseline.prior.unwrap_or_else(|| knowledge.prior(Kind::of_metric(metric)));
    let guard = Guard::new(baseline.direction, baseline.slack.unwrap_or(SLACK), prior);
    let guard = guard.and_then(|guard| match baseline.max_band {
        Some(max_band) => guard.with_max_band(max_band),
        None => Ok(guard),
    });
    let guard = guard.map_err(|error| InputError::Guard { metric: metric.clone(), error })?;
    let guard = guard.with_offset(knowledge.offset(base));
    let now = read("candidate", candidate)?;
    let boundaries = Boundaries::of(design, base.starts())?;
    let mut judgement = judge(&boundaries, &guard, base, &now);
    if judgement.verdict == Verdict::Continue && now.starts() >= budget {
        judgement.verdict = Verdict::Inconclusive;
        judgement.reason = Some(budget_is_used_up(now.starts(), design.min_starts));
    }
    let value = |series: &Series| guard.direction().value(judgement.noise.locate(series));
    let values = [base, &now].map(value);
    Ok(Output {
        metric: metric.clone(),
        unit: baseline.unit.clone(),
        direction: baseline.direction,
        baseline: values[0],
        candidate: values[1],
        judgement,
    })
}

/// Says that a guard was open when its budget was used up.
pub fn budget_is_used_up(starts: usize, fewest: usize) -> String {
    let plural = if starts == 1 { "" } else { "s" };
    let too_few =
        if starts < fewest { format!("; a change needs at least {fewest}") } else { String::new() };
    format!("the budget is used up after {starts} engine start{plural}{too_few}")
}

fn same(what: &'static str, baseline: &str, candidate: &str) -> Result<(), InputError> {
    if baseline == candidate {
        return Ok(());
    }
    Err(InputError::Mismatch {
        what,
        baseline: baseline.to_owned(),
        candidate: candidate.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(metric: &str, direction: &str, values: &str) -> String {
        format!(
            r#"{{"metric": "{metric}", "unit": "ms", "direction": "{direction}", "values": {values}}}"#
        )
    }

    const BASE: &str = "[[[100.2], [99.9]], [[100.1], [99.7]], [[99.8], [100.3]], [[100.0], [100.1]], [[99.9], [100.0]]]";

    fn judged(metric: &str, direction: &str, values: &str) -> Result<Output, String> {
        let read = |text: &str| {
            serde_json::from_str(text).map_err(|error| format!("cannot be read: {error}"))
        };
        let base = read(&document("itl_p50_ms", "lower_is_better", BASE))?;
        let candidate = read(&document(metric, direction, values))?;
        let judged = judge_inputs(&Design::default(), 8, &[base], &[candidate]);
        judged.map(|mut outputs| outputs.remove(0)).map_err(|error| error.to_string())
    }

    #[test]
    fn two_documents_give_a_verdict_and_its_numbers() {
        let output =
            judged("itl_p50_ms", "lower_is_better", "[[[107.0], [106.8], [107.1]]]").unwrap();
        assert!((output.baseline - 100.0).abs() < 0.1 && (output.candidate - 107.0).abs() < 0.1);
        let json = serde_json::to_value(&output).unwrap();
        assert_eq!(json["verdict"], "regressed");
        assert!((json["change"].as_f64().unwrap() - 0.07).abs() < 1e-3);
        assert_eq!(json["resolution"]["starts"], 10);
        assert_eq!(json["direction"], "lower_is_better");
    }

    #[test]
    fn a_document_may_say_slack_or_tolerance_and_is_judged_alike() {
        let with = |key: &str| {
            let text = document("a", "lower_is_better", BASE).replacen(
                '{',
                &format!("{{\"{key}\": 0.1, "),
                1,
            );
            serde_json::from_str::<Input>(&text).unwrap()
        };
        assert_eq!(with("slack"), with("tolerance"));
        assert_eq!(with("slack").slack, Some(0.1));
    }

    #[test]
    fn the_keys_of_the_answer_stay_what_scripts_read() {
        let output = judged("itl_p50_ms", "lower_is_better", "[[[107.0], [106.8]]]").unwrap();
        let json = serde_json::to_value(&output).unwrap();
        assert_eq!(json["verdict"], "go_on");
        for key in ["tolerance", "effective_tolerance", "starts_for_tolerance", "detects"] {
            assert!(json["resolution"].get(key).is_some(), "{key}: {json}");
        }
    }

    #[test]
    fn a_metric_that_is_missing_twice_or_unknown_or_in_another_unit_never_passes() {
        let of = |metric: &str| -> Input {
            serde_json::from_str(&document(metric, "lower_is_better", BASE)).unwrap()
        };
        let error = |base: &[Input], now: &[Input]| {
            judge_inputs(&Design::default(), 8, base, now).unwrap_err().to_string()
        };
        let (a, b) = (of("a_ms"), of("b_ms"));
        let both = [a.clone(), b.clone()];
        assert!(error(&both, &both[..1]).starts_with("the candidate lacks b_ms"));
        assert!(error(&both[..1], &both).starts_with("the candidate holds b_ms, and the baseline"));
        assert!(
            error(&[a.clone(), a.clone()], &both[..1]).starts_with("the baseline holds a_ms twice")
        );
        assert!(error(&both[..1], &[a.clone(), a.clone()]).starts_with("the candidate holds a_ms"));
        let seconds = Input { unit: "s".into(), ..a.clone() };
        assert!(error(&[a], &[seconds]).contains("unit is ms, the candidate's is s"));
    }

    #[test]
    fn a_budget_below_three_starts_calls_nothing_a_change() {
        let of = |values: &str| -> Input {
            serde_json::from_str(&document("itl_p50_ms", "lower_is_better", values)).unwrap()
        };
        for (budget, starts) in [(1, "[[[150.0]]]"), (2, "[[[150.0], [151.0]]]")] {
            let judged =
                judge_inputs(&Design::default(), budget, &[of(BASE)], &[of(starts)]).unwrap();
            let judgement = &judged[0].judgement;
            assert_eq!(judgement.verdict, Verdict::Inconclusive, "{budget}");
            assert!(judgement.reason.as_ref().unwrap().ends_with("a change needs at least 3"));
        }
    }

    #[test]
    fn a_document_survives_its_text() {
        let input: Input = serde_json::from_str(&document("a", "higher_is_better", BASE)).unwrap();
        assert_eq!(
            serde_json::from_str::<Input>(&serde_json::to_string(&input).unwrap()).unwrap(),
            input
        );
    }

    #[test]
    fn bad_input_is_refused_and_says_what_to_do() {
        let error = |metric, direction, values| judged(metric, direction, values).unwrap_err();
        let other = error("itl_p99_ms", "lower_is_better", BASE);
        assert_eq!(
            other,
            "the candidate holds itl_p99_ms, and the baseline does not; give documents of the same metrics"
        );
        assert!(error("itl_p50_ms", "higher_is_better", BASE).contains("direction"));
        let unknown = error("itl_p50_ms", "sideways", BASE);
        assert!(
            unknown.contains("unknown variant `sideways`, expected `lower_is_better` or"),
            "{unknown}"
        );
        let zero = error("itl_p50_ms", "lower_is_better", "[[[1.0], [0.0]]]");
        assert!(
            zero.contains("the candidate's values of itl_p50_ms")
                && zero.contains("start 2, run 1 is 0"),
            "{zero}"
        );
        for (values, expected) in [
            ("[]", "there are no values"),
            ("[[]]", "session 1 has no values"),
            ("[[[]]]", "in start 1"),
            ("[[[-3]]]", "is -3"),
            ("[[[NaN]]]", "cannot be read"),
            ("[[[null]]]", "cannot be read"),
            ("[1.0]", "cannot be read"),
        ] {
            let error = error("itl_p50_ms", "lower_is_better", values);
            assert!(error.contains(expected), "{values}: {error}");
        }
    }
}
