//! How figures are written, the same in every format for people.

use perf_model::judge::report::{GuardRow, Row};
use perf_model::spec::metric::Direction;

/// A number with as many digits as a reader compares.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => format!("{value:.0}"),
        large if large >= 100.0 => format!("{value:.1}"),
        large if large >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A figure, or a dash where there is none.
pub(crate) fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

/// A figure, marked where it is an estimate.
pub(crate) fn marked(value: Option<f64>, is_estimated: bool) -> String {
    match value {
        Some(value) if is_estimated => format!("≈{}", number(value)),
        other => optional(other),
    }
}

/// A relative change in percent.
pub(crate) fn percent_of(change: f64) -> String {
    format!("{:+.1} %", change * 100.0)
}

/// The 95 % confidence interval of a change.
pub(crate) fn interval((low, high): (f64, f64)) -> String {
    format!("{:+.1} to {:+.1} %", low * 100.0, high * 100.0)
}

/// The change with its confidence interval, in words.
pub(crate) fn change_and_interval(row: &Row) -> String {
    let Some(change) = row.change else { return "–".to_owned() };
    match row.guard.as_ref().and_then(|guard| guard.judgement.interval) {
        Some(between) => format!("{} ({})", percent_of(change), interval(between)),
        None => percent_of(change),
    }
}

/// The limit of a guard with the width of its band: `≥ 1619 (−2.5 %)`.
pub(crate) fn limit(row: &Row, guard: &GuardRow) -> String {
    let (sign, side) = match row.metric.direction() {
        Direction::HigherIsBetter => ("≥", "-"),
        Direction::LowerIsBetter => ("≤", "+"),
    };
    match guard.limit {
        Some(limit) => {
            let width = guard.judgement.band.unwrap_or(guard.slack);
            let mark = if guard.is_noise_limited() { "~" } else { "" };
            format!("{sign} {} ({side}{mark}{:.1} %)", number(limit), width.value())
        }
        None => format!("{side}{}", guard.slack),
    }
}
