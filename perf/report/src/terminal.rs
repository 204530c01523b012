//! Reports as text for people: a table a load, and a line a suite for the end of a run. Words carry
//! the verdicts; there is no colour to lose.

mod figures;
mod judged;
mod knee;
mod plan;
mod power;
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

use crate::advice::{Invocation, advice};

pub use figures::figures;
pub use judged::judged;
pub use plan::plan;
pub use power::power;
pub use published::{FieldReport, published};
pub use search::search;
pub use sweep::sweep;
pub use sweep_page::sweep_page;
use table::{align_right, marked, number, optional, plain, shorten, trimmed};
use wrap::wrapped;

/// A whole suite: its loads, one table each, or why there is none.
pub fn suite(report: &SuiteReport) -> String {
    let mut text = String::new();
    if let Some(remark) = &report.remark {
        let _ = writeln!(text, "{}: {}: {remark}", report.suite, report.verdict);
    }
    for load in &report.loads {
        text.push_str(&self::load(load));
        text.push('\n');
    }
    if let Some(knee) = knee::knee(&report.loads) {
        text.push_str(&wrapped(&knee, ""));
        text.push('\n');
    }
    text
}

/// One load: what it was, its table, and everything that a reader of its verdict needs.
pub fn load(report: &LoadReport) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} / {}   {}", report.suite, report.load, verdict(report));
    let _ =
        writeln!(text, "  {} · {} · {}", hardware(report), starts(report.starts), report.arrivals);
    let _ = writeln!(text, "  {}", shorten(&report.workload));
    text.push('\n');
    text.push_str(&guards_and_figures(report));
    text.push('\n');
    for row in &report.rows {
        let Some(guard) = &row.guard else { continue };
        if !guard.judgement.verdict.is_pass() {
            let starts: Vec<String> = row.starts.iter().copied().map(number).collect();
            let _ = writeln!(
                text,
                "  {} by start: {} {}",
                row.metric.label(),
                starts.join("  "),
                row.metric.unit()
            );
        }
        if let Some(reason) = &guard.judgement.reason {
            let _ = writeln!(text, "  {}: {reason}", row.metric.label());
        }
    }
    let mut lines = |title: &str, lines: Vec<String>| {
        for line in lines {
            let _ = writeln!(text, "  {title}{line}");
        }
    };
    lines("invalid: ", report.faults.iter().map(ToString::to_string).collect());
    lines("incomparable: ", report.incomparable.iter().map(ToString::to_string).collect());
    lines("under test: ", report.under_test.iter().map(ToString::to_string).collect());
    let mut notes: Vec<&Finding> = report.notes.iter().collect();
    notes.sort_by_key(|note| note.code.severity());
    lines("", notes.into_iter().map(ToString::to_string).collect());
    let _ = writeln!(text, "  baseline {}", report.baseline_file);
    let _ = writeln!(text, "  records  {}", report.records);
    text
}

/// The last lines of a run: a line a load, then the verdict of the whole and what to do about it.
pub fn closing(reports: &[SuiteReport], run: &Invocation<'_>) -> String {
    let mut table = plain(&["suite", "load", "verdict"]);
    for report in reports {
        if report.loads.is_empty() {
            table.add_row([report.suite.clone(), "–".to_owned(), report.verdict.to_string()]);
        }
        for load in &report.loads {
            table.add_row([load.suite.clone(), load.load.clone(), self::verdict(load)]);
        }
    }
    let Some(verdict) = Verdict::of_run(reports.iter().map(|report| report.verdict)) else {
        return "no suite ran\n".to_owned();
    };
    let mut text = format!("{}\n\n{verdict}", trimmed(&table));
    let count = improved(reports).count();
    if count > 0 && verdict != Verdict::Improved {
        let _ = write!(text, ", {count} improved");
    }
    if let Some(advice) = advice(verdict, reports, run) {
        let _ = write!(text, ": {advice}");
    }
    for (load, row) in improved(reports) {
        let (suite, name, label) = (&load.suite, &load.load, row.metric.label());
        let _ = write!(text, "\nimproved: {suite} / {name}, {label} {}", change(row));
    }
    let _ = write!(text, "\nunder test: {}", run.under_test());
    for line in left_out(run.settings.tier, run.left_out) {
        let _ = write!(text, "\n{line}");
    }
    let gpu_s: f64 = reports.iter().map(|report| report.gpu_s).sum();
    if gpu_s > 0.0 {
        let _ = write!(text, "\nused {:.1} GPU-min", gpu_s / 60.0);
    }
    if reports.iter().any(|report| report.engine == EngineKind::Simulated) {
        text.push_str("\nthese figures are SIMULATED: they do not describe a GPU");
    }
    text.push('\n');
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

/// The guarded figures that improved: the verdict of a load names only the worst of its guards.
fn improved(reports: &[SuiteReport]) -> impl Iterator<Item = (&LoadReport, &Row)> {
    let loads = reports.iter().flat_map(|report| &report.loads);
    loads.flat_map(|load| improved_rows(load).map(move |row| (load, row)))
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
    let published = report.rows.iter().any(|row| row.published.is_some());
    let mut head = vec!["", "baseline", "measured", "change", "band", "verdict"];
    if published {
        head.insert(1, "published*");
    }
    let mut table = plain(&head);
    for row in &report.rows {
        let mut cells = vec![
            format!("{} [{}]", row.metric.label(), row.metric.unit()),
            marked(row.baseline, row.baseline_estimated),
            marked(row.measured, row.estimated),
            change(row),
            band(row),
            row.guard.as_ref().map_or_else(
                || "not guarded".to_owned(),
                |guard| guard.judgement.verdict.to_string(),
            ),
        ];
        if published {
            cells.insert(1, optional(row.published));
        }
        table.add_row(cells);
    }
    align_right(&mut table, 1..head.len() - 1);
    let mut text = trimmed(&table);
    text.push('\n');
    if published {
        text.push_str("  * from a published report: one run, noise unknown\n");
    }
    if report.rows.iter().any(|row| row.estimated || row.baseline_estimated) {
        text.push_str("  ≈ an estimate: the server left the tokens of each chunk open\n");
    }
    if report.rows.iter().filter_map(|row| row.guard.as_ref()).any(GuardRow::is_noise_limited) {
        text.push_str(
            "  ~ the noise allows no narrower band; `cargo xtask perf power` shows what would help\n",
        );
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

fn band(row: &Row) -> String {
    let Some(guard) = &row.guard else { return "–".to_owned() };
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
