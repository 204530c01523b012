//! Parts that live, die, are given twice, or do not fit together.

use super::*;
use crate::fixtures;
use crate::judge::judgement::Judgement;
use crate::judge::report::{GuardRow, LoadReport, Row};
use crate::spec::code::Code;
use crate::spec::merged::PartOf;
use crate::spec::split::SCHEMA;
use crate::spec::tier::Tier;
use crate::spec::units::percent;

fn split() -> Split {
    let part = |name: &str, suites: &[&str]| SplitPart {
        name: name.into(),
        scenarios: suites.iter().map(|suite| format!("f::{suite}")).collect(),
        suites: suites.iter().map(|suite| (*suite).to_owned()).collect(),
        guards: u32::try_from(suites.len()).unwrap(),
    };
    Split {
        schema: SCHEMA,
        code: Code { version: "1".into(), commit: Some("abc".into()), ..Code::default() },
        tier: Tier::PullRequest,
        filters: Vec::new(),
        guards: 3,
        parts: vec![part("a", &["chat", "rag"]), part("b", &["big"])],
        without_machine: Vec::new(),
        left_out: vec!["cold".into()],
    }
}

fn report(suite: &str, verdict: Verdict) -> SuiteReport {
    let row = Row {
        guard: Some(GuardRow {
            slack: percent(2.5),
            limit: None,
            judgement: Judgement::plain(verdict),
        }),
        ..fixtures::row("e2e_p50_ms".parse().unwrap())
    };
    let load = LoadReport {
        suite: suite.into(),
        load: "l".into(),
        verdict,
        rows: vec![row],
        baseline_file: format!("baselines/gpu/{suite}/l.snap"),
        ..fixtures::load_report()
    };
    SuiteReport::measured(suite.into(), EngineKind::Docker, vec![load], 60.0)
}

/// A part that measured all of its suites, with these verdicts.
fn run(name: &str, verdicts: &[(&str, Verdict)]) -> PartRun {
    let split = split();
    let mut request = RunRequest {
        part: Some(PartOf { name: name.into(), code: split.code.clone(), split: split.clone() }),
        ..RunRequest::default()
    };
    request.settings.engine = EngineKind::Docker;
    request.settings.checks = Some(split.guards);
    let reports: Vec<(String, SuiteReport)> = verdicts
        .iter()
        .map(|(suite, verdict)| ((*suite).to_owned(), report(suite, *verdict)))
        .collect();
    let folders = verdicts.iter().map(|(suite, _)| (*suite).to_owned()).collect();
    let content = PartContent { request, is_complete: true, reports, folders, unread: Vec::new() };
    PartRun { source: format!("runs/{name}"), found: Ok(content) }
}

fn content(run: &mut PartRun) -> &mut PartContent {
    run.found.as_mut().unwrap()
}

use Verdict::{Held, Inconclusive, Invalid, Regressed};

fn a() -> PartRun {
    run("a", &[("chat", Held), ("rag", Held)])
}

fn b() -> PartRun {
    run("b", &[("big", Held)])
}

fn of(runs: &[PartRun]) -> Whole {
    merge(Some(&split()), runs, &[]).unwrap()
}

fn verdict(whole: &Whole) -> Option<Verdict> {
    let suites = whole.suites.iter().map(|suite| suite.report.verdict);
    Verdict::of_run(suites.chain(whole.alarms.iter().map(|alarm| alarm.verdict)))
}

fn alarms(whole: &Whole) -> Vec<String> {
    let line = |alarm: &SuiteReport| {
        format!("{}: {}: {}", alarm.suite, alarm.verdict, alarm.remark.as_deref().unwrap())
    };
    whole.alarms.iter().map(line).collect()
}

fn states(whole: &Whole) -> Vec<PartState> {
    whole.request.merged.as_ref().unwrap().parts.iter().map(|part| part.state).collect()
}

