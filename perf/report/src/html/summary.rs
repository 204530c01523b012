//! The top of a page: the result, what to do next, and the table of what did not hold. Main function:
//! [`summary`].

use std::collections::BTreeMap;
use std::fmt::Write;

use maud::{Markup, html};
use perf_model::record::difference::Difference;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::sweep::report::SweepReport;

use super::Page;
use crate::figure::{change_and_interval, limit, marked};
use crate::json::verdict_name;
use crate::overview::{Overview, Problem};

/// The most rows of the table.
const ROWS: usize = 100;

pub(super) fn summary(page: &Page<'_>) -> Markup {
    let run = &page.run;
    let verdict = run.verdict().map_or("none", verdict_name);
    let is_simulated = |sweep: &SweepReport| sweep.engine == EngineKind::Simulated;
    let is_simulated_sweep = page.sweeps.iter().any(is_simulated);
    html! {
        header class=(format!("top {verdict}")) {
            h1 { (headline(page)) }
            @match run.next() {
                _ if is_sweep(page) => {}
                Some(next) => p class="next" { "Next: " (with_code(&next)) },
                None => p class="next" { (rest_of_first_line(run)) },
            }
            @if run.is_simulated() || is_simulated_sweep {
                p class="simulated" { "These figures are SIMULATED: they do not describe a GPU." }
            }
            @if let Some(under_test) = run.under_test() { p class="facts" { "Under test: " (under_test) } }
            @for line in run.parts() { p class="facts" { (with_code(&line)) } }
            p class="facts" { "Run " (page.name)
                @if run.gpu_s() > 0.0 { (format!(" · used {:.1} GPU-min", run.gpu_s() / 60.0)) } }
        }
        (problems(run))
        (improvements(run))
        (differences(run))
        (unmeasured(run))
    }
}

/// Whether the page is of sweeps alone, which are never gated.
fn is_sweep(page: &Page<'_>) -> bool {
    page.run.verdict().is_none() && !page.sweeps.is_empty()
}

/// The result in a line.
pub(super) fn headline(page: &Page<'_>) -> String {
    if !is_sweep(page) {
        return page.run.headline();
    }
    let of = |sweep: &SweepReport| {
        let (measured, failed, not_run) = sweep.counts();
        let mut text = format!("sweep {}: {measured} cells measured", sweep.name);
        for (count, what) in [(failed, "failed"), (not_run, "not run")] {
            if count > 0 {
                let _ = write!(text, ", {count} {what}");
            }
        }
        text
    };
    page.sweeps.iter().map(of).collect::<Vec<_>>().join("; ")
}

/// What the first line says besides the result.
fn rest_of_first_line(run: &Overview<'_>) -> String {
    let line = run.first_line();
    let rest = line.strip_prefix(&run.headline()).unwrap_or_default().trim_start_matches("; ");
    if rest.is_empty() {
        "What to do next is not known: the run did not keep what was asked for.".into()
    } else {
        format!("Next: {rest}.")
    }
}

