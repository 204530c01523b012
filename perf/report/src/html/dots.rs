//! Every engine start of a guarded figure as a dot, above those of the baseline and the band:
//! [`dots`].

use std::fmt::Write;

use maud::html;
use perf_model::judge::report::{GuardRow, Row};
use perf_model::spec::metric::Direction;

use super::chart::{Chart, LEFT, RIGHT, bottom_axis};
use super::scale::{Scale, place};
use crate::figure::{change_and_interval, number, optional};

const NOW: f64 = 26.0;
const BASE: f64 = 54.0;
const AXIS: f64 = 74.0;

/// The dots of a guard. None where nothing was measured.
pub(super) fn dots(row: &Row, guard: &GuardRow, base_name: &str) -> Option<Chart> {
    if row.starts.is_empty() {
        return None;
    }
    let limit = guard.limit.filter(|_| row.baseline.is_some());
    let values = row.starts.iter().chain(&row.baseline_starts).copied();
    let x = Scale::around(values.chain(limit).chain(row.baseline), LEFT + 14.0, RIGHT)?;
    let (left, right) = x.ends();
    // What lies beyond the limit is a loss.
    let beyond = limit.map(|limit| match row.metric.direction() {
        Direction::HigherIsBetter => (left, x.at(limit)),
        Direction::LowerIsBetter => (x.at(limit), right),
    });
    let mut csv = "side,start,value\n".to_owned();
    for (side, starts) in [("measured", &row.starts), (base_name, &row.baseline_starts)] {
        for (at, value) in starts.iter().enumerate() {
            let _ = writeln!(csv, "{side},{},{value}", at + 1);
        }
    }
    let body = html! {
        @if let Some((from, to)) = beyond {
            rect class="beyond" x=(place(from)) y="8" width=(place(to - from)) height=(place(AXIS - 8.0)) {}
        }
        (bottom_axis(&x, AXIS, 8.0, &format!("{} [{}]", row.metric.label(), row.metric.unit())))
        @if let Some(limit) = limit {
            line class="limit" x1=(place(x.at(limit))) x2=(place(x.at(limit))) y1="8" y2=(place(AXIS)) {}
        }
        @if let Some(middle) = row.baseline {
            line class="middle" x1=(place(x.at(middle))) x2=(place(x.at(middle))) y1="40" y2=(place(AXIS)) {}
        }
        text class="tick" x="2" y=(place(NOW + 4.0)) { "measured" }
        text class="tick" x="2" y=(place(BASE + 4.0)) { (base_name) }
        @for value in &row.starts {
            circle class="now" cx=(place(x.at(*value))) cy=(place(NOW)) r="4.5" { title { (number(*value)) } }
        }
        @for value in &row.baseline_starts {
            circle class="base" cx=(place(x.at(*value))) cy=(place(BASE)) r="4" { title { (number(*value)) } }
        }
    };
    let mut legend = vec![("now", "an engine start".to_owned())];
    if !row.baseline_starts.is_empty() {
        legend.push(("base", format!("one of the {base_name}")));
    }
    if let Some(limit) = limit {
        legend.push(("limit", format!("limit {}", number(limit))));
    }
    Some(Chart {
        title: format!("{} by engine start", row.metric.label()),
        says: format!(
            "Measured {} {} in the middle of {} starts, {base_name} {}, change {}, verdict {}.",
            optional(row.measured),
            row.metric.unit(),
            row.starts.len(),
            optional(row.baseline),
            change_and_interval(row),
            guard.judgement.verdict,
        ),
        height: 106.0,
        body,
        legend,
        csv,
    })
}
