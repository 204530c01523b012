//! The five seconds of a report: [`Overview`] says whether to act, what did not hold, and what to do
//! next. Every format begins with it.

use std::fmt::Write;

use perf_model::judge::exit_code;
use perf_model::judge::report::{LoadReport, Row, SuiteReport};
use perf_model::judge::verdict::Verdict;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::merged::{Merged, MergedPart, PartState};
use perf_model::spec::run_request::RunRequest;
use perf_model::spec::settings::Purpose;

use crate::advice::{Invocation, advice};

/// A run, as every format sees it.
#[derive(Clone, Copy, Debug)]
pub struct Overview<'a> {
    /// What its suites gave, in the order they ran.
    pub reports: &'a [SuiteReport],
    /// What was asked for; absent for runs of older versions, which did not keep it.
    pub request: Option<&'a RunRequest>,
    /// Whether the run came to its end.
    pub is_complete: bool,
}

/// Something that did not hold: a guard, a load or a suite.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem<'a> {
    /// The suite.
    pub suite: &'a str,
    /// The load; absent where the whole suite was not measured.
    pub load: Option<&'a str>,
    /// The guarded figure; absent where the reason applies to the whole load.
    pub row: Option<&'a Row>,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why, where the figures alone do not say it.
    pub reason: Option<String>,
}

impl<'a> Overview<'a> {
    /// The verdict of the whole; absent where no suite ran. It is what the exit code says.
    pub fn verdict(&self) -> Option<Verdict> {
        let verdicts = self.reports.iter().map(|report| report.verdict);
        let is_required = self.request.is_some_and(|request| request.requires_hardware);
        if is_required { Verdict::join(verdicts) } else { Verdict::of_run(verdicts) }
    }

    /// The exit code of `cargo xtask perf`.
    pub fn exit_code(&self) -> u8 {
        if !self.is_complete {
            return exit_code::INTERRUPTED;
        }
        self.verdict().map_or(exit_code::MISSING, exit_code::code)
    }

    /// The result in a few words: `REGRESSED: 2 of 9 guards`.
    pub fn headline(&self) -> String {
        let Some(verdict) = self.verdict() else { return "no suite ran".to_owned() };
        let guards = self.guards().count();
        let of = |wanted: Verdict| self.guards().filter(|found| *found == wanted).count();
        let mut text = verdict.to_string();
        let count = of(verdict);
        if guards > 0 && count > 0 {
            let _ = write!(text, ": {count} of {guards} guard{}", plural(guards));
        }
        let improved = of(Verdict::Improved);
        if improved > 0 && verdict != Verdict::Improved {
            let _ = write!(text, ", {improved} improved");
        }
        if !self.is_complete {
            text.push_str("; the run was interrupted");
        }
        if let Some(merged) = self.merged() {
            let lacking = merged.lacking().count();
            if lacking > 0 {
                let of = merged.parts.len();
                let _ = write!(text, "; {lacking} of {of} parts did not come to an end");
            }
        }
        text
    }

