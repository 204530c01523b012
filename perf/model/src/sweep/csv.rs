//! A sweep as comma-separated values, a row for each cell: [`csv`].

use crate::interop::csv_line::line;
use crate::spec::metric::Metric;
use crate::sweep::cell::CellOutcome;
use crate::sweep::goal::Figure;
use crate::sweep::report::SweepReport;

/// A row for each cell: its values on the axes, its GPUs, its state and the reason of one without
/// figures, the median of every metric that any cell has, and what was published, each under the
/// metric's key.
///
/// Fields are quoted as RFC 4180 says. A field that a spreadsheet would take for a formula is
/// preceded by an apostrophe.
pub fn csv(report: &SweepReport) -> String {
    let metrics: Vec<Metric> = Metric::all()
        .filter(|metric| report.cells.iter().any(|cell| cell.value(Figure::of(*metric)).is_some()))
        .collect();
    let published: Vec<Metric> = Metric::all()
        .filter(|metric| report.cells.iter().any(|cell| cell.published.contains_key(metric)))
        .collect();
    let mut head: Vec<String> = report.axes.iter().map(|axis| axis.setting.to_string()).collect();
    head.extend(["gpus", "state", "reason"].map(str::to_owned));
    head.extend(metrics.iter().map(ToString::to_string));
    head.extend(published.iter().map(|metric| format!("published_{metric}")));
    let mut text = line(&head);
    for cell in &report.cells {
        let state = match cell.outcome {
            CellOutcome::Measured { .. } => "measured",
            CellOutcome::Failed { .. } => "failed",
            CellOutcome::NotRun { .. } => "not run",
        };
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let mut fields = cell.values.clone();
        fields.push(cell.gpus.to_string());
        fields.push(state.to_owned());
        fields.push(cell.reason().unwrap_or_default().to_owned());
        fields.extend(metrics.iter().map(|metric| number(cell.value(Figure::of(*metric)))));
        fields.extend(published.iter().map(|metric| number(cell.published.get(metric).copied())));
        text.push_str(&line(&fields));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::sweep;

    #[test]
    fn a_cell_is_a_row_and_a_metric_that_was_not_measured_an_empty_field() {
        let text = csv(&sweep());
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(
            lines[0],
            "max-num-seqs,concurrency,gpus,state,reason,output_throughput_tok_per_s,ttft_p50_ms,published_ttft_p50_ms"
        );
        assert_eq!(lines[1], "8,1,1,measured,,20,20,21.5");
        assert_eq!(lines[6], "64,32,1,measured,,120,,");
        assert_eq!(lines.len(), 8);
    }
}
