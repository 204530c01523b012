//! One load at several points: [`sweep`].

use perf_model::analysis::run_analysis::RunAnalysis;
use perf_model::spec::metric::Metric;

use super::table::{blocks, marked, optional};
use super::wrap::{broken, head};

/// The figures that a sweep is looked at for, those that were measured a column each.
const COLUMNS: [&str; 9] = [
    "output_throughput_tok_per_s",
    "request_throughput_req_per_s",
    "goodput_req_per_s",
    "ttft_p50_ms",
    "ttft_p99_ms",
    "tpot_p50_ms",
    "itl_p99_ms",
    "e2e_p50_ms",
    "e2e_p99_ms",
];

/// What is known of a run beside its summary: a name, a unit, and the value where it was measured.
type Beside = (&'static str, &'static str, fn(&RunAnalysis) -> Option<f64>);

/// Those that a sweep is looked at for.
const BESIDE: [Beside; 4] = [
    ("steady throughput", "tok/s", |analysis| analysis.steady.as_ref()?.output_throughput),
    ("steady throughput", "req/s", |analysis| Some(analysis.steady.as_ref()?.request_throughput)),
    ("prefix-cache hits", "%", |analysis| Some(analysis.prefix_hit_rate? * 100.0)),
    ("sends late P99", "ms", |analysis| Some(analysis.lateness?.p99_ms)),
];

/// The widest name of a point.
const POINT: usize = 24;

/// Tables with a row for each point: what it is, and its figures, as many a table as a terminal has room
/// for.
pub fn sweep(points: &[(String, &RunAnalysis)]) -> String {
    let columns: Vec<Metric> = COLUMNS
        .iter()
        .filter_map(|key| key.parse().ok())
        .filter(|metric| {
            points.iter().any(|(_, analysis)| analysis.summary.values.contains_key(metric))
        })
        .collect();
    let beside = || {
        BESIDE
            .iter()
            .filter(|(.., value)| points.iter().any(|(_, analysis)| value(analysis).is_some()))
    };
    let mut heads = vec![String::new(), "requests".to_owned(), "failed".to_owned()];
    let named = |name: &str, unit: &str| format!("{}\n[{unit}]", head(name));
    heads.extend(columns.iter().map(|metric| named(&metric.label(), metric.unit())));
    heads.extend(beside().map(|(name, unit, _)| named(name, unit)));
    let mut rows = Vec::new();
    for (point, analysis) in points {
        let summary = &analysis.summary;
        let counts =
            [broken(point, POINT), summary.requests.to_string(), summary.failed().to_string()];
        let value = |metric: &Metric| summary.values.get(metric).copied();
        let values =
            columns.iter().map(|metric| marked(value(metric), summary.is_estimated(*metric)));
        let beside = beside().map(|(.., value)| optional(value(analysis)));
        rows.push(counts.into_iter().chain(values).chain(beside).collect());
    }
    blocks(&heads, &rows, 1, &[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_model::analysis::lateness::Lateness;
    use perf_model::analysis::summary::Summary;

    fn point(requests: usize, throughput: f64) -> RunAnalysis {
        let mut summary = Summary { requests, ..Summary::default() };
        summary.values.insert("output_throughput_tok_per_s".parse().unwrap(), throughput);
        RunAnalysis { summary, ..RunAnalysis::default() }
    }

    #[test]
    fn a_row_a_point_and_no_column_of_what_was_not_measured() {
        let (first, second) = (point(20, 61.25), point(160, 402.0));
        let table =
            sweep(&[("1 concurrent".to_owned(), &first), ("8 concurrent".to_owned(), &second)]);
        insta::assert_snapshot!(table);
        assert!(
            !table.contains("TTFT") && !table.contains("hits") && !table.contains("late"),
            "{table}"
        );
    }

    #[test]
    fn what_one_point_does_not_know_is_no_zero() {
        let late = Lateness { p50_ms: 0.1, p99_ms: 0.75 };
        let known =
            RunAnalysis { prefix_hit_rate: Some(0.0), lateness: Some(late), ..point(20, 61.25) };
        let unknown = point(20, 61.25);
        let table = sweep(&[("a".to_owned(), &known), ("b".to_owned(), &unknown)]);
        insta::assert_snapshot!(table);
        assert_eq!(table.matches('–').count(), 2, "{table}");
    }

    #[test]
    fn every_figure_at_once_is_no_wider_than_a_terminal() {
        let late = Lateness { p50_ms: 0.1, p99_ms: 0.75 };
        let mut all =
            RunAnalysis { prefix_hit_rate: Some(0.5), lateness: Some(late), ..point(20, 61.25) };
        for key in COLUMNS {
            all.summary.values.insert(key.parse().unwrap(), 123_456.7);
        }
        let name = "gamma 1234.5 requests/s of shape 0.25 (incomplete)".to_owned();
        let table = sweep(&[(name, &all)]);
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        assert_eq!(table.matches("123457").count(), COLUMNS.len(), "{table}");
    }
}
