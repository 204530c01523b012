//! A run as Markdown, for the summary of a CI job and the comment in a pull request: [`markdown`].
//!
//! The first line is the result and what to do next; then what did not hold; then details, folded.
//! However large the suite, the text is shorter than [`MOST`]: what does not fit is left out, and the
//! text says so.

mod escape;

use std::fmt::Write;

use perf_model::judge::report::{LoadReport, SuiteReport};
use perf_model::judge::verdict::Verdict;

use crate::figure::{change_and_interval, limit, marked, optional};
use crate::overview::{Overview, Problem};
use escape::{code, command, text};

/// The longest text, in bytes. GitHub takes 65,536 characters in a comment.
pub const MOST: usize = 60_000;

/// What is kept free for the last line, which says what was left out.
const CLOSING: usize = 400;

/// The most rows of the first table; the others are in the details.
const ROWS: usize = 40;

/// The run as Markdown.
pub fn markdown(run: &Overview<'_>) -> String {
    let mut page = head(run);
    page.push_str(&problems(run));
    page.push_str(&improvements(run));
    page.push_str(&unmeasured(run));
    // Those that did not hold come first, so that they are not what is left out.
    let mut loads: Vec<&LoadReport> = run.loads().collect();
    loads.sort_by_key(|load| std::cmp::Reverse(load.verdict));
    let mut left_out = 0;
    for load in loads {
        let folded = folded(run, load);
        if page.len() + folded.len() + CLOSING <= MOST {
            page.push_str(&folded);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        let plural = if left_out == 1 { "" } else { "s" };
        let _ = writeln!(
            page,
            "\n{left_out} load{plural} left out here, because a comment has a limit. `report.html` in the folder of the \
             run has all of them, and so has `cargo xtask perf show RUN`."
        );
    }
    page
}

fn head(run: &Overview<'_>) -> String {
    let mut page = format!("**{}**", text(&run.headline()));
    if let Some(next) = run.next() {
        let _ = writeln!(page, ": {}\n", command(&next));
    } else {
        let line = run.first_line();
        let rest = line.strip_prefix(&run.headline()).unwrap_or_default();
        let _ = writeln!(page, "{}\n", text(rest));
    }
    if run.is_simulated() {
        page.push_str("These figures are **SIMULATED**: they do not describe a GPU.\n\n");
    }
    page
}

/// The table of what did not hold.
fn problems(run: &Overview<'_>) -> String {
    let problems = run.problems();
    if problems.is_empty() {
        return String::new();
    }
    let mut page = format!(
        "| verdict | suite / load | figure | {} | measured | change (95 % interval) | limit |\n\
         |---|---|---|--:|--:|--:|--:|\n",
        run.base_name()
    );
    for problem in problems.iter().take(ROWS) {
        page.push_str(&problem_row(problem));
    }
    if problems.len() > ROWS {
        let more = problems.len() - ROWS;
        let _ = writeln!(page, "\nand {more} more, see below.");
    }
    let reasons: Vec<String> = problems
        .iter()
        .take(ROWS)
        .filter_map(|problem| {
            let reason = problem.reason.as_ref()?;
            let of = problem.row.map(|row| format!(", {}", row.metric.label())).unwrap_or_default();
            Some(format!("- {}{of}: {}\n", place(problem), text(&cut(reason))))
        })
        .collect();
    if !reasons.is_empty() {
        page.push('\n');
        page.extend(reasons);
    }
    page.push('\n');
    page
}

fn problem_row(problem: &Problem<'_>) -> String {
    let verdict = problem.verdict.to_string();
    let Some(row) = problem.row else {
        return format!("| {verdict} | {} | – | – | – | – | – |\n", place(problem));
    };
    let limit = row.guard.as_ref().map(|guard| limit(row, guard)).unwrap_or_default();
    format!(
        "| {verdict} | {} | {} [{}] | {} | {} | {} | {} |\n",
        place(problem),
        row.metric.label(),
        row.metric.unit(),
        marked(row.baseline, row.baseline_estimated),
        marked(row.measured, row.estimated),
        change_and_interval(row),
        text(&limit),
    )
}

fn place(problem: &Problem<'_>) -> String {
    match problem.load {
        Some(load) => format!("{} / {}", text(problem.suite), text(load)),
        None => text(problem.suite),
    }
}

fn improvements(run: &Overview<'_>) -> String {
    let improved = run.improvements();
    let mut page = String::new();
    for (load, row) in improved.iter().take(ROWS) {
        let _ = writeln!(
            page,
            "- improved: {} / {}, {} {}",
            text(&load.suite),
            text(&load.load),
            row.metric.label(),
            change_and_interval(row)
        );
    }
    if improved.len() > ROWS {
        let _ = writeln!(page, "- and {} more improved", improved.len() - ROWS);
    }
    if !page.is_empty() {
        page.push('\n');
    }
    if let Some(under_test) = run.under_test() {
        let _ = writeln!(page, "Under test: {}\n", text(&under_test));
    }
    for line in run.parts() {
        let _ = writeln!(page, "{}\n", command(&line));
    }
    page
}

/// The suites without loads, and why they have none.
fn unmeasured(run: &Overview<'_>) -> String {
    let suites: Vec<&SuiteReport> =
        run.reports.iter().filter(|report| report.loads.is_empty()).collect();
    let mut page = String::new();
    for report in suites.iter().take(ROWS) {
        let remark = report.remark.as_deref().unwrap_or("no load was measured");
        let suite = text(&report.suite);
        let _ = writeln!(page, "- {suite}: {}: {}", report.verdict, text(&cut(remark)));
    }
    if suites.len() > ROWS {
        let _ = writeln!(page, "- and {} more suites without loads", suites.len() - ROWS);
    }
    if !page.is_empty() {
        page.push('\n');
    }
    page
}

/// A load: its line, and behind it everything else.
fn folded(run: &Overview<'_>, load: &LoadReport) -> String {
    let mut page = format!(
        "<details><summary>{} / {}: {}</summary>\n\n{} · {} · {} engine starts · {}\n\n",
        text(&load.suite),
        text(&load.load),
        load.verdict,
        text(&load.hardware),
        text(&load.model),
        load.starts,
        text(&load.arrivals),
    );
    let _ = writeln!(
        page,
        "| figure | {} | measured | change (95 % interval) | limit | verdict |\n|---|--:|--:|--:|--:|---|",
        run.base_name()
    );
    for row in &load.rows {
        let guard = row.guard.as_ref();
        let _ = writeln!(
            page,
            "| {} [{}] | {} | {} | {} | {} | {} |",
            row.metric.label(),
            row.metric.unit(),
            marked(row.baseline, row.baseline_estimated),
            marked(row.measured, row.estimated),
            change_and_interval(row),
            guard.map_or_else(|| "–".into(), |guard| text(&limit(row, guard))),
            guard.map_or_else(|| "not guarded".into(), |guard| guard.judgement.verdict.to_string()),
        );
    }
    page.push('\n');
    if load.verdict != Verdict::Held {
        for row in load.rows.iter().filter(|row| row.guard.is_some()) {
            let starts: Vec<String> =
                row.starts.iter().map(|value| optional(Some(*value))).collect();
            let _ = writeln!(page, "- {} by start: {}", row.metric.label(), starts.join(", "));
        }
    }
    let differences = load.under_test.iter().map(|difference| format!("differs: {difference}"));
    let incomparable =
        load.incomparable.iter().map(|difference| format!("incomparable: {difference}"));
    let faults = load.faults.iter().map(|fault| format!("invalid: {fault}"));
    let notes = load.notes.iter().map(ToString::to_string);
    for line in faults.chain(incomparable).chain(differences).chain(notes) {
        let _ = writeln!(page, "- {}", text(&cut(&line)));
    }
    let _ = writeln!(
        page,
        "- baseline {}, records {}\n\n</details>\n",
        code(&load.baseline_file),
        code(&load.records)
    );
    page
}

/// A reason may hold the last lines of a log.
fn cut(reason: &str) -> String {
    const LONGEST: usize = 300;
    if reason.chars().count() <= LONGEST {
        return reason.to_owned();
    }
    let head: String = reason.chars().take(LONGEST - 1).collect();
    format!("{head}…")
}

#[cfg(test)]
mod tests;