    /// The parts that the run was merged from, if it was.
    pub fn merged(&self) -> Option<&'a Merged> {
        self.request?.merged.as_ref()
    }

    /// What is said of the parts of a run, or of the part that it is: nothing for most.
    pub fn parts(&self) -> Vec<String> {
        let Some(request) = self.request else { return Vec::new() };
        if let Some(merged) = &request.merged {
            return of_merged(merged);
        }
        let Some(part) = &request.part else { return Vec::new() };
        let own = part.split.part(&part.name).map_or(0, |own| own.guards);
        vec![format!(
            "part {} of {}: {own} of {} guards, which share one error rate; `cargo xtask perf merge` gives the verdict of the whole",
            part.name,
            part.split.parts.len(),
            part.split.guards
        )]
    }

    /// What to do about it, with a command that is complete and safe to paste, in backticks. Absent
    /// where there is nothing to do, or where what was asked for is not known.
    pub fn next(&self) -> Option<String> {
        let verdict = self.verdict()?;
        if let Some(missing) = self.merged().and_then(|merged| measure_again(merged, verdict)) {
            return Some(missing);
        }
        let run = Invocation::of(self.request?);
        advice(verdict, self.reports, &run)
    }

    /// The first line of every format: the result, then what to do.
    pub fn first_line(&self) -> String {
        let headline = self.headline();
        match (self.next(), self.verdict()) {
            (Some(next), _) => format!("{headline}: {next}"),
            (None, Some(Verdict::Held)) => format!("{headline}; nothing to do"),
            (None, Some(Verdict::Skipped)) => {
                format!("{headline}; nothing was measured, so this is no pass")
            }
            (None, _) => headline,
        }
    }

    /// What is under test; absent for runs of older versions.
    pub fn under_test(&self) -> Option<String> {
        // Where every part died, what they were to measure is not known.
        self.merged().is_none_or(Merged::has_measured).then_some(())?;
        Some(Invocation::of(self.request?).under_test())
    }

    /// The name of what the candidate is held against.
    pub fn base_name(&self) -> &'static str {
        let is_compare =
            self.request.is_some_and(|request| request.settings.purpose == Purpose::Compare);
        if is_compare { "base" } else { "baseline" }
    }

    /// Whether any figure is of the simulated engine.
    pub fn is_simulated(&self) -> bool {
        self.reports.iter().any(|report| report.engine == EngineKind::Simulated)
    }

    /// What it took: seconds times GPUs.
    pub fn gpu_s(&self) -> f64 {
        self.reports.iter().map(|report| report.gpu_s).sum()
    }

    /// All loads, in the order they ran.
    pub fn loads(&self) -> impl Iterator<Item = &'a LoadReport> + use<'a> {
        self.reports.iter().flat_map(|report| &report.loads)
    }

    /// Everything that did not hold, the worst first. An improvement is no problem, and neither is a
    /// suite that was skipped.
    pub fn problems(&self) -> Vec<Problem<'a>> {
        let mut problems: Vec<Problem<'a>> = self.reports.iter().flat_map(of_suite).collect();
        problems.sort_by_key(|problem| std::cmp::Reverse(problem.verdict));
        problems
    }

    /// The guards that improved.
    pub fn improvements(&self) -> Vec<(&'a LoadReport, &'a Row)> {
        let rows = self.loads().flat_map(|load| load.rows.iter().map(move |row| (load, row)));
        rows.filter(|(_, row)| verdict_of(row) == Some(Verdict::Improved)).collect()
    }

    fn guards(&self) -> impl Iterator<Item = Verdict> + use<'a> {
        self.loads().flat_map(|load| load.rows.iter().filter_map(verdict_of))
    }
}

/// A line of all parts, and one for each remark.
fn of_merged(merged: &Merged) -> Vec<String> {
    let part = |part: &MergedPart| {
        let MergedPart { name, state, guards } = part;
        let state = match state {
            PartState::Complete => "",
            PartState::Unfinished => ", did not come to its end",
            PartState::Missing => ", left no run",
        };
        format!("{name} ({guards} guard{}{state})", plural(*guards as usize))
    };
    let parts: Vec<String> = merged.parts.iter().map(part).collect();
    let line =
        format!("parts: {}; {} guards share one error rate", parts.join(", "), merged.guards);
    std::iter::once(line).chain(merged.remarks.iter().cloned()).collect()
}

/// What to do where parts are missing for a verdict, or do not fit together.
fn measure_again(merged: &Merged, verdict: Verdict) -> Option<String> {
    if verdict == Verdict::Invalid {
        return Some(
            "no verdict; fix the problems above, measure the parts that have them again, then merge all parts"
                .to_owned(),
        );
    }
    let lacking: Vec<&MergedPart> = merged.lacking().collect();
    let first = lacking.first().filter(|_| verdict == Verdict::Inconclusive)?;
    let others = match lacking.len() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    Some(format!(
        "measure part {} again{others} (`cargo xtask perf --split split.json --part {}`), then merge all parts",
        first.name, first.name
    ))
}

fn verdict_of(row: &Row) -> Option<Verdict> {
    row.guard.as_ref().map(|guard| guard.judgement.verdict)
}

fn of_suite(report: &SuiteReport) -> Vec<Problem<'_>> {
    if report.loads.is_empty() && !report.verdict.is_pass() && report.verdict != Verdict::Skipped {
        return vec![Problem {
            suite: &report.suite,
            load: None,
            row: None,
            verdict: report.verdict,
            reason: report.remark.clone(),
        }];
    }
    report.loads.iter().flat_map(of_load).collect()
}

