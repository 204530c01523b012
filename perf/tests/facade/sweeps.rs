//! Sweeps: what is finished is kept and not measured again, a cell that fails keeps its reason, and
//! constraints and budgets leave cells out.

use perf::prelude::*;
use perf_model::spec::settings::{OneOffSweep, SweepRequest};
use perf_model::sweep::cell::CellOutcome;
use perf_model::sweep::report::SweepReport;
use perf_store::sweep_file;
use rustix::process::Signal;

use crate::common::{ANY_LATENESS, Place};
use crate::sweeping::{asked, assert_same_sweep, report};

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(behaviour) = crate::common::behaviour() else { return Ok(()) };
    let load = Load::new("load").prompts(random_tokens(4)).output_tokens(exactly(4));
    let load = load.requests(8).lateness_limit(ANY_LATENESS);
    let server = Vllm::under_test().model("tiny").simulated_as("tiny-cpu");
    let sweep = Sweep::new("inner").server(server).load(load);
    let sweep = match behaviour.as_str() {
        "too long" => sweep.argument("--max-model-len", [512, 1_000_000]),
        "changed" => sweep.argument("--max-num-seqs", [4, 16]),
        _ => sweep.argument("--max-num-seqs", [4, 8]),
    };
    let sweep = sweep.concurrency([1, 2, 4]);
    let sweep = match behaviour.as_str() {
        "constraint" => {
            sweep.only(|cell| cell.number("concurrency") < cell.number("--max-num-seqs"))
        }
        "twice" => sweep.concurrency([8]),
        _ => sweep,
    };
    let sweep = sweep.goal("throughput", output_throughput()).goal("first token", ttft().p50());
    sweep.from_command_line()?.done()
}

fn reasons(report: &SweepReport) -> Vec<&str> {
    report.cells.iter().filter_map(|cell| cell.reason()).collect()
}

/// How often the journal says that a cell was measured.
fn measured(place: &Place) -> usize {
    place.read("run/inner/sweep.jsonl").matches("{\"measured\"").count()
}

#[test]
fn a_sweep_that_was_killed_goes_on_and_measures_no_finished_cell_again() {
    let place = Place::new(module_path!());
    let mut run = asked(place.process("sweep"), false).start();
    run.wait_until("two cells were measured", || {
        place.has("run/inner/sweep.jsonl") && measured(&place) >= 2
    });
    run.signal(Signal::KILL);
    drop(run);
    let before = place.read("run/inner/sweep.jsonl");
    let finished = measured(&place);
    assert!(finished < 6, "it ended before it was killed");
    asked(place.process("sweep"), true).run().assert_success();
    let after = place.read("run/inner/sweep.jsonl");
    let whole = before.rsplit_once('\n').unwrap().0;
    assert!(after.starts_with(whole), "what was finished is gone:\n{before}\n{after}");
    assert_eq!(measured(&place), 6, "each cell once:\n{after}");
    assert_eq!(report(&place).counts(), (6, 0, 0));
    assert_eq!(place.processes(), [""; 0], "processes are left");
}

#[test]
fn a_run_of_another_declaration_is_not_continued() {
    let place = Place::new(module_path!());
    asked(place.simulated("sweep"), false).run().assert_success();
    asked(place.simulated("changed"), true).run().assert_failed_with(&[
        "the sweep `inner` cannot be continued: the declaration changed since the run began",
        "--max-num-seqs 8",
        "--max-num-seqs 16",
        "start a new run without --resume",
    ]);
    let slower = asked(place.simulated("sweep"), true).inject("decode=1.5");
    slower.run().assert_failed_with(&["under test was [] and is now [decode=1.5]"]);
}

#[test]
fn a_server_that_does_not_start_leaves_its_reason_in_each_of_its_cells_and_the_sweep_goes_on() {
    let place = Place::new(module_path!());
    asked(place.simulated("too long"), false).run().assert_success();
    let report = report(&place);
    assert_eq!(report.counts(), (3, 3, 0));
    let reasons = reasons(&report);
    assert_eq!(reasons.len(), 3);
    assert!(reasons[0].starts_with("failed to start (context too long): "), "{reasons:?}");
    assert!(reasons[0].contains("max_model_len (1000000)"), "{reasons:?}");
    assert_eq!(report.starts, 2);
}

