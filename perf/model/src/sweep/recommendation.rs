//! What a sweep advises for a goal, in one sentence: [`recommend`].

use crate::spec::metric::Direction;
use crate::sweep::goal::{Figure, Goal};
use crate::sweep::ranking::Ranked;
use crate::sweep::report::SweepReport;

/// The sentence for a goal and the cells ranked by it, best first.
///
/// It says by how much the best cell leads, and does not call it better than the next where the
/// engine starts of the two overlap.
pub fn recommend(report: &SweepReport, goal: &Goal, ranking: &[Ranked]) -> String {
    let Some(best) = ranking.first() else {
        return format!("{}: no cell has figures for this goal.", goal.name);
    };
    let label = report.label(best.cell);
    let what = match goal.single() {
        Some(figure) => {
            let extreme = match figure.metric.direction() {
                Direction::HigherIsBetter => "highest",
                Direction::LowerIsBetter => "lowest",
            };
            let value = report.cells[best.cell].value(figure).unwrap_or_default();
            format!("{label} gives the {extreme} {figure} ({} {})", short(value), figure.unit())
        }
        None => format!(
            "{label} is {:.1} % from the best on average over {}",
            (best.loss - 1.0) * 100.0,
            listed(&goal.figures)
        ),
    };
    let Some(next) = ranking.get(1) else { return format!("{}: {what}.", goal.name) };
    let lead = (next.loss / best.loss - 1.0) * 100.0;
    let next_label = report.label(next.cell);
    let overlap = goal.single().is_some_and(|figure| overlap(report, figure, best, next));
    let comparison = if overlap {
        format!("the engine starts of {next_label} overlap with it")
    } else {
        format!("{lead:.1} % ahead of {next_label}")
    };
    format!("{}: {what}, {comparison}.", goal.name)
}

/// Whether the ranges of two cells over their engine starts overlap. Of one start no range is known.
fn overlap(report: &SweepReport, figure: Figure, best: &Ranked, next: &Ranked) -> bool {
    let range = |cell: usize| {
        let values = report.cells[cell].by_start(figure);
        let least = values.iter().copied().reduce(f64::min)?;
        let most = values.iter().copied().reduce(f64::max)?;
        (values.len() > 1).then_some((least, most))
    };
    match (range(best.cell), range(next.cell)) {
        (Some(best), Some(next)) => best.0 <= next.1 && next.0 <= best.1,
        _ => false,
    }
}

fn listed(figures: &[Figure]) -> String {
    let names: Vec<String> = figures.iter().map(ToString::to_string).collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => names.join(""),
    }
}

/// A figure with about four digits.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => format!("{value:.0}"),
        large if large >= 100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::fixtures::sweep;
    use crate::sweep::analysis::Analysis;
    use crate::sweep::cell::CellOutcome;

    #[test]
    fn a_sentence_names_the_best_cell_its_value_with_the_scope_and_its_lead() {
        assert_eq!(
            Analysis::of(&sweep()).recommendations,
            [
                "throughput: max-num-seqs=64, concurrency=32 gives the highest output throughput (120.0 tok/s, server), \
                 18.8 % ahead of max-num-seqs=8, concurrency=32.",
                "first token: max-num-seqs=64, concurrency=1 gives the lowest TTFT P50 (18.00 ms), 11.1 % ahead of \
                 max-num-seqs=8, concurrency=1.",
                "balance: max-num-seqs=8, concurrency=8 is 31.7 % from the best on average over output throughput and \
                 TTFT P50, 63.0 % ahead of max-num-seqs=64, concurrency=8.",
            ]
        );
    }

    #[test]
    fn a_cell_whose_engine_starts_overlap_with_the_next_is_not_called_better() {
        let mut report = sweep();
        let rate = report.goals[0].figures[0].metric;
        for (cell, values) in [(5, vec![99.0, 120.0]), (2, vec![100.0, 102.0])] {
            if let CellOutcome::Measured { starts, .. } = &mut report.cells[cell].outcome {
                starts.insert(rate, values);
            }
        }
        let sentence = &Analysis::of(&report).recommendations[0];
        assert!(
            sentence
                .ends_with("the engine starts of max-num-seqs=8, concurrency=32 overlap with it."),
            "{sentence}"
        );
    }

    #[test]
    fn without_figures_the_sentence_says_so() {
        let mut report = sweep();
        for cell in &mut report.cells {
            cell.outcome = CellOutcome::Failed { reason: "x".into() };
        }
        let sentences = Analysis::of(&report).recommendations;
        assert_eq!(sentences[0], "throughput: no cell has figures for this goal.");
    }
}
