//! The course of a run over one time axis: requests in flight, tokens per second, use of the KV cache, and
//! what the GPUs did. Main function: [`timeline`].

use std::fmt::Write;

use maud::{Markup, html};
use perf_model::analysis::gpu_course::GpuMoment;

use super::chart::{Chart, LEFT, RIGHT, bottom_axis, left_axis, path, thinned};
use super::data::LoadShape;
use super::scale::{Scale, place};
use crate::figure::number;

const TOP: f64 = 18.0;
const BOTTOM: f64 = 120.0;

/// The most samples of the KV cache that are drawn.
const MOST: usize = 60;

/// A course: its name, its unit, and its value at each time in seconds.
struct Course {
    title: &'static str,
    unit: &'static str,
    values: Vec<(f64, Option<f64>)>,
    is_stairs: bool,
    /// The times in which something held the GPUs back, by the class of its colour.
    spans: Vec<(&'static str, f64, f64)>,
    /// What each colour means.
    legend: Vec<(&'static str, String)>,
}

/// The charts of the first engine start, all over the same time; none of what was not measured.
pub(super) fn timeline(shape: &LoadShape) -> Vec<Chart> {
    let length_s = shape.now.timeline.length_s();
    let Some(x) = Scale::from_zero([length_s], LEFT, RIGHT) else { return Vec::new() };
    let moments = shape.now.timeline.moments();
    let plain = |title, unit, values| Course {
        title,
        unit,
        values,
        is_stairs: true,
        spans: Vec::new(),
        legend: Vec::new(),
    };
    let in_flight = moments.iter().map(|moment| (moment.at_s, Some(moment.in_flight))).collect();
    let tokens = moments.iter().map(|moment| (moment.at_s, Some(moment.tokens_per_s))).collect();
    let kv_use = shape.now.kv_use.iter();
    let kv_use = kv_use.map(|one| (one.at_us as f64 / 1e6, Some(one.used_ppm as f64 / 1e4)));
    let kv_use: Vec<(f64, Option<f64>)> = kv_use.collect();
    let mut courses = vec![
        plain("Requests in flight", "in flight", in_flight),
        plain("Output tokens per second", "tok/s", tokens),
        Course {
            is_stairs: false,
            ..plain("KV cache in use", "% of the cache", thinned(&kv_use, MOST))
        },
    ];
    courses.extend(gpus(&shape.now.gpus.moments(length_s), length_s));
    courses.iter().filter_map(|course| one(&x, course)).collect()
}

/// What the GPUs did.
fn gpus(moments: &[GpuMoment], length_s: f64) -> [Course; 3] {
    let half_s = length_s / moments.len().max(1) as f64 / 2.0;
    let mut spans: Vec<(&'static str, f64, f64)> = Vec::new();
    for moment in moments.iter().filter(|moment| moment.is_slowed || moment.is_capped) {
        let class = if moment.is_slowed { "slowed" } else { "capped" };
        let (from, to) = (moment.at_s - half_s, moment.at_s + half_s);
        // What goes on is one span.
        match spans.last_mut() {
            Some(last) if last.0 == class && last.2 > from - half_s => last.2 = to,
            _ => spans.push((class, from, to)),
        }
    }
    let known = [("slowed", "slowed down by heat or its supply"), ("capped", "at its power cap")];
    let legend = known.into_iter().filter(|(class, _)| spans.iter().any(|span| span.0 == *class));
    let legend: Vec<_> = legend.map(|(class, what)| (class, what.to_owned())).collect();
    let course = |title, unit, of: fn(&GpuMoment) -> Option<f64>| Course {
        title,
        unit,
        values: moments.iter().map(|moment| (moment.at_s, of(moment))).collect(),
        is_stairs: false,
        spans: Vec::new(),
        legend: Vec::new(),
    };
    let clock = course("SM clock, the slowest GPU", "MHz", |moment| moment.sm_mhz);
    [
        course("GPU power, all together", "W", |moment| moment.power_w),
        Course { spans, legend, ..clock },
        course("GPU utilisation, mean", "%", |moment| moment.busy_percent),
    ]
}

fn one(x: &Scale, course: &Course) -> Option<Chart> {
    let known = || course.values.iter().filter_map(|(_, value)| *value);
    let most = known().fold(0.0, f64::max);
    // A GPU that computed nothing is a line at zero, and no value is no chart.
    known().next()?;
    let y = Scale::from_zero([most.max(1e-9)], BOTTOM, TOP)?;
    let name: String = course.unit.replace("% of the cache", "percent").replace('%', "percent");
    let mut csv = format!("at_s,{}", name.replace(' ', "_").replace('/', "_per_"));
    let has_spans = !course.spans.is_empty();
    csv.push_str(if has_spans { ",held_back_by\n" } else { "\n" });
    for (at_s, value) in &course.values {
        let value = value.map(number).unwrap_or_default();
        let _ = write!(csv, "{},{value}", number(*at_s));
        if has_spans {
            let span = course.spans.iter().find(|(_, from, to)| (*from..*to).contains(at_s));
            let _ = write!(csv, ",{}", span.map(|span| span.0).unwrap_or_default());
        }
        csv.push('\n');
    }
    let body = html! {
        (left_axis(&y, course.unit))
        (bottom_axis(x, BOTTOM, TOP, "time [s]"))
        (spans(x, course))
        @for part in course.values.split(|(_, value)| value.is_none()).filter(|part| !part.is_empty()) {
            path class="line now" d=(path(&points(x, &y, part), course.is_stairs)) {}
        }
    };
    Some(Chart {
        title: format!("{}, first engine start", course.title),
        says: format!("At most {} {}.", number(most), course.unit),
        height: 152.0,
        body,
        legend: course.legend.clone(),
        csv,
    })
}

fn points(x: &Scale, y: &Scale, part: &[(f64, Option<f64>)]) -> Vec<(f64, f64)> {
    part.iter().filter_map(|(at_s, value)| Some((x.at(*at_s), y.at((*value)?)))).collect()
}

fn spans(x: &Scale, course: &Course) -> Markup {
    html! {
        @for (class, from, to) in &course.spans {
            rect class=(class) x=(place(x.at(*from))) y=(place(TOP)) height=(place(BOTTOM - TOP))
                width=(place((x.at(*to) - x.at(*from)).max(0.6))) {}
        }
    }
}
