//! A sweep in a page: what is recommended, the Pareto front, the curves along a load, and heat maps.
//! Main function: [`sweep`].

use std::fmt::Write;

use maud::{Markup, html};
use perf_model::sweep::analysis::Analysis;
use perf_model::sweep::axis::Setting;
use perf_model::sweep::cell::rows;
use perf_model::sweep::goal::Figure;
use perf_model::sweep::report::SweepReport;

use super::chart::{Chart, LEFT, RIGHT, bottom_axis, data_link, left_axis, path};
use super::heat_map::heat_maps;
use super::scale::{Scale, place};

const TOP: f64 = 18.0;
const BOTTOM: f64 = 190.0;

/// The most lines that have their names beside them; more would hide the chart.
const NAMED: usize = 6;

/// The height of a name.
const NAME: f64 = 11.0;

pub(super) fn sweep(report: &SweepReport) -> Markup {
    let analysis = Analysis::of(report);
    let (measured, failed, not_run) = report.counts();
    let mut charts: Vec<Chart> = front(report, &analysis).into_iter().collect();
    charts.extend(along_load(report));
    for figure in report.figures() {
        charts.extend(heat_maps(report, figure));
    }
    html! {
        section aria-label=(format!("Sweep {}", report.name)) {
            h2 { "Sweep " (report.name) }
            p class="facts" { (report.hardware.as_deref().unwrap_or("not measured")) " (" (report.engine) ") · " (report.model)
                " · " (report.cells.len()) " cells: " (measured) " measured, " (failed) " failed, " (not_run) " not run" }
            ul { @for sentence in &analysis.recommendations { li { (sentence) } } }
            div class="charts" { @for chart in &charts { (chart.figure()) } }
            p { a href=(data_link(&perf_model::sweep::csv::csv(report))) download=(format!("{}.csv", report.name)) { "Every cell as CSV" } }
        }
    }
}

/// Every cell by latency and throughput, those that no other beats in both joined by a line.
fn front(report: &SweepReport, analysis: &Analysis) -> Option<Chart> {
    let [throughput, latency] = report.front_figures()?;
    let at = |cell: usize| {
        let cell = report.cells.get(cell)?;
        Some((cell.value(latency)?, cell.value(throughput)?))
    };
    let points: Vec<(usize, (f64, f64))> =
        (0..report.cells.len()).filter_map(|cell| Some((cell, at(cell)?))).collect();
    let x = Scale::log(points.iter().map(|(_, point)| point.0), LEFT, RIGHT)?;
    let y = Scale::from_zero(points.iter().map(|(_, point)| point.1), BOTTOM, TOP)?;
    let mut csv = format!("cell,{},{},on_front\n", latency.metric, throughput.metric);
    for (cell, (latency, throughput)) in &points {
        let is_on = analysis.front.contains(cell);
        let _ = writeln!(
            csv,
            "\"{}\",{latency},{throughput},{is_on}",
            report.label(*cell).replace('"', "\"\"")
        );
    }
    let mut best: Vec<(f64, f64)> = analysis
        .front
        .iter()
        .filter_map(|cell| at(*cell))
        .map(|point| (x.at(point.0), y.at(point.1)))
        .collect();
    best.sort_by(|one, other| one.0.total_cmp(&other.0));
    let body = html! {
        (left_axis(&y, &format!("{throughput} [{}]", throughput.unit())))
        (bottom_axis(&x, BOTTOM, TOP, &format!("{latency} [{}]", latency.unit())))
        path class="line now" d=(path(&best, false)) {}
        @for (cell, (latency, throughput)) in &points {
            @let class = if analysis.front.contains(cell) { "now" } else { "base" };
            circle class=(class) cx=(place(x.at(*latency))) cy=(place(y.at(*throughput))) r="4" { title { (report.label(*cell)) } }
        }
    };
    Some(Chart {
        title: format!("{}: throughput against latency", report.name),
        says: format!(
            "{} of {} cells are on the Pareto front.",
            analysis.front.len(),
            points.len()
        ),
        height: 222.0,
        body,
        legend: vec![
            ("now", "on the Pareto front".to_owned()),
            ("base", "beaten in both".to_owned()),
        ],
        csv,
    })
}

/// Throughput over the strength of the load, a line for each server.
fn along_load(report: &SweepReport) -> Option<Chart> {
    let [throughput, _] = report.front_figures()?;
    let axis = report
        .axes
        .iter()
        .position(|axis| matches!(axis.setting, Setting::Concurrency | Setting::Rate))?;
    let strength = |cell: usize| report.cells[cell].values.get(axis)?.parse::<f64>().ok();
    let value = |cell: usize, figure: Figure| report.cells[cell].value(figure);
    let lines: Vec<Vec<(usize, f64, f64)>> = rows(&report.axes, axis, &report.cells)
        .into_iter()
        .map(|row| {
            row.into_iter()
                .filter_map(|cell| Some((cell, strength(cell)?, value(cell, throughput)?)))
                .collect::<Vec<_>>()
        })
        .filter(|line| line.len() > 1)
        .collect();
    let x = Scale::from_zero(lines.iter().flatten().map(|point| point.1), LEFT, RIGHT)?;
    let y = Scale::from_zero(lines.iter().flatten().map(|point| point.2), BOTTOM, TOP)?;
    let mut csv = format!("server,{},{}\n", report.axes[axis].setting, throughput.metric);
    for (cell, strength, value) in lines.iter().flatten() {
        let _ = writeln!(
            csv,
            "\"{}\",{strength},{value}",
            report.label_without(*cell, axis).replace('"', "\"\"")
        );
    }
    let ends = lines.iter().filter_map(|line| {
        let (cell, _, value) = line.last()?;
        Some((y.at(*value) - 5.0, report.label_without(*cell, axis)))
    });
    let names = if lines.len() > NAMED { Vec::new() } else { apart(ends.collect()) };
    let body = html! {
        (left_axis(&y, &format!("{throughput} [{}]", throughput.unit())))
        (bottom_axis(&x, BOTTOM, TOP, &report.axes[axis].setting.to_string()))
        @for line in &lines {
            @let points: Vec<(f64, f64)> = line.iter().map(|point| (x.at(point.1), y.at(point.2))).collect();
            path class="line now thin" d=(path(&points, false)) { title { (report.label_without(line[0].0, axis)) } }
            @for (at, up) in &points { circle class="now" cx=(place(*at)) cy=(place(*up)) r="2.5" {} }
        }
        @for (up, name) in names {
            text class="tick" x=(place(RIGHT)) y=(place(up)) text-anchor="end" { (name) }
        }
    };
    Some(Chart {
        title: format!("{}: throughput over {}", report.name, report.axes[axis].setting),
        says: format!("{} servers.", lines.len()),
        height: 222.0,
        body,
        legend: vec![("now", "a server".to_owned())],
        csv,
    })
}

/// Names with their places, from the top down, moved apart so that none covers another.
fn apart(mut names: Vec<(f64, String)>) -> Vec<(f64, String)> {
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut last = TOP - NAME;
    for (up, _) in &mut names {
        *up = up.max(last + NAME);
        last = *up;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_one_place_stand_below_each_other() {
        let names = ["a", "b", "c"].map(|name| (50.0, name.to_owned())).to_vec();
        let ups: Vec<f64> = apart(names).into_iter().map(|(up, _)| up).collect();
        assert!(ups.windows(2).all(|pair| pair[1] - pair[0] >= NAME), "{ups:?}");
    }
}
