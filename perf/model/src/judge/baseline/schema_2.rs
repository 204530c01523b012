//! The form of older versions, schema 2: one file that holds every engine start. It is still read,
//! and `cargo xtask perf rewrite` writes it in the present form.

use std::fmt::Write;

use serde::Deserialize;

use super::header::{File, effective_lines, lines};
use super::starts::Start;
use super::text::{changed_line, has_all_lines, line, nested, number, rounded, unreadable};
use super::{Baseline, BaselineError, metric_of};
use crate::analysis::statistics::median;

/// The version of this form.
pub(super) const SCHEMA: u32 = 2;

/// Reads a file of this form.
pub(super) fn read(yaml: &str) -> Result<Baseline, BaselineError> {
    let file: File<Values> = serde_saphyr::from_str(yaml).map_err(|error| unreadable(&error))?;
    let (mut baseline, metrics) = file.into_parts()?;
    for (key, values) in metrics {
        let metric = metric_of(&key)?;
        if values.estimated {
            baseline.estimated.insert(metric.quantity());
        }
        let runs = |starts: Vec<Start>| starts.into_iter().map(Start::into_runs).collect();
        baseline.metrics.insert(metric, values.starts.into_iter().map(runs).collect());
    }
    let written = write(&baseline);
    match changed_line(yaml, &written) {
        Some(line) => Err(BaselineError::Edited(format!("the line `{line}` was changed"))),
        None if has_all_lines(yaml, &written) => Ok(baseline),
        None => Err(BaselineError::Edited("lines are missing or were added".to_owned())),
    }
}

/// The text of this form, which a file that is read is held against.
pub(super) fn write(baseline: &Baseline) -> String {
    let mut yaml = lines(baseline, SCHEMA);
    yaml += &line("gpu_s_per_start", &format!("{:.1}", baseline.gpu_s_per_start));
    // The count lets a file that lost its last lines be distinguished from one that never had them.
    let metrics = format!(
        "# {}, each with its median, and the engine starts of every session",
        baseline.metrics.len()
    );
    yaml += &line("metrics", &metrics);
    for (metric, sessions) in &baseline.metrics {
        // The median of the rounded values, so that the file agrees with itself.
        let values: Vec<f64> =
            sessions.iter().flatten().flatten().map(|value| rounded(*value)).collect();
        let mark = if baseline.is_estimated(*metric) { "estimated: true, " } else { "" };
        let middle = median(&values).map_or_else(|| "null".to_owned(), number);
        let starts = nested(sessions);
        let _ = writeln!(yaml, "  {metric}: {{ median: {middle}, {mark}starts: {starts} }}");
    }
    yaml + &effective_lines(baseline, SCHEMA)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    #[serde(rename = "median")]
    _median: Option<f64>,
    #[serde(default)]
    estimated: bool,
    starts: Vec<Vec<Start>>,
}
