//! Guarded figures over time as one page: [`history`].

use std::fmt::Write;

use maud::{DOCTYPE, Markup, html};
use perf_model::judge::history::{History, Point, Source};
use perf_model::record::day::Day;

use super::chart::{Chart, LEFT, RIGHT, left_axis, path};
use super::head;
use super::scale::{Scale, place};
use super::summary::badge;
use crate::figure::{number, percent_of};

/// Where the drawing begins and ends.
const TOP: f64 = 20.0;
const BOTTOM: f64 = 150.0;

/// The page of these histories. It loads nothing and runs nothing.
pub fn history(histories: &[History]) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            (head("History of the baselines"))
            body {
                header class="top" {
                    h1 { "History of the baselines" }
                    p class="facts" { (histories.len()) " guarded figures, over the accepted baselines and the runs of this checkout" }
                }
                main { @for history in histories { (guard(history)) } }
                footer { p { code { "cargo xtask perf history" } " makes this page." } }
            }
        }
    };
    markup.into_string()
}

fn guard(history: &History) -> Markup {
    let name = format!("{} / {}", history.suite, history.load);
    let figure = format!("{} [{}]", history.metric.label(), history.metric.unit());
    html! {
        section {
            h2 { (name) ": " (figure) }
            p class="facts" { (history.baseline_file)
                @if let Some(anchor) = &history.anchor {
                    " · anchor " (number(anchor.value)) " (" (anchor.reason) "), the baseline is "
                    (percent_of(anchor.change)) " from it"
                }
            }
            div class="charts" { @if let Some(chart) = chart(history) { (chart.figure()) } }
            @for shift in &history.change_points {
                @if let Some(point) = history.points.get(shift.point) {
                    p { "Change point at " (from(point)) ": " (number(shift.before)) " → " (number(shift.after))
                        " (" (percent_of(shift.change)) "), p " (format!("{:.2e}", shift.p)) }
                }
            }
            details {
                summary { (history.points.len()) " points" }
                div class="scroll" tabindex="0" role="region"
                    aria-label=(format!("Points of {} / {}, {}", history.suite, history.load, history.metric.label())) { table {
                    thead { tr {
                        th scope="col" { "Day" } th scope="col" { "From" } th scope="col" { "Value" } th scope="col" { "Step" }
                        th scope="col" { "What" }
                    } }
                    tbody { @for point in history.points.iter().rev() { (row(point)) } }
                } }
            }
        }
    }
}

fn row(point: &Point) -> Markup {
    html! {
        tr {
            td { (Day::of_unix_s(point.at_unix_s)) }
            td { (from(point)) }
            td class="number" { (number(point.value)) }
            td class="number" { (point.step.map(percent_of).unwrap_or_default()) }
            td {
                @match &point.source {
                    Source::Baseline { subject, .. } => (subject),
                    Source::Run { verdict, .. } => (badge(*verdict)),
                }
            }
        }
    }
}

/// Where a point is from.
fn from(point: &Point) -> String {
    match &point.source {
        Source::Baseline { commit: Some(commit), .. } => commit.chars().take(12).collect(),
        Source::Baseline { commit: None, .. } => "not committed".to_owned(),
        Source::Run { name, .. } => format!("run {name}"),
    }
}

/// Every point at its place in the order, the levels between change points, and the anchor.
fn chart(history: &History) -> Option<Chart> {
    let points = &history.points;
    let anchor = history.anchor.as_ref().map(|anchor| anchor.value);
    let values = points.iter().map(|point| point.value).chain(anchor);
    let y = Scale::around(values, BOTTOM, TOP)?;
    let last = points.len().saturating_sub(1) as f64;
    let x = Scale::around([0.0, last], LEFT + 8.0, RIGHT - 8.0)?;
    let at = |place: usize| x.at(place as f64);
    let levels: Vec<(usize, usize, f64)> = levels(history);
    let mut csv = "point,from,value\n".to_owned();
    for (number, point) in points.iter().enumerate() {
        let _ = writeln!(csv, "{},{},{}", number + 1, from(point), point.value);
    }
    let body = html! {
        (left_axis(&y, &format!("{} [{}]", history.metric.label(), history.metric.unit())))
        @if let Some(anchor) = anchor {
            line class="middle" x1=(place(LEFT)) x2=(place(RIGHT)) y1=(place(y.at(anchor))) y2=(place(y.at(anchor))) {}
        }
        @for shift in &history.change_points {
            @let x = at(shift.point) - 0.5 * (at(1) - at(0));
            line class="limit" x1=(place(x)) x2=(place(x)) y1=(place(TOP)) y2=(place(BOTTOM)) {}
        }
        @for (from, to, level) in &levels {
            path class="line now thin" d=(path(&[(at(*from), y.at(*level)), (at(*to), y.at(*level))], false)) {}
        }
        @for (number, point) in points.iter().enumerate() {
            @let class = if matches!(point.source, Source::Run { .. }) { "now" } else { "base" };
            circle class=(class) cx=(place(at(number))) cy=(place(y.at(point.value))) r="3.5" {
                title { (from(point)) " " (crate::figure::number(point.value)) }
            }
        }
        line class="axis" x1=(place(LEFT)) x2=(place(RIGHT)) y1=(place(BOTTOM)) y2=(place(BOTTOM)) {}
        text class="name" x=(place(RIGHT)) y=(place(BOTTOM + 14.0)) text-anchor="end" { "older to newer" }
    };
    let mut legend =
        vec![("base", "a session of an accepted baseline".to_owned()), ("now", "a run".to_owned())];
    legend.extend(anchor.map(|anchor| ("middle", format!("anchor {}", number(anchor)))));
    if !history.change_points.is_empty() {
        legend.push(("limit", "change point".to_owned()));
    }
    Some(Chart {
        title: format!("{} / {}, {}", history.suite, history.load, history.metric.label()),
        says: format!("{} points, {} change points.", points.len(), history.change_points.len()),
        height: BOTTOM + 22.0,
        body,
        legend,
        csv,
    })
}

/// The levels between the change points: first and last point, and the value.
fn levels(history: &History) -> Vec<(usize, usize, f64)> {
    let shifts = &history.change_points;
    let Some(first) = shifts.first() else { return Vec::new() };
    let mut levels = vec![(0, first.point.saturating_sub(1), first.before)];
    for (at, shift) in shifts.iter().enumerate() {
        let end = shifts.get(at + 1).map_or(history.points.len(), |next| next.point);
        levels.push((shift.point, end.saturating_sub(1), shift.after));
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_page_draws_every_point_once_and_escapes_what_commits_say() {
        let page = history(&[testing::history()]);
        let shown = testing::history();
        assert_eq!(page.matches("<circle").count(), shown.points.len());
        assert!(page.contains("Refresh the &lt;baselines&gt;"), "{page}");
        assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("NaN"));
        assert_eq!(page.matches("class=\"limit\"").count(), 1);
        let mut one = shown;
        one.points.truncate(1);
        one.change_points.clear();
        assert!(!history(&[one]).contains("NaN"));
    }
}
