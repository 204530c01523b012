//! One load at several points: [`sweep`].

use crate::metric::Metric;
use crate::summary::Summary;

use super::table::{align_right, optional, plain, trimmed};

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

/// A table with a row for each point: what it is, and its figures.
pub fn sweep(points: &[(String, Summary)]) -> String {
    let columns: Vec<Metric> = COLUMNS
        .iter()
        .filter_map(|key| key.parse().ok())
        .filter(|metric| points.iter().any(|(_, summary)| summary.values.contains_key(metric)))
        .collect();
    let mut head = vec![String::new(), "requests".to_owned(), "failed".to_owned()];
    head.extend(columns.iter().map(|metric| format!("{}\n[{}]", metric.label(), metric.unit())));
    let mut table = plain(&head);
    for (point, summary) in points {
        let counts = [point.clone(), summary.requests.to_string(), summary.failed().to_string()];
        let values = columns.iter().map(|metric| optional(summary.values.get(metric).copied()));
        table.add_row(counts.into_iter().chain(values));
    }
    align_right(&mut table, 1..head.len());
    trimmed(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_a_point_and_no_column_of_what_was_not_measured() {
        let point = |requests: usize, throughput: f64| {
            let mut summary = Summary { requests, ..Summary::default() };
            summary.values.insert("output_throughput_tok_per_s".parse().unwrap(), throughput);
            summary
        };
        let points = [("1 concurrent".to_owned(), point(20, 61.25)), ("8 concurrent".to_owned(), point(160, 402.0))];
        let table = sweep(&points);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].contains("output throughput") && lines[1].contains("[tok/s]"), "{table}");
        assert!(lines[3].contains("8 concurrent") && lines[3].ends_with("402.0"), "{table}");
        assert!(!table.contains("TTFT"), "{table}");
    }
}
