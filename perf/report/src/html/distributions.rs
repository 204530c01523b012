//! The latencies of a load: cumulative distributions, and a histogram of the gaps between tokens.
//! Main function: [`distributions`].

use std::fmt::Write;

use maud::html;
use perf_model::analysis::distribution::{Bin, Distribution};
use perf_model::judge::report::LoadReport;
use perf_model::spec::metric::{Quantity, Statistic};

use super::chart::{Chart, LEFT, RIGHT, bottom_axis, left_axis, path, thinned};
use super::data::LoadShape;
use super::scale::{Scale, place};
use crate::figure::number;

const TOP: f64 = 18.0;
const BOTTOM: f64 = 160.0;

/// The most bars of a histogram.
const BARS: f64 = 80.0;

/// The most points of a curve.
const POINTS: usize = 100;

/// A chart for each latency that has values.
pub(super) fn distributions(load: &LoadReport, shape: &LoadShape, base_name: &str) -> Vec<Chart> {
    let mut charts: Vec<Chart> = [Quantity::Ttft, Quantity::Tpot, Quantity::E2e]
        .into_iter()
        .filter_map(|quantity| cumulative(load, shape, quantity, base_name))
        .collect();
    charts.extend(gaps(load, shape, base_name));
    charts
}

/// The baseline's figures of a quantity, whose samples are not at hand.
fn figures_of_baseline(load: &LoadReport, quantity: Quantity) -> Vec<(Statistic, f64)> {
    let rows = load.rows.iter().filter(|row| row.metric.quantity() == quantity);
    rows.filter_map(|row| Some((row.metric.statistic()?, row.baseline?))).collect()
}

fn cumulative(
    load: &LoadReport,
    shape: &LoadShape,
    quantity: Quantity,
    base_name: &str,
) -> Option<Chart> {
    let now = shape.now.latency(quantity)?;
    let base = shape.base.as_ref().and_then(|base| base.latency(quantity));
    let figures = figures_of_baseline(load, quantity);
    let curves: Vec<(&str, &Distribution)> = [("now", Some(now)), ("base", base)]
        .into_iter()
        .filter_map(|(side, it)| Some((side, it?)))
        .collect();
    let values =
        curves.iter().flat_map(|(_, curve)| curve.bins().flat_map(|bin| [bin.from, bin.to]));
    let x = Scale::log(values.chain(figures.iter().map(|(_, value)| *value)), LEFT, RIGHT)?;
    let y = Scale::from_zero([100.0 / 1.05], BOTTOM, TOP)?;
    let mut csv = "side,up_to_ms,share\n".to_owned();
    let mut lines = Vec::new();
    for (side, curve) in &curves {
        let points = thinned(&curve.cumulative(), POINTS);
        for (value, share) in &points {
            let _ = writeln!(csv, "{side},{value:.4},{share:.5}");
        }
        let start = curve.bins().next().map(|bin| (x.at(bin.from), y.at(0.0)));
        let rest = points.iter().map(|(value, share)| (x.at(*value), y.at(share * 100.0)));
        lines.push((*side, path(&start.into_iter().chain(rest).collect::<Vec<_>>(), false)));
    }
    for (statistic, value) in &figures {
        let _ = writeln!(csv, "{base_name} {},{value},", statistic.label());
    }
    let label = quantity.label();
    let body = html! {
        (left_axis(&y, "requests [%]"))
        (bottom_axis(&x, BOTTOM, TOP, &format!("{label} [ms]")))
        @for (statistic, value) in &figures {
            line class="middle" x1=(place(x.at(*value))) x2=(place(x.at(*value))) y1=(place(TOP)) y2=(place(BOTTOM)) {
                title { (base_name) " " (statistic.label()) " " (number(*value)) " ms" }
            }
        }
        @for (side, line) in lines.iter().rev() { path class=(format!("line {side}")) d=(line) {} }
    };
    let mut legend = vec![("now", format!("measured, {} requests", now.total()))];
    legend.extend(base.map(|base| ("base", format!("base, {} requests", base.total()))));
    if !figures.is_empty() {
        let names: Vec<&str> = figures.iter().map(|(statistic, _)| statistic.label()).collect();
        legend.push(("middle", format!("{base_name}: {}", names.join(", "))));
    }
    Some(Chart {
        title: format!("{label}, cumulative"),
        says: said(now),
        height: 192.0,
        body,
        legend,
        csv,
    })
}

/// The bins of a histogram: several of the distribution's in one, so that there are at most [`BARS`].
fn joined(distribution: &Distribution) -> Vec<Bin> {
    let bins: Vec<Bin> = distribution.bins().collect();
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else { return Vec::new() };
    let width = (last.to / first.from).ln() / BARS;
    let mut joined: Vec<Bin> = Vec::new();
    for bin in bins {
        match joined.last_mut() {
            Some(before) if (bin.to / before.from).ln() <= width * 1.001 => {
                before.to = bin.to;
                before.count += bin.count;
            }
            _ => joined.push(bin),
        }
    }
    joined
}

fn said(distribution: &Distribution) -> String {
    let at = |share: f64| distribution.quantile(share).map(number).unwrap_or_default();
    format!("Half are below {} ms, 99 % below {} ms.", at(0.5), at(0.99))
}

fn gaps(load: &LoadReport, shape: &LoadShape, base_name: &str) -> Option<Chart> {
    let now = shape.now.latency(Quantity::Itl)?;
    let figures = figures_of_baseline(load, Quantity::Itl);
    let values = now.bins().flat_map(|bin| [bin.from, bin.to]);
    let x = Scale::log(values.chain(figures.iter().map(|(_, value)| *value)), LEFT, RIGHT)?;
    let percent = |count: u64| count as f64 / now.total() as f64 * 100.0;
    let bins = joined(now);
    let y = Scale::from_zero(bins.iter().map(|bin| percent(bin.count)), BOTTOM, TOP)?;
    let mut csv = "from_ms,to_ms,tokens\n".to_owned();
    for bin in &bins {
        let _ = writeln!(csv, "{:.4},{:.4},{}", bin.from, bin.to, bin.count);
    }
    let body = html! {
        (left_axis(&y, "tokens [%]"))
        (bottom_axis(&x, BOTTOM, TOP, "gap between tokens [ms]"))
        @for bin in &bins {
            rect class="bar" x=(place(x.at(bin.from))) y=(place(y.at(percent(bin.count))))
                width=(place((x.at(bin.to) - x.at(bin.from)).max(0.8)))
                height=(place(BOTTOM - y.at(percent(bin.count)))) {}
        }
        @for (statistic, value) in &figures {
            line class="middle" x1=(place(x.at(*value))) x2=(place(x.at(*value))) y1=(place(TOP)) y2=(place(BOTTOM)) {
                title { (base_name) " " (statistic.label()) " " (number(*value)) " ms" }
            }
        }
    };
    let mut legend = vec![("now", format!("measured, {} gaps", now.total()))];
    if !figures.is_empty() {
        let names: Vec<&str> = figures.iter().map(|(statistic, _)| statistic.label()).collect();
        legend.push(("middle", format!("{base_name}: {}", names.join(", "))));
    }
    Some(Chart {
        title: "ITL, histogram".to_owned(),
        says: said(now),
        height: 192.0,
        body,
        legend,
        csv,
    })
}
