//! How much each figure of a sweep changes along each axis: [`changes`].

use std::fmt::Write;

use perf_model::analysis::statistics::median;
use perf_model::sweep::analysis::Sensitivity;
use perf_model::sweep::report::SweepReport;

use super::super::table::{align_right, blocks, plain, trimmed};
use super::super::wrap::{head, wrapped};

/// More rows than these are summed up: the median, the least and the most.
const MOST_ROWS: usize = 10;

/// A table for each axis: a row for each combination of the other axes, or what they come to where
/// these are many.
pub(super) fn changes(report: &SweepReport, all: &[Sensitivity]) -> String {
    let mut text = String::new();
    for axis in 0..report.axes.len() {
        let of_axis: Vec<&Sensitivity> = all.iter().filter(|one| one.axis == axis).collect();
        let Some(most) = of_axis.iter().map(|one| one.rows.len()).max() else { continue };
        let axis_values = &report.axes[axis].values;
        let ends = [axis_values.first(), axis_values.last()].map(|end| end.map_or("", |end| end));
        let partial =
            if is_partial(report, &of_axis, axis) { " or the last that was measured" } else { "" };
        let title = format!(
            "change along {}, from {} to {}{partial}",
            report.axes[axis].setting, ends[0], ends[1]
        );
        let _ = write!(text, "\n{}", wrapped(&title, ""));
        text.push_str(&if most <= MOST_ROWS {
            rows(report, &of_axis, axis)
        } else {
            summary(&of_axis)
        });
    }
    text
}

/// Whether some row ends before the axis does.
fn is_partial(report: &SweepReport, of_axis: &[&Sensitivity], axis: usize) -> bool {
    let ends = [report.axes[axis].values.first(), report.axes[axis].values.last()];
    let value = |cell: usize| report.cells[cell].values.get(axis);
    let mut rows = of_axis.iter().flat_map(|one| &one.rows);
    rows.any(|row| [value(row.cells.0), value(row.cells.1)] != ends)
}

fn rows(report: &SweepReport, of_axis: &[&Sensitivity], axis: usize) -> String {
    let others: Vec<usize> = (0..report.axes.len()).filter(|other| *other != axis).collect();
    let published = |one: &Sensitivity, cell: usize| {
        report.published_change(axis, cell, one.figure.metric).filter(|_| !one.figure.per_gpu)
    };
    let has_published =
        |one: &Sensitivity| one.rows.iter().any(|row| published(one, row.cells.0).is_some());
    let mut columns: Vec<String> =
        others.iter().map(|other| head(&report.axes[*other].setting.to_string())).collect();
    for one in of_axis {
        columns.push(head(&one.figure.name()));
        columns.extend(has_published(one).then(|| "published*".to_owned()));
    }
    let mut firsts: Vec<usize> =
        of_axis.iter().flat_map(|one| one.rows.iter().map(|row| row.cells.0)).collect();
    firsts.sort_unstable();
    firsts.dedup_by_key(|cell| report.label_without(*cell, axis));
    let mut rows = Vec::new();
    for first in firsts {
        let label = report.label_without(first, axis);
        let mut row: Vec<String> =
            others.iter().map(|other| report.cells[first].values[*other].clone()).collect();
        for one in of_axis {
            let here = one.rows.iter().find(|row| report.label_without(row.cells.0, axis) == label);
            row.push(here.map_or_else(|| "–".to_owned(), |row| percent(row.change)));
            row.extend(
                has_published(one)
                    .then(|| published(one, first).map_or_else(|| "–".to_owned(), percent)),
            );
        }
        rows.push(row);
    }
    let mut text = format!("{}\n", blocks(&columns, &rows, others.len(), &[]));
    if of_axis.iter().any(|one| has_published(one)) {
        text.push_str("  * from a published report: one run, noise unknown\n");
    }
    text
}

fn summary(of_axis: &[&Sensitivity]) -> String {
    let mut table = plain(&["", "rows", "median", "least", "most"]);
    for one in of_axis {
        let changes: Vec<f64> = one.rows.iter().map(|row| row.change).collect();
        let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), percent);
        table.add_row([
            one.figure.name(),
            changes.len().to_string(),
            shown(median(&changes)),
            shown(changes.iter().copied().reduce(f64::min)),
            shown(changes.iter().copied().reduce(f64::max)),
        ]);
    }
    align_right(&mut table, 1..5);
    format!("{}\n", trimmed(&table))
}

fn percent(change: f64) -> String {
    format!("{:+.1} %", change * 100.0)
}
