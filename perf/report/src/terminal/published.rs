//! Published figures beside measured ones, report by report: [`published`].

use std::fmt::Write;

use perf_model::judge::report::{LoadReport, Row, SuiteReport};
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::metric::Quantity;

use super::knee::knee;
use super::table::{align_right, optional, plain, trimmed};
use super::wrap::{folded, wrapped};

/// What was measured for one published report.
#[derive(Clone, Debug)]
pub struct FieldReport {
    /// Its short name: `F1`.
    pub name: String,
    /// The file of its scenarios.
    pub file: String,
    /// What its suites measured.
    pub suites: Vec<SuiteReport>,
}

/// A table for each report: what was published, what was measured, and the difference.
pub fn published(reports: &[FieldReport]) -> String {
    let mut text = String::new();
    for report in reports {
        let _ = writeln!(text, "{}", folded(&format!("{}  {}", report.name, report.file)));
        let rows = rows(report);
        if rows.is_empty() {
            text.push_str("  no published figure was measured\n\n");
            continue;
        }
        let mut table = plain(&["", "published*", "measured", "difference"]);
        for (_, row) in &rows {
            let difference = difference(row).map(|share| format!("{:+.1} %", share * 100.0));
            table.add_row([
                format!("  {} [{}]", label(row), row.metric.unit()),
                optional(row.published),
                optional(row.measured),
                difference.unwrap_or_else(|| "–".to_owned()),
            ]);
        }
        align_right(&mut table, 1..4);
        // Names of loads stand between the rows, because they would widen the column.
        let lines = trimmed(&table);
        let mut lines = lines.lines();
        text.extend(lines.next().map(|head| format!("{head}\n")));
        let mut named = String::new();
        for (line, (load, _)) in lines.zip(&rows) {
            let name = format!("  {} / {}", load.suite, load.load);
            if name != named {
                let _ = writeln!(text, "{}", folded(&name));
                named = name;
            }
            let _ = writeln!(text, "{line}");
        }
        let worst = rows
            .iter()
            .filter_map(|(_, row)| difference(row))
            .max_by(|one, other| one.abs().total_cmp(&other.abs()));
        if let Some(worst) = worst {
            let plural = if rows.len() == 1 { "" } else { "s" };
            let _ = writeln!(
                text,
                "  {} figure{plural}; the largest difference is {:+.1} %",
                rows.len(),
                worst * 100.0
            );
        }
        for knee in report.suites.iter().filter_map(|suite| knee(&suite.loads)) {
            text.push_str(&wrapped(&knee, "  "));
        }
        text.push('\n');
    }
    text.push_str("* imported from a published report: one run, noise unknown, no gate\n");
    let mut suites = reports.iter().flat_map(|report| &report.suites);
    if suites.any(|suite| suite.engine == EngineKind::Simulated) {
        text.push_str("measured figures are SIMULATED: they do not describe a GPU\n");
    }
    text
}

/// The rows with a published figure, and their load.
fn rows(report: &FieldReport) -> Vec<(&LoadReport, &Row)> {
    let loads = report.suites.iter().flat_map(|suite| &suite.loads);
    loads
        .flat_map(|load| load.rows.iter().map(move |row| (load, row)))
        .filter(|(_, row)| row.published.is_some())
        .collect()
}

/// Measured over published, less one.
fn difference(row: &Row) -> Option<f64> {
    Some(row.measured? / row.published.filter(|published| *published > 0.0)? - 1.0)
}

/// The metric, and for a throughput its scope: a rate of one request must never be read as one of
/// the whole server.
fn label(row: &Row) -> String {
    match row.metric.quantity() {
        Quantity::OutputThroughput | Quantity::TotalThroughput | Quantity::RequestThroughput => {
            format!("{}, whole server", row.metric.label())
        }
        _ => row.metric.label(),
    }
}

#[cfg(test)]
mod tests {
    use perf_model::fixtures;
    use perf_model::judge::verdict::Verdict;

    use super::*;

    fn row(metric: &str, published: Option<f64>, measured: f64) -> Row {
        Row {
            published,
            measured: Some(measured),
            starts: vec![measured],
            ..perf_model::fixtures::row(metric.parse().unwrap())
        }
    }

    #[test]
    fn every_throughput_names_its_scope_and_every_published_figure_is_marked() {
        let rows = vec![
            row("output_throughput_tok_per_s", Some(152.14), 153.5),
            row("request_output_rate_mean_tok_per_s", Some(76.475), 76.7),
            row("e2e_mean_ms", None, 1_303.0),
        ];
        let load = LoadReport { rows, engine: EngineKind::Simulated, ..fixtures::load_report() };
        let mut suite = SuiteReport::unmeasured(
            load.suite.clone(),
            EngineKind::Simulated,
            Verdict::Held,
            String::new(),
        );
        suite.loads.push(load);
        let report =
            FieldReport { name: "F3".into(), file: "f3_example".into(), suites: vec![suite] };
        let text = published(&[report]);
        assert!(text.contains("output throughput, whole server [tok/s]"), "{text}");
        assert!(text.contains("output rate per request mean [tok/s]"), "{text}");
        assert!(
            text.contains("+0.9 %") && text.contains("2 figures; the largest difference is +0.9 %"),
            "{text}"
        );
        assert!(text.contains("imported") && text.contains("SIMULATED"), "{text}");
        assert!(!text.contains("E2E"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
