//! Reports as text for people: a table a load, and a line a suite for the end of a run. Words carry
//! the verdicts; there is no colour to lose.

mod closing;
mod columns;
mod doctor;
mod estimate;
mod figures;
mod history;
mod judged;
mod knee;
mod plan;
mod power;
mod progress;
mod published;
mod search;
mod sweep;
mod sweep_page;
mod table;
#[cfg(test)]
mod tests;
mod wrap;

use std::fmt::Write;

use perf_model::judge::report::{GuardRow, LoadReport, Row, SuiteReport};
use perf_model::judge::verdict::Verdict;
use perf_model::record::finding::Finding;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::metric::Direction;
use perf_model::spec::tier::Tier;

pub use closing::{advice, closing, overview};
pub use doctor::{Check, Severity, doctor};
pub use estimate::{Cost, SuiteCost, estimate};
pub use figures::figures;
pub use history::history;
pub use judged::judged;
pub use plan::plan;
pub use power::power;
pub use progress::{Moment, progress, span};
pub use published::{FieldReport, published};
pub use search::search;
pub use sweep::sweep;
pub use sweep_page::sweep_page;
use table::{align_right, marked, narrow_first, number, plain, shorten, trimmed};
pub use wrap::folded;
use wrap::wrapped;

/// A whole suite: its loads, one table each, or why there is none.
pub fn suite(report: &SuiteReport) -> String {
    let mut text = remark(report);
    for load in &report.loads {
        text.push_str(&self::load(load));
        text.push('\n');
    }
    text.push_str(&knee_of(report));
    text
}

/// A suite while its run goes on: a line for each load that passed, then those that did not, whole.
pub fn brief(report: &SuiteReport) -> String {
    let mut text = remark(report);
    let (passed, failed): (Vec<&LoadReport>, Vec<&LoadReport>) =
        report.loads.iter().partition(|load| load.verdict.is_pass());
    for load in passed {
        let guards = load.guards().count();
        let plural = if guards == 1 { "" } else { "s" };
        let line = format!(
            "{} / {}   {}   {guards} guard{plural}, {}",
            load.suite,
            load.load,
            verdict(load),
            starts(load.starts)
        );
        let _ = writeln!(text, "{}", folded(&line));
    }
    for load in failed {
        text.push('\n');
        text.push_str(&self::load(load));
    }
    text.push_str(&knee_of(report));
    text
}

fn remark(report: &SuiteReport) -> String {
    let Some(remark) = &report.remark else { return String::new() };
    let mut text = String::new();
    // A remark may hold the last lines of a log, each of which stays a line.
    let mut lines = remark.lines();
    let first = lines.next().unwrap_or_default();
    paragraph(&mut text, "", &format!("{}: {}: {first}", report.suite, report.verdict));
    for line in lines {
        let _ = writeln!(text, "{}", folded(line));
    }
    text
}

fn knee_of(report: &SuiteReport) -> String {
    knee::knee(&report.loads).map(|knee| wrapped(&knee, "") + "\n").unwrap_or_default()
}

fn paragraph(text: &mut String, indent: &str, line: &str) {
    text.push_str(&wrapped(line, indent));
}

/// One load: what it was, its table, and everything that a reader of its verdict needs.
pub fn load(report: &LoadReport) -> String {
    let mut text = String::new();
    let title = format!("{} / {}   {}", report.suite, report.load, verdict(report));
    let _ = writeln!(text, "{}", folded(&title));
    let ran = format!("{} · {} · {}", hardware(report), starts(report.starts), report.arrivals);
    paragraph(&mut text, "  ", &ran);
    paragraph(&mut text, "  ", &shorten(&report.workload));
    text.push('\n');
    text.push_str(&guards_and_figures(report));
    text.push('\n');
    for row in &report.rows {
        let Some(guard) = &row.guard else { continue };
        let label = row.metric.label();
        if !guard.judgement.verdict.is_pass() {
            let starts: Vec<String> = row.starts.iter().copied().map(number).collect();
            let starts = format!("{label} by start: {} {}", starts.join(", "), row.metric.unit());
            paragraph(&mut text, "  ", &starts);
        }
        if let Some(reason) = &guard.judgement.reason {
            paragraph(&mut text, "  ", &format!("{label}: {reason}"));
        }
    }
    let mut lines = |title: &str, lines: Vec<String>| {
        for line in lines {
            paragraph(&mut text, "  ", &format!("{title}{line}"));
        }
    };
    lines("invalid: ", report.faults.iter().map(ToString::to_string).collect());
    lines("incomparable: ", report.incomparable.iter().map(ToString::to_string).collect());
    lines("under test: ", report.under_test.iter().map(ToString::to_string).collect());
    let mut notes: Vec<&Finding> = report.notes.iter().collect();
    notes.sort_by_key(|note| note.code.severity());
    lines("", notes.into_iter().map(ToString::to_string).collect());
    lines("baseline ", vec![report.baseline_file.clone()]);
    lines("records ", vec![report.records.clone()]);
    text
}

