//! A guarded figure over time, in 80 columns: [`history`].

use std::fmt::Write;

use perf_model::judge::history::{History, Point, Source};
use perf_model::record::day::Day;

use super::table::number;
use super::wrap::{folded, wrapped};
use crate::figure::percent_of;

/// The width of the drawing.
const WIDTH: usize = 20;

/// The most points that are drawn; the newest are.
const MOST: usize = 40;

/// A history: a line for each point, drawn between the least and the greatest value, with the anchor;
/// then where the level changed.
pub fn history(history: &History) -> String {
    let History { suite, load, metric, points, anchor, change_points, .. } = history;
    let title = format!("{suite} / {load}   {} [{}]\n", metric.label(), metric.unit());
    let mut text = folded(&title);
    text.push_str(&wrapped(&history.baseline_file, "  "));
    if let Some(level) = anchor {
        let (value, change) = (number(level.value), percent_of(level.change));
        let said = format!("anchor {value} ({}); the baseline is {change} from it", level.reason);
        text.push_str(&wrapped(&said, "  "));
    }
    let scale = Scale::around(points, anchor.as_ref().map(|level| level.value));
    let first = points.len().saturating_sub(MOST);
    if first > 0 {
        let _ = writeln!(text, "  {first} earlier points are left out here");
    }
    let ends = format!("{:<10}{:>10}", number(scale.least), number(scale.most));
    let _ = writeln!(text, "\n  {:<10}  {:<9}{:>9}{:>9}   {ends}", "day", "from", "value", "step");
    for (at, point) in points.iter().enumerate().skip(first) {
        let is_change = change_points.iter().any(|shift| shift.point == at);
        text.push_str(&line(point, is_change, anchor.as_ref().map(|level| level.value), &scale));
    }
    text.push('\n');
    for shift in change_points {
        let Some(point) = points.get(shift.point) else { continue };
        let said = format!(
            "change point at {} of {}: {} → {} ({}), p {}",
            from(point),
            Day::of_unix_s(point.at_unix_s),
            number(shift.before),
            number(shift.after),
            percent_of(shift.change),
            p_value(shift.p)
        );
        text.push_str(&wrapped(&said, "  "));
    }
    text
}

fn line(point: &Point, is_change: bool, anchor: Option<f64>, scale: &Scale) -> String {
    let mut drawn = vec![' '; WIDTH];
    if let Some(anchor) = anchor {
        drawn[scale.column(anchor)] = '¦';
    }
    let (mark, verdict) = match &point.source {
        Source::Baseline { .. } => ('o', String::new()),
        Source::Run { verdict, .. } => ('x', format!(" {verdict}")),
    };
    drawn[scale.column(point.value)] = mark;
    let drawn: String = drawn.into_iter().collect();
    let step = point.step.map(percent_of).unwrap_or_default();
    let change = if is_change { " <" } else { "" };
    let line = format!(
        "  {:<10}  {:<9}{:>9}{step:>9}  |{drawn}|{change}{verdict}",
        Day::of_unix_s(point.at_unix_s).to_string(),
        from(point),
        number(point.value),
    );
    format!("{}\n", line.trim_end())
}

/// Where a point is from, in at most nine columns.
fn from(point: &Point) -> String {
    match &point.source {
        Source::Baseline { commit: Some(commit), .. } => commit.chars().take(7).collect(),
        Source::Baseline { commit: None, .. } => "not yet".to_owned(),
        Source::Run { name, .. } => format!("run {name}").chars().take(9).collect(),
    }
}

fn p_value(p: f64) -> String {
    if p < 1e-4 { "< 0.0001".to_owned() } else { format!("{p:.4}") }
}

/// Where a value is drawn.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    fn around(points: &[Point], anchor: Option<f64>) -> Self {
        let values = points.iter().map(|point| point.value).chain(anchor);
        let (least, most) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
                (least.min(value), most.max(value))
            });
        Self { least, most }
    }

    fn column(&self, value: f64) -> usize {
        let width = self.most - self.least;
        let share = if width > 0.0 { (value - self.least) / width } else { 0.5 };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it lies between 0 and the width"
        )]
        let column = (share.clamp(0.0, 1.0) * (WIDTH - 1) as f64).round() as usize;
        column
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn steps_anchor_runs_and_change_points_are_drawn_in_80_columns() {
        let text = history(&testing::history());
        insta::assert_snapshot!(text);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn one_point_is_drawn_and_of_many_the_newest() {
        let mut one = testing::history();
        one.points.truncate(1);
        one.change_points.clear();
        one.anchor = None;
        assert_eq!(history(&one).matches('|').count(), 2);
        one.points = vec![one.points[0].clone(); 50];
        let text = history(&one);
        assert!(text.contains("10 earlier points are left out here"), "{text}");
        assert_eq!(text.matches('|').count(), 80);
    }
}