#[test]
fn parts_that_held_make_a_whole_that_held() {
    let whole = merge(None, &[a(), b()], &[]).unwrap();
    assert_eq!((verdict(&whole), alarms(&whole)), (Some(Held), vec![]));
    assert_eq!(states(&whole), [PartState::Complete, PartState::Complete]);
    let folders: Vec<&str> = whole.suites.iter().map(|suite| suite.folder.as_str()).collect();
    assert_eq!(folders, ["chat", "rag", "big"]);
    let request = whole.request;
    assert_eq!((request.merged.unwrap().guards, request.settings.checks), (3, Some(3)));
    assert_eq!((request.part, request.left_out), (None, vec!["cold".to_owned()]));
}

#[test]
fn a_part_that_left_no_run_makes_the_whole_inconclusive_and_is_named_with_its_suites() {
    let whole = of(&[a()]);
    assert_eq!(verdict(&whole), Some(Inconclusive));
    assert_eq!(
        alarms(&whole),
        [
            "part b: INCONCLUSIVE: it left no run: its machine died or never began; not measured: big"
        ]
    );
    assert_eq!(verdict(&of(&[])), Some(Inconclusive));
    let regressed = run("a", &[("chat", Regressed), ("rag", Held)]);
    assert_eq!(verdict(&of(&[regressed])), Some(Regressed));
}

#[test]
fn a_part_that_died_keeps_what_it_measured_and_is_inconclusive_also_if_that_was_all() {
    let mut died = run("a", &[("chat", Held)]);
    content(&mut died).is_complete = false;
    let whole = of(&[died, b()]);
    assert_eq!((verdict(&whole), whole.suites.len()), (Some(Inconclusive), 2));
    assert_eq!(
        alarms(&whole),
        [
            "part a: INCONCLUSIVE: its run runs/a did not come to its end: its machine died, or it was interrupted; not measured: rag"
        ]
    );
    let mut died = b();
    content(&mut died).is_complete = false;
    let whole = of(&[a(), died]);
    assert_eq!(verdict(&whole), Some(Inconclusive));
    assert!(alarms(&whole)[0].ends_with("not measured: nothing"), "{:?}", alarms(&whole));
}

#[test]
fn a_run_that_cannot_be_read_is_named_and_its_part_is_missing() {
    let lost = PartRun { source: "runs/b".into(), found: Err("run.json: it is empty".into()) };
    let whole = of(&[a(), lost.clone()]);
    let said = alarms(&whole).join("\n");
    assert!(said.contains("part runs/b: INCONCLUSIVE: it cannot be read: run.json: it is empty"));
    assert!(said.contains("part b: INCONCLUSIVE: it left no run"), "{said}");
    let nothing = merge(None, &[lost], &[]).unwrap_err().to_string();
    assert!(nothing.contains("--split FILE`; run.json: it is empty"), "{nothing}");
    let mut cut = a();
    content(&mut cut).reports.pop();
    content(&mut cut).unread.push("rag/report.json: end of file".into());
    let known = [baseline("rag", &["e2e_p50_ms"])];
    let whole = merge(Some(&split()), &[cut, b()], &known).unwrap();
    assert_eq!(verdict(&whole), Some(Inconclusive));
    let said = alarms(&whole).join("\n");
    assert!(said.contains("a report cannot be read: rag/report.json: end of file"), "{said}");
    assert!(said.contains("it came to its end without a report of rag"), "{said}");
}

#[test]
fn a_part_that_was_given_twice_counts_once_and_two_runs_of_one_part_are_no_choice() {
    let whole = of(&[a(), b(), b()]);
    assert_eq!((verdict(&whole), whole.suites.len()), (Some(Held), 3));
    let remarks = &whole.request.merged.as_ref().unwrap().remarks;
    assert_eq!(remarks[..], ["part b was given twice, runs/b and runs/b, and counts once"]);
    let whole = of(&[a(), b(), run("b", &[("big", Regressed)])]);
    assert_eq!(verdict(&whole), Some(Regressed));
    assert!(alarms(&whole)[0].contains("it has two runs that came to their ends"));
    let names: Vec<&str> = whole.suites.iter().map(|suite| suite.report.suite.as_str()).collect();
    assert_eq!(names, ["chat", "rag", "big@b", "big@b-2"]);
    assert_eq!(whole.folders[&2]["big"], "big@b-2");
}

