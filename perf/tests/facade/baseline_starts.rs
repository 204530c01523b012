//! The engine starts beside a baseline: neither file is used without the other, and insta, which knows
//! one of them, loses none.

use perf::prelude::*;
use perf_model::judge::verdict::Verdict;
use perf_store::baselines;
use perf_store::lock::Lock;

use crate::common::Place;

const BASELINE: &str = "baselines/simulated/inner/steady.snap";
const STARTS: &str = "baselines/simulated/inner/steady.starts.json";
const PENDING: &str = "baselines/simulated/inner/steady.snap.new";

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(behaviour) = crate::common::behaviour() else { return Ok(()) };
    let requests = if behaviour == "other arrivals" { 12 } else { 8 };
    Suite::new("inner")
        .load(
            Load::new("steady")
                .prompts(random_tokens(4))
                .output_tokens(exactly(32))
                .requests(requests)
                .guard(output_throughput().may_drop(percent(5.0))),
        )
        .run_on(Vllm::under_test().model("tiny").simulated_as("tiny-cpu"))?
        .hold()
}

/// Runs, and finds that the baseline is refused before anything is measured.
fn assert_refused(place: &Place, why: &str) {
    let _ = std::fs::remove_dir_all(place.path("run"));
    let ended = place.simulated("").run();
    ended.assert_failed_with(&[
        "INVALID",
        &format!("the baseline {BASELINE} cannot be used: "),
        why,
    ]);
    assert!(!place.has("run/inner/start-1"), "it was measured before it was refused");
}

#[test]
fn engine_starts_that_were_edited_or_lost_are_refused_with_their_file() {
    let place = Place::recorded(module_path!());
    let (whole, starts) = (place.read(BASELINE), place.read(STARTS));
    let first = starts.find("[[[").unwrap() + 3;
    place.write(STARTS, format!("{}1{}", &starts[..first], &starts[first..]));
    assert_refused(&place, "its engine starts in steady.starts.json were edited by hand");
    std::fs::remove_file(place.path(STARTS)).unwrap();
    assert_refused(&place, "steady.starts.json: it is missing; restore that file from git");
    assert_eq!(place.read(BASELINE), whole);
    place.write(STARTS, &starts);
    place.simulated("").run().assert_success();
}

#[test]
fn a_snapshot_that_insta_accepts_finds_the_starts_that_were_left_with_it() {
    let place = Place::recorded(module_path!());
    let file = place.path(BASELINE);
    let before = (place.read(BASELINE), place.read(STARTS));
    place.simulated("other arrivals").run().assert_failure();
    // As `cargo insta accept` does, which knows one of the two files.
    std::fs::rename(place.path(PENDING), &file).unwrap();
    // The old engine starts are still in their place, and are not taken for those of the new one.
    assert_eq!(place.read(STARTS), before.1);
    let accepted = baselines::find(&file);
    assert!(accepted.baseline().unwrap().arrivals.contains("12 requests"), "{accepted:?}");
    let planned = place.simulated("other arrivals").settings(|settings| settings.plans = true);
    let note = planned.run().assert_success().plan().loads[0].baseline.note.clone().unwrap();
    assert!(note.contains("still pending; run `cargo xtask perf rewrite`"), "{note}");
    // Nothing that is measured in between takes the starts away.
    place.simulated("other arrivals").run().assert_success();
    place.simulated("").run().assert_failure();
    assert!(baselines::has_pending_starts(&file));
    let lock = Lock::on(&file).unwrap();
    assert!(baselines::rewrite(&lock, &file, accepted.baseline().unwrap()).unwrap());
    assert!(!place.has(&format!("{STARTS}.new")));
    assert_eq!(baselines::find(&file), accepted);
}

#[test]
fn a_baseline_that_shows_another_slack_is_judged_by_the_test_and_named_before_the_run() {
    let place = Place::recorded(module_path!());
    let mut other = baselines::find(&place.path(BASELINE)).baseline().unwrap().clone();
    other.slacks.values_mut().for_each(|slack| *slack = percent(50.0));
    baselines::write_files(&place.path(BASELINE), &other).unwrap();
    let planned = place.simulated("").settings(|settings| settings.plans = true).run();
    let note = planned.assert_success().plan().loads[0].baseline.note.clone().unwrap();
    assert!(note.contains("other slacks than their scenarios declare; run `cargo"), "{note}");
    let slower = place.simulated("").inject("decode=1.3").run();
    assert_eq!(slower.report().verdict, Verdict::Regressed);
}
