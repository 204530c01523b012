//! After a run ends in any way, nothing of its server is left, the hardware can be leased again, and
//! what was measured is kept.

use std::time::Duration;

use perf::prelude::*;
use perf_model::judge::verdict::Verdict;
use perf_model::record::file::Record;
use perf_model::spec::settings::COMMAND_VARIABLE;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use crate::common::{ANY_LATENESS, Place, Started};

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(behaviour) = crate::common::behaviour() else { return Ok(()) };
    let load = |name: &str| {
        let load = Load::new(name).prompts(random_tokens(4)).output_tokens(exactly(4));
        load.lateness_limit(ANY_LATENESS)
    };
    let few = load("few").requests(4).warmup(0).stall_limit(Duration::from_secs(2));
    // In a long run, there are more than any test waits for.
    let many = load("many").requests(if behaviour == "long" { 50_000 } else { 8 });
    if behaviour == "tiers" {
        let once = load("once").warmup(0).requests(1).once_per_start();
        let later = load("later").tier(Tier::Nightly);
        let suite = Suite::new("inner").load(once).load(later).load(few);
        return suite.run_on(Vllm::under_test().model("tiny"))?.hold();
    }
    let outcome =
        Suite::new("inner").load(few).load(many).run_on(Vllm::under_test().model("tiny"))?;
    assert!(behaviour != "panic", "the scenario panics");
    outcome.hold()
}

/// No process is left, and the next run finds everything as the first one did.
fn assert_nothing_left(place: &Place) {
    assert_eq!(place.processes(), [""; 0], "processes are left");
    place
        .process("short")
        .settings(|settings| settings.run_folder = Some(place.path("next")))
        .refresh()
        .run()
        .assert_success();
}

/// Waits until there is a sample of the load that does not end.
fn wait_for_load(run: &mut Started, place: &Place) {
    let record = place.path("run/inner/start-1/many.jsonl");
    run.wait_until("it was in its load", || {
        std::fs::read_to_string(&record).is_ok_and(|text| text.contains("{\"sample\""))
    });
}

/// The load that had ended is whole; the other has its samples so far, and says that they are not
/// all.
fn assert_kept(place: &Place) -> Record {
    let few = place.record("few");
    assert!(few.is_complete());
    assert_eq!(few.samples.len(), 4);
    let many = place.record("many");
    assert!(!many.is_complete());
    assert!(!many.samples.is_empty());
    many
}

fn assert_marked_incomplete(record: &Record) {
    let end = record.end.as_ref().expect("a record that its process could end has an end");
    assert_eq!(end.reason.as_deref(), Some("the run was given up"));
}

#[test]
fn a_run_that_succeeds_leaves_nothing() {
    let place = Place::new(module_path!());
    let ended = place.process("short").refresh().run().assert_success();
    assert_eq!(ended.report().verdict, Verdict::Unrecorded);
    assert!(place.record("few").is_complete() && place.record("many").is_complete());
    assert_eq!(place.record("many").samples.len(), 8);
    assert_nothing_left(&place);
}

#[test]
fn a_tier_leaves_out_what_is_of_a_later_one_and_says_it_in_the_plan() {
    let place = Place::new(module_path!());
    let of_pull_requests = |run: crate::common::Inner| {
        run.settings(|settings| settings.tier = Tier::PullRequest).refresh()
    };
    let plan =
        of_pull_requests(place.simulated("tiers")).settings(|settings| settings.plans = true);
    let plan = plan.run().assert_success().plan();
    let names: Vec<&str> = plan.loads.iter().map(|load| load.load.name.as_str()).collect();
    assert_eq!((names, plan.left_out), (vec!["once", "few"], vec!["inner / later".to_owned()]));
    of_pull_requests(place.simulated("tiers")).run().assert_success();
    assert!(
        place.has("run/inner/start-1/few.jsonl") && !place.has("run/inner/start-1/later.jsonl")
    );

    // A plain `cargo test` asks for no tier: all of it runs.
    place.simulated("tiers").refresh().run().assert_success();
    assert!(place.has("run/inner/start-1/later.jsonl"));
}

#[test]
fn what_only_a_fresh_server_shows_is_measured_once_in_each_start() {
    let place = Place::new(module_path!());
    let run = place.simulated("tiers").refresh().settings(|settings| {
        (settings.starts, settings.runs) = (Some(2), Some(3));
    });
    run.run().assert_success();
    let records = |load: &str| {
        let of = |folder: &str| place.has(&format!("run/inner/{folder}/{load}.jsonl"));
        ["start-1", "start-1/run-2", "start-1/run-3", "start-2"].map(of)
    };
    assert_eq!(records("once"), [true, false, false, true]);
    assert_eq!(records("few"), [true; 4]);
}

#[test]
fn a_server_that_dies_while_it_starts_is_reported_with_its_cause() {
    let place = Place::new(module_path!());
    let ended = place.process("short").env("PERF_SIM_INJECT", "oom").run().assert_failure();
    let remark = ended.remark();
    assert!(remark.contains("the server did not start (out of memory, exit code 1)"), "{remark}");
    assert!(remark.ends_with("run/inner/start-1/server.log"), "{remark}");
    assert!(place.read("run/inner/start-1/server.log").contains("memory"));
    assert!(ended.output.contains(&remark), "{}", ended.output);
    assert_nothing_left(&place);
}

#[test]
fn a_server_that_dies_under_a_load_is_reported_and_what_came_before_is_kept() {
    let place = Place::new(module_path!());
    let ended = place.process("long").env("PERF_SIM_INJECT", "die-after=12").run().assert_failure();
    let remark = ended.remark();
    assert!(remark.contains("the server died under load `many`: exit code 0"), "{remark}");
    assert!(remark.contains("EngineDeadError"), "{remark}");
    assert_marked_incomplete(&assert_kept(&place));
    assert_nothing_left(&place);
}

