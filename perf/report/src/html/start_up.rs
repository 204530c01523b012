//! What the start of a server spent its time on, phase after phase: [`start_up`].

use std::fmt::Write;

use maud::html;
use perf_model::record::start_up::StartUp;

use super::chart::{Chart, RIGHT, bottom_axis};
use super::data::LoadShape;
use super::scale::{Scale, place};

const LEFT: f64 = 110.0;
const TOP: f64 = 8.0;
const STEP: f64 = 17.0;

/// The phases of the first engine start whose log tells them. None where no log does.
pub(super) fn start_up(shape: &LoadShape) -> Option<Chart> {
    let (start, first) =
        shape.start_ups.iter().find(|(_, start_up)| start_up.phases().next().is_some())?;
    let bars = bars(first);
    let bottom = TOP + STEP * bars.len() as f64;
    let x = Scale::from_zero(bars.iter().map(|(_, _, to)| *to), LEFT, RIGHT)?;
    let mut csv = "start,phase,from_s,to_s\n".to_owned();
    for (start, start_up) in &shape.start_ups {
        for (name, from, to) in self::bars(start_up) {
            let _ = writeln!(csv, "{start},{name},{from:.3},{to:.3}");
        }
    }
    let body = html! {
        (bottom_axis(&x, bottom, TOP, "time [s]"))
        @for (at, (name, from, to)) in bars.iter().enumerate() {
            text class="tick" x=(place(LEFT - 5.0)) y=(place(TOP + STEP * at as f64 + 12.0)) text-anchor="end" { (name) }
            rect class="bar" x=(place(x.at(*from))) y=(place(TOP + STEP * at as f64 + 3.0))
                width=(place((x.at(*to) - x.at(*from)).max(1.0))) height=(place(STEP - 6.0)) {
                title { (name) ": " (format!("{:.1} s", to - from)) }
            }
        }
    };
    Some(Chart {
        title: format!("Start-up of engine start {start}"),
        says: format!("{first}."),
        height: bottom + 32.0,
        body,
        legend: Vec::new(),
        csv,
    })
}

/// Each phase with its begin and end, in seconds; at last what no phase explains.
fn bars(start_up: &StartUp) -> Vec<(String, f64, f64)> {
    let mut at = 0.0;
    let mut bars = Vec::new();
    let remainder = start_up.remainder_s().map(|seconds| ("not explained".to_owned(), seconds));
    let phases = start_up
        .phases()
        .map(|(phase, seconds)| (phase.label().trim_start_matches("start: ").to_owned(), seconds));
    for (name, seconds) in phases.chain(remainder).filter(|(_, seconds)| *seconds > 0.0) {
        bars.push((name, at, at + seconds));
        at += seconds;
    }
    bars
}
