//! One load of a page: its figures, its charts, and what a reader should know of it. Main function:
//! [`load`].

use maud::{Markup, html};
use perf_model::judge::report::LoadReport;
use perf_model::record::finding::Finding;
use perf_model::record::fingerprint::Fingerprint;
use perf_model::spec::engine_kind::EngineKind;

use super::data::LoadShape;
use super::summary::{anchor, badge};
use super::{Page, distributions, dots, start_up, timeline};
use crate::figure::{change_and_interval, limit, marked, optional};

pub(super) fn load(
    page: &Page<'_>,
    report: &LoadReport,
    shape: Option<&LoadShape>,
    is_open: bool,
) -> Markup {
    let base_name = page.run.base_name();
    let hardware = match report.engine {
        EngineKind::Simulated => {
            format!("SIMULATED ({})", report.hardware.trim_start_matches("simulated: "))
        }
        engine => format!("{} ({engine})", report.hardware),
    };
    let plural = if report.starts == 1 { "" } else { "s" };
    html! {
        details class="load" id=(anchor(&report.suite, &report.load)) open[is_open] {
            summary { (badge(report.verdict)) " " (report.suite) " / " (report.load) }
            p class="facts" { (hardware) " · " (report.starts) " engine start" (plural) " · " (report.arrivals) }
            p class="facts" { (report.workload) }
            @for fault in &report.faults { p class="fault" { "Invalid: " (fault) } }
            @for difference in &report.incomparable { p class="fault" { "Incomparable: " (difference) } }
            (figures(report, base_name))
            (reasons(report))
            div class="charts" {
                @for row in &report.rows {
                    @if let Some(chart) = row.guard.as_ref().and_then(|guard| dots::dots(row, guard, base_name)) {
                        (chart.figure())
                    }
                }
            }
            @if let Some(shape) = shape {
                div class="charts" {
                    @for chart in distributions::distributions(report, shape, base_name) { (chart.figure()) }
                    @for chart in timeline::timeline(shape) { (chart.figure()) }
                    @if let Some(chart) = start_up::start_up(shape) { (chart.figure()) }
                }
            }
            (notes(report))
            @if let Some(shape) = shape { (configuration(&shape.fingerprint)) }
            p class="facts" { "Baseline " code { (report.baseline_file) } ", records " code { (report.records) } }
        }
    }
}

fn figures(report: &LoadReport, base_name: &str) -> Markup {
    let has_published = report.rows.iter().any(|row| row.published.is_some());
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(format!("Figures of {} / {}", report.suite, report.load)) {
            table {
                thead { tr {
                    th scope="col" { "Figure" }
                    @if has_published { th scope="col" class="number wide-only" { "published" } }
                    th scope="col" class="number" { (base_name) } th scope="col" class="number" { "measured" }
                    th scope="col" class="number" { "change (95 % interval)" } th scope="col" class="number wide-only" { "limit" } th scope="col" { "verdict" }
                } }
                tbody { @for row in &report.rows { tr {
                    th scope="row" { (row.metric.label()) " [" (row.metric.unit()) "]" }
                    @if has_published { td class="number wide-only" { (optional(row.published)) } }
                    td class="number" { (marked(row.baseline, row.baseline_estimated)) }
                    td class="number" { (marked(row.measured, row.estimated)) }
                    td class="number" { (change_and_interval(row)) }
                    @match &row.guard {
                        Some(guard) => { td class="number wide-only" { (limit(row, guard)) } td { (badge(guard.judgement.verdict)) } },
                        None => { td class="number wide-only" { "–" } td { "not guarded" } },
                    }
                } } }
            }
        }
        @if has_published { p class="note" { "Published: one run of somebody else, noise unknown." } }
        @if report.rows.iter().any(|row| row.estimated || row.baseline_estimated) {
            p class="note" { "≈ an estimate: the server left the tokens of each chunk open." }
        }
        @if report.guards().any(perf_model::judge::report::GuardRow::is_noise_limited) {
            p class="note" { "~ the noise allows no narrower band; " code { "cargo xtask perf power" } " shows what would help." }
        }
    }
}

fn reasons(report: &LoadReport) -> Markup {
    let rows = report.rows.iter();
    let reasons: Vec<(String, &str)> = rows
        .filter_map(|row| {
            Some((row.metric.label(), row.guard.as_ref()?.judgement.reason.as_deref()?))
        })
        .collect();
    html! { @for (label, reason) in reasons { p { strong { (label) ": " } (reason) } } }
}

fn notes(report: &LoadReport) -> Markup {
    let mut notes: Vec<&Finding> = report.notes.iter().collect();
    notes.sort_by_key(|note| note.code.severity());
    html! {
        @if !notes.is_empty() {
            details { summary { "Notes (" (notes.len()) ")" } ul { @for note in notes { li { (note) } } } }
        }
    }
}

/// What the server ran with.
fn configuration(print: &Fingerprint) -> Markup {
    let optional = [
        ("image", &print.image),
        ("image digest", &print.image_digest),
        ("vLLM", &print.vllm),
        ("driver", &print.driver),
    ];
    let known =
        optional.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?.clone())));
    let lists = [
        ("arguments", &print.arguments),
        ("environment", &print.environment),
        ("under test", &print.under_test),
    ];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let all = [("model", print.model.clone()), ("hardware", print.hardware.clone())]
        .into_iter()
        .chain(known)
        .chain(lists.map(|(name, list)| (name, list.join(" "))));
    html! {
        details { summary { "Configuration of the server" }
            dl { @for (name, value) in all { dt { (name) } dd { code { (value) } } } } }
        @if !print.effective.is_empty() {
            details { summary { "What the engine says that it runs with" }
                dl { @for (name, value) in print.effective.iter() { dt { (name) } dd { code { (value) } } } } }
        }
    }
}
