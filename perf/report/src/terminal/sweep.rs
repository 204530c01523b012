//! One load at several points: [`sweep`].

use perf_model::analysis::run_analysis::RunAnalysis;
use perf_model::spec::metric::Metric;

use super::table::{align_right, marked, optional, plain, trimmed};

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

/// A table with a row for each point: what it is, and its figures.
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
    let mut head = vec![String::new(), "requests".to_owned(), "failed".to_owned()];
    head.extend(columns.iter().map(|metric| format!("{}\n[{}]", metric.label(), metric.unit())));
    head.extend(beside().map(|(name, unit, _)| format!("{name}\n[{unit}]")));
    let mut table = plain(&head);
    for (point, analysis) in points {
        let summary = &analysis.summary;
        let counts = [point.clone(), summary.requests.to_string(), summary.failed().to_string()];
        let value = |metric: &Metric| summary.values.get(metric).copied();
        let values =
            columns.iter().map(|metric| marked(value(metric), summary.is_estimated(*metric)));
        let beside = beside().map(|(.., value)| optional(value(analysis)));
        table.add_row(counts.into_iter().chain(values).chain(beside));
    }
    align_right(&mut table, 1..head.len());
    trimmed(&table)
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
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].contains("output throughput") && lines[1].contains("[tok/s]"), "{table}");
        assert!(lines[3].contains("8 concurrent") && lines[3].ends_with("402.0"), "{table}");
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
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].contains("prefix-cache hits  sends late P99"), "{table}");
        assert!(lines[2].ends_with("0.750") && lines[3].ends_with("–"), "{table}");
        assert_eq!(lines[3].matches('–').count(), 2, "{table}");
    }
}
