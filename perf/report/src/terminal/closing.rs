//! The first screen of a run: whether to act, what did not hold, and the next command. Main functions:
//! [`overview`], and [`closing`] for the end of a run.

use std::fmt::Write;

use super::table::number;
use super::wrap::{WIDTH, columns, folded, wrapped};
use super::{change, left_out};
use crate::overview::{Overview, Problem};

/// The most lines of the list, so that all of it is on one screen of 24.
const LINES: usize = 13;

/// The result, what did not hold, and what to do about it.
pub fn overview(run: &Overview<'_>) -> String {
    let mut text = wrapped(&run.headline(), "");
    text.push_str(&problems(run));
    for (load, row) in run.improvements().iter().take(LINES) {
        let (suite, name, label) = (&load.suite, &load.load, row.metric.label());
        let improved = format!("improved: {suite} / {name}, {label} {}", change(row));
        text.push_str(&wrapped(&improved, ""));
    }
    if let Some(next) = run.next() {
        text.push_str(&advice(&format!("next: {next}")));
    }
    text
}

/// The last lines of a run: the overview, then what was under test, what was left out, and what it
/// took.
pub fn closing(run: &Overview<'_>) -> String {
    let mut text = overview(run);
    if let Some(under_test) = run.under_test() {
        text.push_str(&wrapped(&format!("under test: {under_test}"), ""));
    }
    for line in run.parts() {
        text.push_str(&wrapped(&line, ""));
    }
    if let Some(request) = run.request {
        for line in left_out(request.settings.tier, &request.left_out) {
            text.push_str(&wrapped(&line, ""));
        }
    }
    if run.gpu_s() > 0.0 {
        let _ = writeln!(text, "used {:.1} GPU-min", run.gpu_s() / 60.0);
    }
    if run.is_simulated() {
        text.push_str("these figures are SIMULATED: they do not describe a GPU\n");
    }
    text
}

/// What did not hold, load by load, the worst first.
fn problems(run: &Overview<'_>) -> String {
    let problems = run.problems();
    let mut lines: Vec<String> = Vec::new();
    let mut before = None;
    let mut shown = 0;
    for problem in &problems {
        let place = (problem.suite, problem.load);
        let mut more = Vec::new();
        if before != Some(place) {
            let load = problem.load.map(|load| format!(" / {load}")).unwrap_or_default();
            more.push(format!("  {}{load}", problem.suite));
        }
        more.push(line(problem));
        if lines.len() + more.len() > LINES {
            break;
        }
        lines.extend(more);
        (before, shown) = (Some(place), shown + 1);
    }
    if shown < problems.len() {
        lines.push(format!("  and {} more", problems.len() - shown));
    }
    lines.into_iter().map(|line| folded(&line) + "\n").collect()
}

/// One thing that did not hold, on one line.
fn line(problem: &Problem<'_>) -> String {
    let verdict = problem.verdict.to_string();
    if let Some(row) = problem.row {
        let label = format!("{} [{}]", row.metric.label(), row.metric.unit());
        let value = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), number);
        let moved = format!("{} → {}", value(row.baseline), value(row.measured));
        return format!("    {verdict:<13}{label:<27}{moved:>15}  {}", change(row));
    }
    let reason = problem.reason.as_deref().unwrap_or_default();
    let first = reason.lines().next().unwrap_or_default();
    let left = WIDTH - 17;
    let cut: String = if first.chars().count() > left {
        first.chars().take(left - 1).chain(['…']).collect()
    } else {
        first.to_owned()
    };
    format!("    {verdict:<13}{cut}")
}

/// Advice, whose commands stand on lines of their own, as they are typed. One that is longer than a
/// line goes on behind a backslash, which a shell takes for the same command.
pub fn advice(sentences: &str) -> String {
    let mut text = String::new();
    let mut sentence = String::new();
    let (mut is_command, mut is_after_command) = (false, false);
    for part in sentences.split('`') {
        if is_command && part.starts_with("cargo ") {
            text.push_str(&wrapped(sentence.trim_end_matches([' ', '(']), ""));
            text.push_str(&command(part));
            sentence.clear();
            is_after_command = true;
        } else if is_command {
            let _ = write!(sentence, "`{part}`");
        } else if is_after_command {
            // What closes the command in a sentence stands at the beginning of a line here.
            sentence.push_str(part.trim_start_matches([',', ')']));
            is_after_command = false;
        } else {
            sentence.push_str(part);
        }
        is_command = !is_command;
    }
    if !sentence.trim().is_empty() {
        let indent = if text.is_empty() { "" } else { "  " };
        text.push_str(&wrapped(&sentence, indent));
    }
    text
}

