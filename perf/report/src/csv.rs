//! Every figure of a run as comma-separated values, a row each: [`csv`].

use perf_model::interop::csv_line::line;
use perf_model::judge::report::{LoadReport, Row};
use perf_model::spec::units::Percent;

use crate::overview::Overview;

/// The columns. Units are in the column `unit`; changes and bands are fractions of the baseline.
const HEAD: [&str; 22] = [
    "suite",
    "load",
    "metric",
    "unit",
    "direction",
    "guarded",
    "verdict",
    "published",
    "baseline",
    "measured",
    "estimated",
    "change",
    "change_low",
    "change_high",
    "slack",
    "band",
    "limit",
    "starts",
    "baseline_starts",
    "engine",
    "hardware",
    "reason",
];

/// A row for each figure of each load, guarded or not. What was not measured is an empty field, and
/// the values of several engine starts are separated by semicolons. A suite without loads has one row
/// with its verdict and its reason.
pub fn csv(run: &Overview<'_>) -> String {
    let mut text = line(&HEAD.map(str::to_owned));
    for report in run.reports {
        if report.loads.is_empty() {
            let mut fields = vec![String::new(); HEAD.len()];
            fields[0].clone_from(&report.suite);
            crate::json::verdict_name(report.verdict).clone_into(&mut fields[6]);
            fields[19] = report.engine.to_string();
            fields[21] = report.remark.clone().unwrap_or_default();
            text.push_str(&line(&fields));
        }
        for load in &report.loads {
            for row in &load.rows {
                text.push_str(&line(&fields(load, row)));
            }
        }
    }
    text
}

fn fields(load: &LoadReport, row: &Row) -> Vec<String> {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let list =
        |values: &[f64]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(";");
    let guard = row.guard.as_ref();
    let judged = guard.map(|guard| &guard.judgement);
    let interval = judged.and_then(|judged| judged.interval);
    vec![
        load.suite.clone(),
        load.load.clone(),
        row.metric.to_string(),
        row.metric.unit().to_owned(),
        crate::json::direction_name(row.metric.direction()).to_owned(),
        guard.is_some().to_string(),
        judged.map(|judged| crate::json::verdict_name(judged.verdict)).unwrap_or_default().into(),
        number(row.published),
        number(row.baseline),
        number(row.measured),
        row.estimated.to_string(),
        number(row.change),
        number(interval.map(|(low, _)| low)),
        number(interval.map(|(_, high)| high)),
        number(guard.map(|guard| guard.slack.fraction())),
        number(judged.and_then(|judged| judged.band).map(Percent::fraction)),
        number(guard.and_then(|guard| guard.limit)),
        list(&row.starts),
        list(&row.baseline_starts),
        load.engine.to_string(),
        load.hardware.clone(),
        judged.and_then(|judged| judged.reason.clone()).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use perf_model::judge::verdict::Verdict;

    #[test]
    fn every_figure_is_a_row_of_as_many_fields_as_the_head() {
        let reports = [Verdict::Regressed, Verdict::Skipped].map(testing::suite);
        let run = Overview { reports: &reports, request: None, is_complete: true };
        let text = csv(&run);
        insta::assert_snapshot!(text.replace("\r\n", "\n"));
        assert_eq!(text.lines().count(), 4);
        for row in text.lines() {
            let mut is_quoted = false;
            let commas = row.chars().filter(|letter| {
                is_quoted ^= *letter == '"';
                *letter == ',' && !is_quoted
            });
            assert_eq!(commas.count() + 1, HEAD.len(), "{row}");
        }
    }
}
