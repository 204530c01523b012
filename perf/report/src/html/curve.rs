//! Throughput against latency, of the loads of a suite that differ in their requests in flight:
//! [`curves`].

use std::fmt::Write;

use maud::{Markup, html};
use perf_model::judge::report::{LoadReport, SuiteReport};
use perf_model::spec::metric::{Metric, Quantity, Statistic};

use super::chart::{Chart, LEFT, RIGHT, bottom_axis, left_axis, path};
use super::scale::{Scale, place};

const TOP: f64 = 18.0;
const BOTTOM: f64 = 190.0;

/// A curve for each suite that has one.
pub(super) fn curves(reports: &[SuiteReport]) -> Markup {
    let curves: Vec<Chart> = reports.iter().filter_map(curve).collect();
    html! {
        @if !curves.is_empty() {
            section aria-labelledby="curves" {
                h2 id="curves" { "Throughput and latency" }
                div class="charts" { @for chart in &curves { (chart.figure()) } }
            }
        }
    }
}

fn curve(report: &SuiteReport) -> Option<Chart> {
    let workload = &report.loads.first()?.workload;
    let throughput = Metric::whole_server(Quantity::OutputThroughput)?;
    let value = |load: &LoadReport, metric: Metric| {
        load.rows.iter().find(|row| row.metric == metric)?.measured
    };
    let loads = || report.loads.iter().filter(|load| load.workload == *workload);
    let latency = [Quantity::Ttft, Quantity::E2e]
        .into_iter()
        .filter_map(|quantity| Metric::of(quantity, Statistic::P50))
        .find(|metric| loads().filter(|load| value(load, *metric).is_some()).count() >= 3)?;
    let mut points: Vec<(u32, f64, f64)> = loads()
        .filter_map(|load| Some((load.in_flight?, value(load, latency)?, value(load, throughput)?)))
        .collect();
    points.sort_by_key(|point| point.0);
    points.dedup_by_key(|point| point.0);
    if points.len() < 3 {
        return None;
    }
    let x = Scale::log(points.iter().map(|point| point.1), LEFT, RIGHT)?;
    let y = Scale::from_zero(points.iter().map(|point| point.2), BOTTOM, TOP)?;
    let mut csv = format!("in_flight,{latency},{throughput}\n");
    for (in_flight, latency, throughput) in &points {
        let _ = writeln!(csv, "{in_flight},{latency},{throughput}");
    }
    let line: Vec<(f64, f64)> = points.iter().map(|point| (x.at(point.1), y.at(point.2))).collect();
    let body = html! {
        (left_axis(&y, "output throughput [tok/s]"))
        (bottom_axis(&x, BOTTOM, TOP, &format!("{} [{}]", latency.label(), latency.unit())))
        path class="line now" d=(path(&line, false)) {}
        @for (in_flight, latency, throughput) in &points {
            circle class="now" cx=(place(x.at(*latency))) cy=(place(y.at(*throughput))) r="4" {}
            text class="tick" x=(place(x.at(*latency) + 6.0)) y=(place(y.at(*throughput) + 12.0)) { (in_flight) }
        }
    };
    Some(Chart {
        title: format!("{}: throughput against latency", report.suite),
        says: format!(
            "{} loads, from {} to {} requests in flight.",
            points.len(),
            points[0].0,
            points[points.len() - 1].0
        ),
        height: 222.0,
        body,
        legend: vec![("now", "a load, with its requests in flight".to_owned())],
        csv,
    })
}