/// The guards of a load that did not hold; where a reason applies to all of them, that reason.
fn of_load(load: &LoadReport) -> Vec<Problem<'_>> {
    let problem = |row, verdict, reason| Problem {
        suite: &load.suite,
        load: Some(&load.load),
        row,
        verdict,
        reason,
    };
    let whole: Vec<String> = match load.verdict {
        Verdict::Invalid => load.faults.iter().map(ToString::to_string).collect(),
        Verdict::Incomparable => load.incomparable.iter().map(ToString::to_string).collect(),
        Verdict::Unrecorded => vec![format!("there is no {}", load.baseline_file)],
        _ => Vec::new(),
    };
    if !whole.is_empty() {
        return vec![problem(None, load.verdict, Some(whole.join("; ")))];
    }
    let guarded = load.rows.iter().filter_map(|row| Some((row, &row.guard.as_ref()?.judgement)));
    guarded
        .filter(|(_, judgement)| !judgement.verdict.is_pass())
        .map(|(row, judged)| problem(Some(row), judged.verdict, judged.reason.clone()))
        .collect()
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use perf_model::spec::code::Code;
    use perf_model::spec::merged::PartOf;
    use perf_model::spec::split::{Split, SplitPart};
    use perf_model::spec::tier::Tier;

    use super::*;
    use crate::testing;

    #[test]
    fn the_first_line_of_every_verdict_says_whether_to_act() {
        let request = testing::request();
        let lines: Vec<String> = testing::every_verdict()
            .iter()
            .map(|reports| {
                let overview = Overview { reports, request: Some(&request), is_complete: true };
                overview.first_line()
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_run_that_was_merged_without_a_part_names_it_in_every_format() {
        let (reports, request) = testing::merged();
        let run = Overview { reports: &reports, request: Some(&request), is_complete: true };
        assert_eq!((run.verdict(), run.exit_code()), (Some(Verdict::Inconclusive), 3));
        let json: serde_json::Value =
            serde_json::from_str(&crate::json::json(&run).unwrap()).unwrap();
        assert_eq!(json["parts"][2]["state"], "missing");
        let texts = [
            crate::terminal::closing(&run),
            crate::markdown::markdown(&run),
            crate::junit::junit(&run).unwrap(),
            crate::csv::csv(&run).replace("\r\n", "\n"),
        ];
        insta::assert_snapshot!(texts.join("\n----\n"));
    }

    #[test]
    fn a_part_of_a_run_says_that_its_verdict_is_not_that_of_the_whole() {
        let split = Split {
            schema: 1,
            code: Code::default(),
            tier: Tier::PullRequest,
            filters: Vec::new(),
            guards: 12,
            parts: vec![SplitPart {
                name: "a".into(),
                scenarios: Vec::new(),
                suites: Vec::new(),
                guards: 2,
            }],
            without_machine: Vec::new(),
            left_out: Vec::new(),
        };
        let part = Some(PartOf { name: "a".into(), code: Code::default(), split });
        let request = RunRequest { part, ..testing::request() };
        let run = Overview { reports: &[], request: Some(&request), is_complete: true };
        assert_eq!(
            run.parts(),
            [
                "part a of 1: 2 of 12 guards, which share one error rate; `cargo xtask perf merge` gives the verdict of the whole"
            ]
        );
    }

    #[test]
    fn a_required_suite_that_was_skipped_is_no_pass() {
        let reports = [testing::suite(Verdict::Held), testing::suite(Verdict::Skipped)];
        let mut request = testing::request();
        let verdict = |request: &RunRequest| {
            let run = Overview { reports: &reports, request: Some(request), is_complete: true };
            (run.verdict(), run.exit_code())
        };
        assert_eq!(verdict(&request), (Some(Verdict::Held), 0));
        request.requires_hardware = true;
        assert_eq!(verdict(&request), (Some(Verdict::Skipped), 7));
    }

    #[test]
    fn the_worst_problem_comes_first_and_what_held_is_none() {
        let reports =
            [Verdict::Held, Verdict::Inconclusive, Verdict::Regressed].map(testing::suite);
        let run = Overview { reports: &reports, request: None, is_complete: true };
        let verdicts: Vec<Verdict> = run.problems().iter().map(|problem| problem.verdict).collect();
        assert_eq!(verdicts, [Verdict::Regressed, Verdict::Inconclusive]);
        assert_eq!(run.next(), None, "an advised command without what was asked for is no command");
    }
}