#[test]
fn a_server_that_dies_is_reported_even_if_every_request_fails_before_it_is_gone() {
    let place = Place::new(module_path!());
    let ended = place.process("short").env("PERF_SIM_INJECT", "die-after=2").run().assert_failure();
    let remark = ended.remark();
    assert!(remark.contains("the server died under load `few`: exit code 0"), "{remark}");
    assert_nothing_left(&place);
}

#[test]
fn a_server_whose_requests_fall_silent_is_given_up() {
    let place = Place::new(module_path!());
    let ended = place.process("short").env("PERF_SIM_INJECT", "stall=1").run().assert_failure();
    let remark = ended.remark();
    assert!(remark.contains("1 of 4 requests of load `few` received nothing for 2 s"), "{remark}");
    let log = place.path("run/inner/start-1/server.log");
    assert!(remark.ends_with(&format!("the server's log is in {}", log.display())), "{remark}");
    assert!(log.is_file());
    let record = place.record("few");
    assert!(!record.is_complete());
    assert_marked_incomplete(&record);
    assert_eq!(record.samples.len(), 1);
    assert_nothing_left(&place);
}

#[test]
fn a_scenario_that_panics_leaves_nothing() {
    let place = Place::new(module_path!());
    place.process("panic").run().assert_failed_with(&["the scenario panics"]);
    assert!(place.record("many").is_complete());
    assert_nothing_left(&place);
}

#[test]
fn ctrl_c_while_the_server_starts_removes_it() {
    let place = Place::new(module_path!());
    let mut run = place.process("short").env("PERF_SIM_STARTUP_MS", "600000").start();
    run.wait_until("its server was there", || place.has_server());
    run.signal(Signal::INT);
    let ended = run.end();
    assert_eq!(ended.status.code(), Some(130), "{}", ended.output);
    assert!(
        ended.remark().starts_with("interrupted; the server was stopped"),
        "{}",
        ended.remark()
    );
    assert_nothing_left(&place);
}

#[test]
fn ctrl_c_under_a_load_removes_the_server_and_keeps_what_was_measured() {
    ends_when_asked(Signal::INT);
}

#[test]
fn a_signal_to_terminate_does_as_ctrl_c_does() {
    ends_when_asked(Signal::TERM);
}

#[test]
fn a_terminal_that_is_closed_does_as_ctrl_c_does() {
    ends_when_asked(Signal::HUP);
}

fn ends_when_asked(signal: Signal) {
    let place = Place::new(module_path!());
    let mut run = place.process("long").start();
    wait_for_load(&mut run, &place);
    // An impatient second one changes nothing.
    run.signal(signal);
    run.signal(signal);
    let ended = run.end();
    assert_eq!(ended.status.code(), Some(130), "{}", ended.output);
    let remark = ended.remark();
    assert!(remark.contains("the measurements so far are kept in"), "{remark}");
    assert!(remark.contains(place.path("run").to_str().unwrap()), "{remark}");
    assert_marked_incomplete(&assert_kept(&place));
    assert_nothing_left(&place);
}

#[test]
fn a_run_that_is_killed_takes_its_server_along_and_leaves_what_was_measured() {
    let place = Place::new(module_path!());
    let mut run = place.process("long").start();
    wait_for_load(&mut run, &place);
    assert!(place.has_server());
    run.signal(Signal::KILL);
    let ended = run.end();
    assert_eq!(ended.status.code(), None, "{}", ended.output);
    crate::common::wait_until("its server ends with it", || place.processes().is_empty());
    assert_eq!(assert_kept(&place).end, None);
    assert_nothing_left(&place);
}

#[test]
fn a_run_whose_command_is_gone_ends_as_if_interrupted() {
    let place = Place::new(module_path!());
    // The parent of this run is another process, as it is when the command was killed.
    let ended = place.process("long").env(COMMAND_VARIABLE, "4194303").run();
    assert_eq!(ended.status.code(), Some(130), "{}", ended.output);
    assert!(ended.remark().starts_with("interrupted"), "{}", ended.remark());
    assert_nothing_left(&place);

    let mut run = place.process("long").start_below_another();
    wait_for_load(&mut run, &place);
    run.signal(Signal::KILL);
    crate::common::wait_until("the run ends after its command", || place.processes().is_empty());
    assert_marked_incomplete(&assert_kept(&place));
    assert_nothing_left(&place);
}

#[test]
fn a_second_run_at_the_same_time_is_refused_and_takes_nothing_from_the_first() {
    let place = Place::new(module_path!());
    // A server whose profile is a pipe waits until somebody writes the profile into it.
    let profile = place.path("profile.toml");
    mknodat(CWD, &profile, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut first = place.process("short").env("PERF_SIM_PROFILE", &profile).refresh().start();
    first.wait_until("its server was there", || place.has_server());

    let second = place
        .process("short")
        .settings(|settings| settings.run_folder = Some(place.path("second")));
    let second = second.run().assert_failure();
    let busy = format!("the CPU is in use by the run with process id {}", first.id());
    assert!(second.remark().starts_with(&busy), "{}", second.remark());

    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/perf/sim/profiles/tiny-cpu.toml");
    // On a thread of its own, because it waits for its reader.
    std::thread::spawn(move || std::fs::write(profile, std::fs::read(tiny).unwrap()));
    first.end().assert_success();
    assert!(place.record("few").is_complete() && place.record("many").is_complete());
    assert_nothing_left(&place);
}