#[test]
fn a_constraint_leaves_cells_out() {
    let place = Place::new(module_path!());
    asked(place.simulated("constraint"), false).run().assert_success();
    let values: Vec<String> =
        report(&place).cells.iter().map(|cell| cell.values.join(" ")).collect();
    assert_eq!(values, ["4 1", "4 2", "8 1", "8 2", "8 4"]);
}

#[test]
fn what_does_not_fit_into_the_budget_is_not_run_and_is_measured_when_the_run_goes_on() {
    let place = Place::new(module_path!());
    let one = asked(place.simulated("sweep"), false);
    one.settings(|settings| settings.budget.starts = Some(1)).run().assert_success();
    let first = report(&place);
    assert_eq!(first.counts(), (3, 0, 3));
    assert_eq!(reasons(&first), ["the budget was used up after 1 engine starts"; 3]);
    asked(place.simulated("sweep"), true).run().assert_success();
    let whole = report(&place);
    assert_eq!((whole.counts(), whole.starts), ((6, 0, 0), 2));
    assert_eq!(whole.cells[..3], first.cells[..3]);
}

#[test]
fn a_sweep_is_the_same_byte_for_byte_in_every_simulated_run() {
    let (place, again) = (Place::new(module_path!()), Place::new(module_path!()));
    for place in [&place, &again] {
        asked(place.simulated("sweep"), false).run().assert_success();
    }
    assert_same_sweep(&place, &again);
    assert_eq!(report(&place).counts(), (6, 0, 0));
}

#[test]
fn no_command_but_its_own_measures_a_sweep_and_a_plan_names_its_size() {
    let place = Place::new(module_path!());
    place.simulated("sweep").run().assert_success();
    assert!(!place.has("run/inner"));
    let planned = place.simulated("sweep").settings(|settings| settings.plans = true);
    let plan = planned.run().assert_success().plan();
    let size = plan.sweep.unwrap();
    assert_eq!((size.cells, size.servers), (6, 2));
}

#[test]
fn a_command_line_asks_for_a_sweep_that_no_test_declares() {
    let place = Place::new(module_path!());
    let one_off = OneOffSweep {
        model: "tiny".into(),
        gpus: 0,
        axes: vec!["--max-num-seqs=2,4".into(), "concurrency=1,4".into()],
        input: 4,
        output: 4,
        requests: 8,
        concurrency: 1,
        starts: 2,
        lateness_limit_ms: Some(7),
        simulated_as: Some("tiny-cpu".into()),
    };
    let inner = place.simulated("sweep").settings(|settings| {
        settings.sweep = Some(SweepRequest { one_off: Some(one_off), ..SweepRequest::default() });
    });
    inner.run().assert_success();
    let report = sweep_file::read(&place.path("run/one-off/sweep.json")).unwrap();
    assert_eq!((report.counts(), report.starts), ((4, 0, 0), 4));
    let records = std::fs::read_dir(place.path("run/one-off/start-1")).unwrap();
    for record in records.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()) {
        assert!(record.contains(r#""lateness_limit":{"secs":0,"nanos":7000000}"#), "{record}");
    }
    let CellOutcome::Measured { starts, .. } = &report.cells[0].outcome else {
        panic!("{:?}", report.cells[0])
    };
    assert!(starts.values().all(|values| values.len() == 2), "{starts:?}");
}

#[test]
fn what_cannot_be_swept_is_refused_before_anything_starts() {
    let place = Place::new(module_path!());
    let twice = asked(place.simulated("twice"), false);
    twice.run().assert_failed_with(&["sweep `inner`: it has the axis `concurrency` twice"]);
    let set = asked(place.simulated("sweep"), false);
    let set = set.settings(|settings| {
        settings.candidate.arguments = vec!["--max-num-seqs=2".into()];
    });
    set.run().assert_failed_with(&[
        "`--max-num-seqs` is an axis and cannot be set on the command line too",
    ]);
    assert!(!place.has("run/inner"));

    // A run that measures no sweep may put the same argument under test.
    let not_swept = place.simulated("sweep").settings(|settings| {
        settings.candidate.arguments = vec!["--max-num-seqs=2".into()];
    });
    not_swept.run().assert_success();
    assert!(!place.has("run/inner"));
}
