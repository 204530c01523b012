//! Histories for programs: [`json`] and [`csv`].

use perf_model::interop::csv_line::line;
use perf_model::judge::history::{History, Point, Source};
use serde::Serialize;

use crate::json::{direction_name, verdict_name};

/// The version of the JSON document. It rises when a key changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    guards: Vec<Guard<'a>>,
}

#[derive(Serialize)]
struct Guard<'a> {
    unit: &'static str,
    better: &'static str,
    #[serde(flatten)]
    history: &'a History,
}

/// The histories as one JSON document.
pub fn json(histories: &[History]) -> Result<String, serde_json::Error> {
    let guard = |history| Guard { unit: of(history).0, better: of(history).1, history };
    let guards = histories.iter().map(guard).collect();
    serde_json::to_string_pretty(&Document { schema: SCHEMA, guards })
}

/// The unit of a history, and the direction that is better.
fn of(history: &History) -> (&'static str, &'static str) {
    (history.metric.unit(), direction_name(history.metric.direction()))
}

const HEAD: [&str; 13] = [
    "suite",
    "load",
    "metric",
    "unit",
    "direction",
    "at_unix_s",
    "source",
    "name",
    "value",
    "step",
    "anchor",
    "verdict",
    "change_point_p",
];

/// A row for each point of each history; what there is not is an empty field.
pub fn csv(histories: &[History]) -> String {
    let mut text = line(&HEAD.map(str::to_owned));
    for history in histories {
        for (at, point) in history.points.iter().enumerate() {
            text.push_str(&line(&fields(history, at, point)));
        }
    }
    text
}

fn fields(history: &History, at: usize, point: &Point) -> Vec<String> {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let (unit, direction) = of(history);
    let (source, name, verdict) = match &point.source {
        Source::Baseline { commit, .. } => ("baseline", commit.clone().unwrap_or_default(), ""),
        Source::Run { name, verdict } => ("run", name.clone(), verdict_name(*verdict)),
    };
    let shift = history.change_points.iter().find(|shift| shift.point == at);
    vec![
        history.suite.clone(),
        history.load.clone(),
        history.metric.to_string(),
        unit.to_owned(),
        direction.to_owned(),
        point.at_unix_s.to_string(),
        source.to_owned(),
        name,
        point.value.to_string(),
        number(point.step),
        number(history.anchor.as_ref().map(|anchor| anchor.value)),
        verdict.to_owned(),
        number(shift.map(|shift| shift.p)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn every_point_is_in_the_document_and_in_a_row() {
        let histories = [testing::history()];
        let document: serde_json::Value = serde_json::from_str(&json(&histories).unwrap()).unwrap();
        let points = document["guards"][0]["points"].as_array().unwrap();
        assert_eq!((document["schema"].as_u64(), points.len()), (Some(1), 14));
        assert_eq!(points[0]["source"], "baseline");
        assert_eq!(document["guards"][0]["better"], "higher_is_better");
        let rows = csv(&histories);
        assert_eq!(rows.lines().count(), 15);
        assert!(rows.lines().all(|row| row.split(',').count() == HEAD.len()), "{rows}");
    }
}