#[test]
fn a_machine_that_died_and_was_run_again_counts_by_its_second_run_and_the_first_is_not_hidden() {
    let mut died = run("a", &[("chat", Regressed)]);
    content(&mut died).is_complete = false;
    let whole = of(&[died, a(), b()]);
    assert_eq!((verdict(&whole), alarms(&whole)), (Some(Held), vec![]));
    let remarks = &whole.request.merged.as_ref().unwrap().remarks;
    assert!(remarks[0].contains("did not come to its end (chat REGRESSED)"), "{remarks:?}");
}

#[test]
fn parts_of_other_code_of_another_split_or_with_something_else_under_test_are_invalid() {
    let invalid = |change: &dyn Fn(&mut PartContent), said: &str| {
        let mut other = b();
        change(content(&mut other));
        let whole = of(&[a(), other]);
        assert_eq!(verdict(&whole), Some(Invalid), "{said}");
        let alarms = alarms(&whole).join("\n");
        assert!(alarms.contains(said), "{alarms}");
        assert_eq!(whole.suites.len(), 3, "something was lost");
    };
    invalid(
        &|content| content.request.part.as_mut().unwrap().code.commit = Some("def".into()),
        "part b: INVALID: it measured other code than the split was made with: commit def",
    );
    invalid(
        &|content| content.request.part.as_mut().unwrap().code.record_schema = 9,
        "records of schema 9",
    );
    invalid(
        &|content| content.request.part.as_mut().unwrap().split.guards = 9,
        "runs/b is of another split",
    );
    invalid(
        &|content| content.request.settings.candidate.image = Some("other".into()),
        "something else under test than part a: other image",
    );
    invalid(
        &|content| content.request.settings.checks = Some(1),
        "its error rate was spread over 1 guards, and the whole has 3",
    );
}

#[test]
fn a_slow_machine_of_a_simulation_is_not_something_else_under_test() {
    let mut slow = b();
    content(&mut slow).request.settings.candidate.inject = Some("decode=1.1".into());
    let whole = of(&[a(), slow]);
    assert_eq!(verdict(&whole), Some(Held));
    assert_eq!(whole.request.settings.candidate.inject.as_deref(), Some("decode=1.1"));
}

#[test]
fn only_gated_parts_are_merged() {
    let refused = |change: &dyn Fn(&mut RunRequest)| {
        let mut other = b();
        change(&mut content(&mut other).request);
        merge(Some(&split()), &[a(), other], &[]).unwrap_err().to_string()
    };
    let said = refused(&|request| request.part = None);
    assert!(said.contains("runs/b is no part of a split run: its 3 guards"), "{said}");
    let said = refused(&|request| request.merged = Some(Merged::default()));
    assert!(said.contains("merged already"), "{said}");
    let said = refused(&|request| request.settings.purpose = Purpose::Refresh);
    assert!(said.contains("no gated run"), "{said}");
}

#[test]
fn one_suite_on_two_kinds_of_machines_is_shown_twice_by_the_names_of_the_parts() {
    let whole = of(&[a(), run("b", &[("big", Held), ("chat", Regressed)])]);
    let names: Vec<&str> = whole.suites.iter().map(|suite| suite.report.suite.as_str()).collect();
    assert_eq!(names, ["chat@a", "rag", "big", "chat@b"]);
    assert_eq!(whole.suites[0].report.loads[0].suite, "chat@a");
    assert_eq!(whole.suites[0].folder, "chat@a");
    assert_eq!(verdict(&whole), Some(Regressed));
}

fn baseline(suite: &str, metrics: &[&str]) -> GuardedBaseline {
    GuardedBaseline {
        file: format!("baselines/gpu/{suite}/l.snap"),
        suite: suite.into(),
        load: "l".into(),
        metrics: metrics.iter().map(|metric| metric.parse().unwrap()).collect(),
    }
}

