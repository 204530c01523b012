//! A sweep as text: its cells, the best for each goal, the Pareto front, the knees, how much each
//! axis changes, and what is recommended. Main function: [`sweep_page`].

mod changes;

use std::fmt::Write;

use perf_model::spec::engine_kind::EngineKind;
use perf_model::sweep::analysis::{Analysis, Knee};
use perf_model::sweep::cell::CellOutcome;
use perf_model::sweep::goal::Figure;
use perf_model::sweep::report::SweepReport;

use super::table::{blocks, marked, number, optional};
use super::wrap::{broken, folded, head, wrapped};
use changes::changes;

/// The widest name of a figure beside the best cell.
const OF: usize = 23;

/// The page of a sweep, 80 columns wide as long as its axes and goals allow.
pub fn sweep_page(report: &SweepReport) -> String {
    let analysis = Analysis::of(report);
    let mut text = heading(report);
    text.push_str(&cells(report, &analysis));
    text.push_str(&best(report, &analysis));
    text.push_str(&imported(report));
    text.push_str(&knees(report, &analysis.knees));
    text.push_str(&changes(report, &analysis.sensitivities));
    if !analysis.recommendations.is_empty() {
        text.push_str("\nrecommendations\n");
    }
    for sentence in &analysis.recommendations {
        text.push_str(&wrapped(sentence, "  "));
    }
    text.push_str(&notes(report));
    text
}

fn heading(report: &SweepReport) -> String {
    let (measured, failed, not_run) = report.counts();
    let mut counts = format!("{} cells: {measured} measured", report.cells.len());
    for (count, what) in [(failed, "failed"), (not_run, "not run")] {
        if count > 0 {
            let _ = write!(counts, ", {count} {what}");
        }
    }
    let hardware = match (&report.hardware, report.engine) {
        (None, engine) => engine.to_string(),
        (Some(hardware), EngineKind::Simulated) => {
            format!("SIMULATED ({})", hardware.trim_start_matches("simulated: "))
        }
        (Some(hardware), engine) => format!("{hardware} ({engine})"),
    };
    let starts = if report.starts == 1 { "" } else { "s" };
    let ran = format!(
        "{hardware} · {} · {} engine start{starts}, {:.1} GPU-min",
        report.model,
        report.starts,
        report.gpu_s / 60.0
    );
    let mut text = folded(&format!("sweep {}   {counts}\n", report.name));
    text.push_str(&wrapped(&ran, "  "));
    let varies = report.axes.iter().any(|axis| axis.setting.flag().is_none());
    let of = if varies { "first cell: " } else { "" };
    text.push_str(&wrapped(&format!("{of}{}", report.load), "  "));
    text
}

/// A row for each cell, those of the Pareto front marked, and beside one without figures the letter
/// of its reason.
fn cells(report: &SweepReport, analysis: &Analysis) -> String {
    let figures = report.figures();
    let mut columns = vec![String::new()];
    columns.extend(report.axes.iter().map(|axis| head(&axis.setting.to_string())));
    columns.extend(figures.iter().map(|figure| head(&format!("{figure} [{}]", figure.unit()))));
    let mut rows = Vec::new();
    let mut reasons: Vec<(&str, &str)> = Vec::new();
    for (at, cell) in report.cells.iter().enumerate() {
        let mut mark = if analysis.front.contains(&at) { "*".to_owned() } else { String::new() };
        if let Some(reason) = cell.reason() {
            let state = match cell.outcome {
                CellOutcome::Failed { .. } => "failed",
                _ => "not run",
            };
            let known = reasons.iter().position(|there| *there == (state, reason));
            let place = known.unwrap_or_else(|| {
                reasons.push((state, reason));
                reasons.len() - 1
            });
            mark = letter(place);
        }
        let values =
            figures.iter().map(|figure| marked(cell.value(*figure), cell.is_estimated(*figure)));
        rows.push(std::iter::once(mark).chain(cell.values.iter().cloned()).chain(values).collect());
    }
    let keys = 1 + report.axes.len();
    let mut text = format!("\n{}\n", blocks(&columns, &rows, keys, &[0]));
    if let Some([throughput, latency]) = report.front_figures() {
        let front = format!(
            "* Pareto front: no other cell is better in {throughput} [{}] and in {latency}",
            throughput.unit()
        );
        text.push_str(&wrapped(&front, "  "));
    }
    for (place, (state, reason)) in reasons.iter().enumerate() {
        text.push_str(&wrapped(&format!("{} {state}: {reason}", letter(place)), "  "));
    }
    text
}

/// a, b, …, z, and numbers from there on.
fn letter(place: usize) -> String {
    let letters = u8::try_from(place).ok().filter(|place| *place < 26);
    letters.map_or_else(|| place.to_string(), |place| char::from(b'a' + place).to_string())
}