/// A command, indented. It is broken before options, and elsewhere only where it must be. No word in
/// quotes is taken apart.
fn command(words: &str) -> String {
    let mut lines = Vec::new();
    let mut line = String::from("    ");
    for (at, part) in words.split(" --").enumerate() {
        let part = if at == 0 { part.to_owned() } else { format!("--{part}") };
        // Two more for the backslash.
        if at > 0 && columns(&line) + 1 + columns(&part) + 2 > WIDTH {
            lines.push(format!("{line} \\"));
            line = format!("      {part}");
        } else {
            if at > 0 {
                line.push(' ');
            }
            line.push_str(&part);
        }
        while let Some((head, rest)) = split_where_wide(&line) {
            lines.push(format!("{head} \\"));
            line = format!("      {rest}");
        }
    }
    lines.push(line);
    lines.into_iter().map(|line| line + "\n").collect()
}

/// A line of a command that is too wide, divided at the last blank that lies before its end and in no
/// quotes.
fn split_where_wide(line: &str) -> Option<(String, String)> {
    if columns(line) <= WIDTH {
        return None;
    }
    let indent = line.len() - line.trim_start().len();
    let mut quote = None;
    let mut last = None;
    for (at, letter) in line.char_indices().skip(indent) {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), close) if open == close => quote = None,
            (None, ' ') if last.is_none() || columns(&line[..at]) + 2 <= WIDTH => last = Some(at),
            _ => {}
        }
    }
    let at = last?;
    Some((line[..at].to_owned(), line[at + 1..].to_owned()))
}

#[cfg(test)]
mod tests {
    use perf_model::judge::verdict::Verdict;

    use super::*;
    use crate::testing;

    #[test]
    fn the_overview_of_every_verdict() {
        let request = testing::request();
        let texts: Vec<String> = testing::every_verdict()
            .iter()
            .map(|reports| {
                overview(&Overview { reports, request: Some(&request), is_complete: true })
            })
            .collect();
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn the_first_screen_holds_result_what_regressed_and_the_next_command_in_80_columns() {
        let mut request = testing::request();
        let arguments = ["--max-num-batched-tokens", "4096", "--gpu-memory-utilization", "0.9"];
        request.settings.candidate.arguments = arguments.map(str::to_owned).to_vec();
        for reports in [vec![testing::large(200)], testing::VERDICTS.map(testing::suite).to_vec()] {
            let run = Overview { reports: &reports, request: Some(&request), is_complete: true };
            let text = overview(&run);
            assert!(text.starts_with("REGRESSED: "), "{text}");
            assert!(text.lines().count() <= 24, "{text}");
            assert!(text.contains("\n    cargo xtask perf refresh awq "), "{text}");
            assert!(text.contains("output throughput [tok/s]"), "{text}");
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "{line}");
            }
        }
    }

    #[test]
    fn a_command_that_was_broken_is_the_same_for_a_shell() {
        let words = "cargo xtask perf refresh a --engine docker --image vllm/vllm-openai:v0.32.0 \
                     --env 'NOTE=two  words' -- --max-num-batched-tokens 4096";
        let text = command(words);
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.chars().count() <= WIDTH));
        let joined: Vec<&str> =
            text.lines().map(|line| line.trim_end_matches(" \\").trim_start()).collect();
        assert_eq!(joined.join(" "), words);
    }

    #[test]
    fn a_command_of_many_names_is_broken_between_them_and_not_in_quotes() {
        let names: Vec<String> = (0..20).map(|at| format!("'suite {at}'")).collect();
        let words = format!("cargo xtask perf {} --tier full", names.join(" "));
        let text = command(&words);
        assert!(text.lines().count() > 2, "{text}");
        assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
        let joined: Vec<&str> =
            text.lines().map(|line| line.trim_end_matches(" \\").trim_start()).collect();
        assert_eq!(joined.join(" "), words);
        assert!(text.lines().all(|line| line.matches('\'').count().is_multiple_of(2)), "{text}");
    }

    #[test]
    fn no_line_of_any_verdict_is_wider_than_80_columns() {
        for verdict in testing::VERDICTS {
            let report = testing::suite(verdict);
            for text in [super::super::suite(&report), super::super::brief(&report)] {
                // Paths are not broken.
                let lines = text.lines().filter(|line| !line.contains('/') || line.contains(" / "));
                for line in lines {
                    assert!(line.chars().count() <= WIDTH, "{line}");
                }
            }
        }
        assert_eq!(Verdict::of_run(testing::VERDICTS), Some(Verdict::Regressed));
    }
}