/// Advice whose commands stand in backticks.
fn with_code(advice: &str) -> Markup {
    html! {
        @for (at, part) in advice.split('`').enumerate() {
            @if at % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

fn problems(run: &Overview<'_>) -> Markup {
    let problems = run.problems();
    html! {
        @if !problems.is_empty() {
            table class="cards" {
                caption { "What did not hold, the worst first" }
                thead { tr {
                    th scope="col" { "Verdict" } th scope="col" { "Figure" } th scope="col" { "Change (95 % interval)" }
                    th scope="col" { "Measured" } th scope="col" { (capitalised(run.base_name())) } th scope="col" { "Limit" }
                } }
                tbody { @for problem in problems.iter().take(ROWS) { (row(problem, run.base_name())) } }
            }
            @if problems.len() > ROWS { p class="note" { "and " (problems.len() - ROWS) " more, see below" } }
        }
    }
}

fn capitalised(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}

fn row(problem: &Problem<'_>, base_name: &str) -> Markup {
    html! {
        tr {
            td { (badge(problem.verdict)) }
            td {
                @match problem.load {
                    Some(load) => a href=(format!("#{}", anchor(problem.suite, load))) { (problem.suite) " / " (load) },
                    None => (problem.suite),
                }
                @if let Some(row) = problem.row { br; (row.metric.label()) " [" (row.metric.unit()) "]" }
                @if let Some(reason) = &problem.reason { br; span class="reason" { (reason) } }
            }
            @if let Some(row) = problem.row {
                td data-label="change" class="number" { (change_and_interval(row)) }
                td data-label="measured" class="number" { (marked(row.measured, row.estimated)) }
                td data-label=(base_name) class="number" { (marked(row.baseline, row.baseline_estimated)) }
                td data-label="limit" class="number" { @if let Some(guard) = &row.guard { (limit(row, guard)) } }
            } @else {
                td class="empty" {} td class="empty" {} td class="empty" {} td class="empty" {}
            }
        }
    }
}

/// A verdict, which its word and its colour tell.
pub(super) fn badge(verdict: perf_model::judge::verdict::Verdict) -> Markup {
    html! { span class=(format!("badge {}", verdict_name(verdict))) { (verdict) } }
}

/// The name of a load's place in the page.
pub(super) fn anchor(suite: &str, load: &str) -> String {
    let plain =
        |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' };
    format!("{suite}--{load}").chars().map(plain).collect()
}

fn improvements(run: &Overview<'_>) -> Markup {
    let improved = run.improvements();
    html! {
        @if !improved.is_empty() {
            section aria-labelledby="improved" {
                h2 id="improved" { "What improved" }
                ul { @for (load, row) in improved.iter().take(ROWS) {
                    li { a href=(format!("#{}", anchor(&load.suite, &load.load))) { (load.suite) " / " (load.load) }
                        ": " (row.metric.label()) " " (change_and_interval(row)) }
                } }
            }
        }
    }
}

/// What differs from the baselines, each with the loads of which that is true.
fn differences(run: &Overview<'_>) -> Markup {
    let mut found: BTreeMap<(bool, String, String, String), Vec<String>> = BTreeMap::new();
    let loads = run.loads().count();
    for load in run.loads() {
        let kinds = [(false, &load.incomparable), (true, &load.under_test)];
        for (is_under_test, differences) in kinds {
            for Difference { what, baseline, measured } in differences {
                let key = (is_under_test, what.clone(), baseline.clone(), measured.clone());
                found.entry(key).or_default().push(format!("{} / {}", load.suite, load.load));
            }
        }
    }
    html! {
        @if !found.is_empty() {
            section aria-labelledby="differences" {
                h2 id="differences" { "What differs from the " (run.base_name()) }
                div class="scroll" tabindex="0" role="region" aria-labelledby="differences" { table {
                    thead { tr { th scope="col" { "What" } th scope="col" { (run.base_name()) } th scope="col" { "now" } th scope="col" { "of" } } }
                    tbody { @for ((is_under_test, what, baseline, measured), of) in &found { tr {
                        td { (what) @if !is_under_test { " " span class="reason" { "forbids a comparison" } } }
                        td { (baseline) } td { (measured) }
                        td { @if of.len() == loads { "all loads" } @else { (of.len()) " of " (loads) " loads: " (of.iter().take(3).cloned().collect::<Vec<_>>().join(", ")) @if of.len() > 3 { " …" } } }
                    } } }
                } }
            }
        }
    }
}

/// The suites that have no loads.
fn unmeasured(run: &Overview<'_>) -> Markup {
    let suites: Vec<_> = run.reports.iter().filter(|report| report.loads.is_empty()).collect();
    html! {
        @if !suites.is_empty() {
            section aria-labelledby="unmeasured" {
                h2 id="unmeasured" { "Suites without figures" }
                ul { @for report in suites {
                    li { (badge(report.verdict)) " " (report.suite)
                        @if let Some(remark) = &report.remark { ": " (remark) } }
                } }
            }
        }
    }
}