#[test]
fn a_guard_that_a_baseline_has_and_no_part_measured_is_an_alarm_of_its_own() {
    let known = [
        baseline("chat", &["e2e_p50_ms"]),
        baseline("cold", &["e2e_p50_ms"]),
        baseline("rag", &["e2e_p50_ms", "ttft_p50_ms"]),
        baseline("gone", &["e2e_p50_ms"]),
    ];
    let whole = merge(Some(&split()), &[a(), b()], &known).unwrap();
    assert_eq!(verdict(&whole), Some(Invalid));
    assert_eq!(
        alarms(&whole),
        [
            "missing: gone / l: INVALID: baselines/gpu/gone/l.snap guards E2E P50, and no part measured that; correct the \
             scenario or the split, or, if that is intended, delete the baseline",
            "missing: rag / l: INVALID: baselines/gpu/rag/l.snap guards TTFT P50, and no part measured that; correct the \
             scenario or the split, or, if that is intended, run `cargo xtask perf rewrite`",
        ]
    );
    // Only what was asked for can be missing.
    let mut asked = split();
    asked.filters = vec!["chat".into()];
    let mut part = a();
    content(&mut part).request.part.as_mut().unwrap().split = asked.clone();
    let whole = merge(Some(&asked), &[part], &known[3..]).unwrap();
    assert!(!alarms(&whole).iter().any(|alarm| alarm.starts_with("missing")));
}

#[test]
fn what_a_dead_part_or_a_skipped_suite_did_not_measure_is_missing_for_a_known_reason() {
    let whole = merge(Some(&split()), &[a()], &[baseline("big", &["e2e_p50_ms"])]).unwrap();
    assert_eq!((verdict(&whole), whole.alarms.len()), (Some(Inconclusive), 1));
    let mut skipped = b();
    let why = "needs 2 GPUs".to_owned();
    let none = SuiteReport::unmeasured("big".into(), EngineKind::Docker, Verdict::Skipped, why);
    content(&mut skipped).reports[0].1 = none;
    let whole =
        merge(Some(&split()), &[a(), skipped], &[baseline("big", &["e2e_p50_ms"])]).unwrap();
    assert!(whole.alarms.is_empty(), "{:?}", alarms(&whole));
}

#[test]
fn a_suite_that_no_machine_can_run_is_skipped_by_name() {
    let mut split = split();
    split.without_machine = vec!["huge".into()];
    let whole = merge(Some(&split), &[], &[]).unwrap();
    let skipped = whole.alarms.iter().find(|alarm| alarm.suite == "huge").unwrap();
    assert_eq!(skipped.verdict, Verdict::Skipped);
}

#[test]
fn a_kind_of_machine_that_has_baselines_and_that_no_part_ran_on_is_an_alarm() {
    let on = |machine: &str, suite: &str| GuardedBaseline {
        file: format!("baselines/{machine}/{suite}/l.snap"),
        ..baseline(suite, &["e2e_p50_ms"])
    };
    let known = [on("gpu", "chat"), on("8x-h100", "huge"), on("8x-h100", "chat")];
    let others = [on("simulated", "chat"), on("2x-h100", "cold")];
    let on_engine = |mut run: PartRun, engine: EngineKind| {
        content(&mut run).request.settings.engine = engine;
        run
    };
    let real = |run: PartRun| on_engine(run, EngineKind::Docker);
    let simulated = |run: PartRun| on_engine(run, EngineKind::Simulated);
    let all: Vec<GuardedBaseline> = known.into_iter().chain(others).collect();
    let whole = merge(Some(&split()), &[real(a()), real(b())], &all).unwrap();
    assert_eq!(verdict(&whole), Some(Invalid));
    assert_eq!(
        alarms(&whole),
        [
            "missing: baselines/8x-h100: INVALID: it has baselines of chat, huge, and no part ran on such a machine; split \
             the run with that machine again, or, if it is gone for good, delete its baselines"
        ]
    );
    // A part that died has its own alarm, and a simulated run is of no machine.
    let died = merge(Some(&split()), &[real(a())], &all).unwrap();
    assert_eq!((verdict(&died), died.alarms.len()), (Some(Inconclusive), 1));
    let whole = merge(Some(&split()), &[simulated(a()), simulated(b())], &all).unwrap();
    assert!(whole.alarms.is_empty(), "{:?}", alarms(&whole));
}