/// What the tier of a run leaves out, suites before loads.
pub fn left_out(tier: Tier, names: &[String]) -> Vec<String> {
    let (loads, suites): (Vec<&str>, Vec<&str>) =
        names.iter().map(String::as_str).partition(|name| name.contains(" / "));
    let line = |(what, names): (&str, Vec<&str>)| {
        let plural = if names.len() == 1 { "" } else { "s" };
        let (count, names) = (names.len(), names.join(", "));
        format!("tier {tier} leaves out {count} {what}{plural}: {names}")
    };
    let parts = [("suite", suites), ("load", loads)];
    parts.into_iter().filter(|(_, names)| !names.is_empty()).map(line).collect()
}

/// The verdict of a load, which is that of its worst guard, and what improved beside it.
fn verdict(load: &LoadReport) -> String {
    match (load.verdict, improved_rows(load).count()) {
        (Verdict::Improved, _) | (_, 0) => load.verdict.to_string(),
        (verdict, count) => format!("{verdict}, {count} improved"),
    }
}

fn improved_rows(load: &LoadReport) -> impl Iterator<Item = &Row> {
    let is_improved = |guard: &GuardRow| guard.judgement.verdict == Verdict::Improved;
    load.rows.iter().filter(move |row| row.guard.as_ref().is_some_and(is_improved))
}

fn guards_and_figures(report: &LoadReport) -> String {
    const HEAD: [&str; 6] = ["", "baseline", "measured", "change", "limit", "verdict"];
    let mut rows: Vec<[String; 6]> = report
        .rows
        .iter()
        .map(|row| {
            [
                format!("{} [{}]", row.metric.label(), row.metric.unit()),
                marked(row.baseline, row.baseline_estimated),
                marked(row.measured, row.estimated),
                change(row),
                limit(row),
                row.guard
                    .as_ref()
                    .map_or_else(|| "–".to_owned(), |guard| guard.judgement.verdict.to_string()),
            ]
        })
        .collect();
    narrow_first(&HEAD, &mut rows);
    let mut table = plain(&HEAD);
    for row in rows {
        table.add_row(row);
    }
    align_right(&mut table, 1..HEAD.len() - 1);
    let mut text = trimmed(&table);
    text.push('\n');
    text.push_str(&legend(report));
    text
}

/// What the marks in a table mean, and what others published.
fn legend(report: &LoadReport) -> String {
    let mut text = String::new();
    let published: Vec<String> = report
        .rows
        .iter()
        .filter_map(|row| {
            Some(format!("{} {} {}", row.metric.label(), number(row.published?), row.metric.unit()))
        })
        .collect();
    if !published.is_empty() {
        let published = published.join(", ");
        paragraph(&mut text, "  ", &format!("published (one run, noise unknown): {published}"));
    }
    if report.rows.iter().any(|row| row.estimated || row.baseline_estimated) {
        let what = "≈ an estimate: the server left the tokens of each chunk open";
        paragraph(&mut text, "  ", what);
    }
    let wider: Vec<String> = report
        .rows
        .iter()
        .filter_map(|row| {
            let guard = row.guard.as_ref().filter(|guard| guard.is_noise_limited())?;
            let (band, label) = (guard.judgement.band?, row.metric.label());
            Some(format!("{label} {:.1} % instead of {}", band.value(), guard.slack))
        })
        .collect();
    if !wider.is_empty() {
        let wider = wider.join(", ");
        let what = format!(
            "~ the noise allows no narrower band ({wider}); `cargo xtask perf power` shows what would help"
        );
        paragraph(&mut text, "  ", &what);
    }
    text
}

/// The change, and half the width of its 95 % confidence interval where it was judged.
fn change(row: &Row) -> String {
    let Some(change) = row.change else { return "–".to_owned() };
    match row.guard.as_ref().and_then(|guard| guard.judgement.interval) {
        Some((low, high)) => format!("{:+.1} % ±{:.1}", change * 100.0, (high - low) * 50.0),
        None => format!("{:+.1} %", change * 100.0),
    }
}

/// The value that may just be reached, marked where the noise decides it; without a baseline the slack.
fn limit(row: &Row) -> String {
    let Some(guard) = &row.guard else { return "–".to_owned() };
    let (sign, side) = match row.metric.direction() {
        Direction::HigherIsBetter => ("≥", "-"),
        Direction::LowerIsBetter => ("≤", "+"),
    };
    let mark = if guard.is_noise_limited() { "~" } else { " " };
    match guard.limit {
        Some(limit) => format!("{sign}{mark}{}", number(limit)),
        None => format!("{side}{}", guard.slack),
    }
}

fn starts(starts: usize) -> String {
    format!("{starts} engine start{}", if starts == 1 { "" } else { "s" })
}

fn hardware(report: &LoadReport) -> String {
    match report.engine {
        EngineKind::Simulated => {
            format!("SIMULATED ({})", report.hardware.trim_start_matches("simulated: "))
        }
        engine => format!("{} ({engine})", report.hardware),
    }
}
