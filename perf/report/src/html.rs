//! A run as one HTML page: [`html()`]. It needs no network and no script, follows the reader's light or
//! dark theme, and can be read on a phone. What failed comes first; what held is folded.

mod chart;
mod curve;
mod data;
mod distributions;
mod dots;
mod heat_map;
mod history;
mod load;
mod scale;
mod start_up;
mod style;
mod summary;
mod sweep;
#[cfg(test)]
mod tests;
mod timeline;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use perf_model::judge::report::LoadReport;
use perf_model::sweep::report::SweepReport;

use crate::overview::Overview;
pub use data::{LoadShape, Log};
pub use history::history;

/// The most loads that have charts of their records; those that did not hold come first. More would
/// make a page that is slow to open.
const CHARTED: usize = 60;

/// Everything that a page shows.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The run.
    pub run: Overview<'a>,
    /// Its name: the folder of the run.
    pub name: &'a str,
    /// What the records say of each load; those of a load without records are missing.
    pub shapes: &'a [LoadShape],
    /// Its sweeps.
    pub sweeps: &'a [SweepReport],
    /// The ends of the servers' logs.
    pub logs: &'a [Log],
}

/// The head of a page. Nothing is loaded and nothing is run, also where a name would try to.
fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta http-equiv="Content-Security-Policy"
                content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
            title { (title) }
            link rel="icon" href="data:,";
            style { (PreEscaped(style::CSS)) }
        }
    }
}

/// The page.
pub fn html(page: &Page<'_>) -> String {
    let title = format!("{}: run {}", summary::headline(page), page.name);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            (head(&title))
            body {
                (summary::summary(page))
                main {
                    (loads(page))
                    @for sweep in page.sweeps { (sweep::sweep(sweep)) }
                    (logs(page.logs))
                }
                footer {
                    p { "Run " (page.name) ". Every figure can be recomputed: "
                        code { "cargo xtask perf show " (page.name) } }
                }
            }
        }
    };
    markup.into_string()
}

/// The loads, the worst first.
fn loads(page: &Page<'_>) -> Markup {
    let mut loads: Vec<&LoadReport> = page.run.loads().collect();
    loads.sort_by_key(|load| std::cmp::Reverse(load.verdict));
    let (failed, held): (Vec<_>, Vec<_>) =
        loads.iter().enumerate().partition(|(_, load)| !load.verdict.is_pass());
    let shape = |at: usize, load: &LoadReport| {
        let mut shapes = page.shapes.iter();
        shapes
            .find(|shape| shape.suite == load.suite && shape.load == load.load)
            .filter(|_| at < CHARTED)
    };
    html! {
        @if !failed.is_empty() {
            section aria-labelledby="failed" {
                h2 id="failed" { "What did not hold" }
                @for (at, load) in &failed { (load::load(page, load, shape(*at, load), true)) }
            }
        }
        @if !held.is_empty() {
            section aria-labelledby="held" {
                h2 id="held" { "What held" }
                @for (at, load) in &held { (load::load(page, load, shape(*at, load), false)) }
            }
        }
        @if loads.len() > CHARTED {
            p class="note" {
                "Only the first " (CHARTED) " loads have charts of their records here. "
                code { "cargo xtask perf show " (page.name) " NAME --format html" } " shows one of the others."
            }
        }
        (curve::curves(page.run.reports))
    }
}

fn logs(logs: &[Log]) -> Markup {
    html! {
        @if !logs.is_empty() {
            section aria-labelledby="logs" {
                h2 id="logs" { "Logs of the servers" }
                @for log in logs {
                    details { summary { (log.name) ": the last lines" } pre tabindex="0" { (log.text) } }
                }
            }
        }
    }
}
