//! The course of a run: requests in flight and tokens per second over time. Main function:
//! [`timeline`].

use std::fmt::Write;

use maud::html;
use perf_model::analysis::timeline::Moment;

use super::chart::{Chart, LEFT, RIGHT, bottom_axis, left_axis, path};
use super::data::LoadShape;
use super::scale::Scale;
use crate::figure::number;

const TOP: f64 = 18.0;
const BOTTOM: f64 = 120.0;

/// Two charts of the first engine start; none where the run has no length.
pub(super) fn timeline(shape: &LoadShape) -> Vec<Chart> {
    let moments = shape.now.timeline.moments();
    [
        one(&moments, "Requests in flight", "in flight", |moment| moment.in_flight),
        one(&moments, "Output tokens per second", "tok/s", |moment| moment.tokens_per_s),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn one(moments: &[Moment], title: &str, unit: &str, value: fn(&Moment) -> f64) -> Option<Chart> {
    let x = Scale::from_zero(moments.iter().map(|moment| moment.at_s), LEFT, RIGHT)?;
    let y = Scale::from_zero(moments.iter().map(value), BOTTOM, TOP)?;
    let mut csv = format!("at_s,{}\n", unit.replace(' ', "_").replace('/', "_per_"));
    for moment in moments {
        let _ = writeln!(csv, "{:.3},{:.2}", moment.at_s, value(moment));
    }
    let points: Vec<(f64, f64)> =
        moments.iter().map(|moment| (x.at(moment.at_s), y.at(value(moment)))).collect();
    let most = moments.iter().map(value).fold(0.0, f64::max);
    let body = html! {
        (left_axis(&y, unit))
        (bottom_axis(&x, BOTTOM, TOP, "time [s]"))
        path class="line now" d=(path(&points, true)) {}
    };
    Some(Chart {
        title: format!("{title}, first engine start"),
        says: format!("At most {} {unit}.", number(most)),
        height: 152.0,
        body,
        legend: Vec::new(),
        csv,
    })
}
