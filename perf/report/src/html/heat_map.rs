//! A figure of a sweep over two of its axes, as a map of shades with the numbers in it:
//! [`heat_maps`].

use std::fmt::Write;

use maud::html;
use perf_model::spec::metric::Direction;
use perf_model::sweep::goal::Figure;
use perf_model::sweep::report::SweepReport;

use super::chart::{Chart, RIGHT};
use super::scale::{place, tick};

/// The most maps of a figure, one for each combination of the axes beside the last two.
const MAPS: usize = 6;

const LEFT: f64 = 78.0;
const TOP: f64 = 24.0;
const ROW: f64 = 26.0;

/// The maps of a figure over the last two axes. None for a sweep of one axis.
pub(super) fn heat_maps(report: &SweepReport, figure: Figure) -> Vec<Chart> {
    let axes = report.axes.len();
    if axes < 2 {
        return Vec::new();
    }
    let mut panels: Vec<&[String]> = Vec::new();
    for cell in &report.cells {
        let others = &cell.values[..axes - 2];
        if !panels.contains(&others) {
            panels.push(others);
        }
    }
    let values: Vec<f64> = report.cells.iter().filter_map(|cell| cell.value(figure)).collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if values.is_empty() {
        return Vec::new();
    }
    panels.into_iter().take(MAPS).map(|others| map(report, figure, others, (least, most))).collect()
}

fn map(
    report: &SweepReport,
    figure: Figure,
    others: &[String],
    (least, most): (f64, f64),
) -> Chart {
    let axes = report.axes.len();
    let (down, across) = (&report.axes[axes - 2], &report.axes[axes - 1]);
    let width = (RIGHT - LEFT) / across.values.len().max(1) as f64;
    let value = |row: &String, column: &String| {
        let cell = report.cells.iter().find(|cell| {
            cell.values[..axes - 2] == *others
                && cell.values[axes - 2] == *row
                && cell.values[axes - 1] == *column
        });
        cell.and_then(|cell| cell.value(figure))
    };
    // The better, the darker.
    let shade = |value: f64| {
        let share = if most > least { (value - least) / (most - least) } else { 1.0 };
        match figure.metric.direction() {
            Direction::HigherIsBetter => share,
            Direction::LowerIsBetter => 1.0 - share,
        }
    };
    let mut csv = format!("{},{},{}\n", down.setting, across.setting, figure.metric);
    for row in &down.values {
        for column in &across.values {
            let value = value(row, column).map(|value| value.to_string()).unwrap_or_default();
            let _ = writeln!(csv, "{row},{column},{value}");
        }
    }
    let names: Vec<String> = report
        .axes
        .iter()
        .zip(others)
        .map(|(axis, value)| format!("{}={value}", axis.setting))
        .collect();
    let beside = if names.is_empty() { String::new() } else { format!(", {}", names.join(", ")) };
    let bottom = TOP + ROW * down.values.len() as f64;
    let body = html! {
        text class="name" x="2" y="10" { (down.setting) " ↓   " (across.setting) " →" }
        @for (at, column) in across.values.iter().enumerate() {
            text class="tick" x=(place(LEFT + width * (at as f64 + 0.5))) y=(place(bottom + 13.0)) text-anchor="middle" { (column) }
        }
        @for (at, row) in down.values.iter().enumerate() {
            @let y = TOP + ROW * at as f64;
            text class="tick" x=(place(LEFT - 5.0)) y=(place(y + 17.0)) text-anchor="end" { (row) }
            @for (at, column) in across.values.iter().enumerate() {
                @let x = LEFT + width * at as f64;
                @match value(row, column) {
                    Some(value) => {
                        rect class="heat" x=(place(x)) y=(place(y)) width=(place(width - 2.0)) height=(place(ROW - 2.0))
                            fill-opacity=(format!("{:.2}", 0.06 + 0.34 * shade(value))) {}
                        text class="cell" x=(place(x + width / 2.0 - 1.0)) y=(place(y + 16.0)) text-anchor="middle" { (tick(value)) }
                    },
                    None => text class="cell" x=(place(x + width / 2.0 - 1.0)) y=(place(y + 16.0)) text-anchor="middle" { "–" },
                }
            }
        }
    };
    Chart {
        title: format!("{}{beside}", figure.name()),
        says: format!(
            "From {} to {} {}; the darker, the better.",
            tick(least),
            tick(most),
            figure.unit()
        ),
        height: bottom + 22.0,
        body,
        legend: vec![("heat", "the darker, the better".to_owned())],
        csv,
    }
}