/// The best cell for each goal.
fn best(report: &SweepReport, analysis: &Analysis) -> String {
    let has_published = report.goals.iter().zip(&analysis.rankings).any(|(goal, ranking)| {
        published(report, goal.single(), ranking.first().map(|best| best.cell)).is_some()
    });
    let mut columns = vec!["best cell for".to_owned()];
    columns.extend(report.axes.iter().map(|axis| head(&axis.setting.to_string())));
    columns.push("value".to_owned());
    if has_published {
        columns.push("published*".to_owned());
    }
    columns.push("of".to_owned());
    let mut rows = Vec::new();
    for (goal, ranking) in report.goals.iter().zip(&analysis.rankings) {
        let best = ranking.first();
        let values = best.map_or_else(
            || report.axes.iter().map(|_| "–".to_owned()).collect::<Vec<String>>(),
            |best| report.cells[best.cell].values.clone(),
        );
        let mut row = vec![goal.name.clone()];
        row.extend(values);
        let figure = goal.single();
        row.push(match (best, figure) {
            (None, _) => "–".to_owned(),
            (Some(best), Some(figure)) => optional(report.cells[best.cell].value(figure)),
            (Some(best), None) => format!("{:.1} %", (best.loss - 1.0) * 100.0),
        });
        if has_published {
            row.push(published(report, figure, best.map(|best| best.cell)).unwrap_or_default());
        }
        row.push(figure.map_or_else(
            || broken("mean distance from the best", OF),
            |figure| broken(&format!("{figure} [{}]", figure.unit()), OF),
        ));
        rows.push(row);
    }
    let mut text = format!("\n{}\n", blocks(&columns, &rows, 1, &[0, columns.len() - 1]));
    if has_published {
        text.push_str(
            "  * from a published report: one run, noise unknown; of the cell named here\n",
        );
    }
    text
}

/// Every figure that somebody else published of a cell, beside the measured one.
fn imported(report: &SweepReport) -> String {
    let mut columns: Vec<String> =
        report.axes.iter().map(|axis| head(&axis.setting.to_string())).collect();
    columns.extend(["", "published*", "measured", "difference"].map(str::to_owned));
    let mut rows = Vec::new();
    for cell in &report.cells {
        for (metric, published) in &cell.published {
            let figure = Figure::of(*metric);
            let measured = cell.value(figure);
            let difference = measured.map(|measured| (measured / published - 1.0) * 100.0);
            let mut row = cell.values.clone();
            row.push(broken(&format!("{figure} [{}]", figure.unit()), OF));
            row.push(number(*published));
            row.push(optional(measured));
            row.push(difference.map_or_else(|| "–".to_owned(), |it| format!("{it:+.1} %")));
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let axes = report.axes.len();
    let table = blocks(&columns, &rows, axes + 1, &[axes]);
    format!("\n{table}\n  * from a published report: one run, noise unknown\n")
}

fn published(report: &SweepReport, figure: Option<Figure>, cell: Option<usize>) -> Option<String> {
    report.cells.get(cell?)?.published(figure?).map(number)
}

fn knees(report: &SweepReport, knees: &[Knee]) -> String {
    if knees.is_empty() {
        return String::new();
    }
    let mut text =
        "\nknee of the output throughput (farthest above the chord, scaled axes)\n".to_owned();
    for knee in knees {
        let others =
            if knee.others.is_empty() { String::new() } else { format!("{}: ", knee.others) };
        let axis = report.axes.iter().position(|axis| axis.setting == knee.setting);
        let value = knee
            .cell
            .and_then(|cell| report.cells[cell].values.get(axis?).cloned())
            .map_or_else(|| "none".to_owned(), |value| format!("{} {value}", knee.setting));
        text.push_str(&wrapped(&format!("{others}{value}"), "  "));
    }
    text
}

fn notes(report: &SweepReport) -> String {
    let mut text = String::new();
    if report.starts_per_server == 1 {
        text.push_str(
            "one engine start for each server: differences of a few percent may be noise\n",
        );
    }
    if report.engine == EngineKind::Simulated {
        text.push_str("these figures are SIMULATED: they do not describe a GPU\n");
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_model::fixtures::sweep;

    #[test]
    fn a_page_shows_cells_best_front_knee_changes_and_recommendations() {
        insta::assert_snapshot!(sweep_page(&sweep()));
    }

    #[test]
    fn cells_without_figures_are_rows_and_their_reasons_stand_below_once() {
        let mut report = sweep();
        let failed = "failed to start (out of memory): torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB";
        for cell in &mut report.cells[..2] {
            cell.outcome = CellOutcome::Failed { reason: failed.into() };
        }
        report.cells[2].outcome =
            CellOutcome::NotRun { reason: "the budget was used up after 1 engine starts".into() };
        let page = sweep_page(&report);
        assert!(page.contains("6 cells: 3 measured, 2 failed, 1 not run"), "{page}");
        assert_eq!(page.matches("torch.OutOfMemoryError").count(), 1, "{page}");
        assert!(page.contains("  b not run: the budget was used up"), "{page}");
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    }
}
