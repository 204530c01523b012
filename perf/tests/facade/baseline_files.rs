//! Only a refresh writes baselines. Every other run reads them, refuses those that it cannot trust,
//! and leaves what it measured beside them where there is something to review.

use perf::prelude::*;
use perf_model::judge::report::SuiteReport;
use perf_model::judge::verdict::Verdict;
use perf_store::baselines;
use perf_store::lock::Lock;

use crate::common::{ANY_LATENESS, Ended, Place};

const BASELINE: &str = "baselines/simulated/inner/only-1.5.snap";
const PENDING: &str = "baselines/simulated/inner/only-1.5.snap.new";

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(behaviour) = crate::common::behaviour() else { return Ok(()) };
    let requests = if behaviour == "other arrivals" { 12 } else { 8 };
    Suite::new("inner")
        .load(
            Load::new("only-1.5")
                .prompts(random_tokens(4))
                .output_tokens(exactly(32))
                .requests(requests)
                .lateness_limit(ANY_LATENESS)
                .guard(output_throughput().may_drop(percent(5.0)))
                .guard(ttft().p50().may_rise(percent(5.0))),
        )
        .run_on(Vllm::under_test().model("tiny").simulated_as("tiny-cpu"))?
        .hold()
}

/// Runs with this in the baseline's place, and finds it untouched afterwards.
fn run_with(place: &Place, baseline: impl AsRef<[u8]>) -> (Ended, SuiteReport) {
    place.write(BASELINE, &baseline);
    std::fs::remove_dir_all(place.path("run")).unwrap();
    let ended = place.simulated("").run();
    assert_eq!(std::fs::read(place.path(BASELINE)).unwrap(), baseline.as_ref());
    let report = ended.report();
    (ended, report)
}

fn assert_refused(place: &Place, baseline: impl AsRef<[u8]>, why: &str) {
    let (ended, report) = run_with(place, baseline);
    assert_eq!(report.verdict, Verdict::Invalid);
    let fault = format!("the baseline {BASELINE} cannot be used: ");
    ended.assert_failed_with(&["INVALID", &fault, why]);
    assert!(
        !place.has(PENDING),
        "a pending snapshot would replace what somebody has to look at first"
    );
    assert!(!place.has("run/inner/start-1"), "it was measured before it was refused");
}

#[test]
fn a_baseline_that_was_cut_off_is_refused() {
    let place = Place::recorded(module_path!());
    let whole = place.read(BASELINE);
    for lines in [0, 2, 5, whole.lines().count() - 1] {
        let cut: String = whole.split_inclusive('\n').take(lines).collect();
        assert_refused(&place, cut, "from git");
    }
    assert_refused(&place, &whole[..whole.len() - 20], "from git");
}

#[test]
fn a_baseline_that_was_edited_is_refused_with_the_line() {
    let place = Place::recorded(module_path!());
    let whole = place.read(BASELINE);
    let line = whole.lines().find(|line| line.contains("output_throughput")).unwrap();
    let changed = line.replacen(" tok/s ", "1 tok/s", 1);
    assert_refused(
        &place,
        whole.replace(line, &changed),
        &format!(
            "it was edited by hand or truncated, or only-1.5.starts.json beside it is of another baseline; the line \
             `{changed}`"
        ),
    );
    assert_refused(
        &place,
        whole.replace("output_throughput", "output_thruput"),
        "it was edited by hand or truncated",
    );
    assert_refused(&place, whole.replace(&format!("{line}\n"), ""), "restore both files from git");
    assert_refused(&place, whole.replace("suite:", "siute:"), "it cannot be read: ");
}

#[test]
fn a_baseline_of_a_newer_suite_is_refused() {
    let place = Place::recorded(module_path!());
    let whole = place.read(BASELINE);
    let newer = whole.replace("schema: 4\n", "schema: 9\nsomething: new\n");
    assert_refused(
        &place,
        newer,
        "it has schema 9, but this version reads schema 4 at most; update the suite",
    );
    let older = whole.replace("schema: 4\n", "schema: 1\n");
    assert_refused(
        &place,
        older,
        "it has schema 1, but this version reads schemas 2 to 4; measure a new one with `cargo xtask perf refresh`",
    );
}

#[test]
fn a_file_that_is_no_baseline_is_refused() {
    let place = Place::recorded(module_path!());
    assert_refused(&place, "hello\n", "it is not a snapshot file");
    assert_refused(
        &place,
        "---\nsource: x\n---\nhello\n",
        "its first line is `hello`, not its schema",
    );
    assert_refused(&place, [0xfd, 0xfe, 0x00], "valid UTF-8");
    assert_refused(&place, [0xff, 0xfe, 0x00], "it is UTF-16");
}

#[test]
fn a_refresh_replaces_a_baseline_that_cannot_be_used() {
    let place = Place::recorded(module_path!());
    let whole = place.read(BASELINE);
    place.write(BASELINE, "hello\n");
    place.simulated("").refresh().run().assert_success();
    assert_eq!(place.read(BASELINE), whole);
}

#[test]
fn a_refresh_does_not_replace_a_baseline_of_a_newer_suite() {
    let place = Place::recorded(module_path!());
    let newer = place.read(BASELINE).replace("schema: 4\n", "schema: 9\nsomething: new\n");
    place.write(BASELINE, &newer);
    std::fs::remove_dir_all(place.path("run")).unwrap();
    let ended = place.simulated("").refresh().run();
    ended.assert_failed_with(&[
        "INVALID",
        "it has schema 9, but this version reads schema 4 at most; update the suite",
    ]);
    assert_eq!(place.read(BASELINE), newer);
    assert!(!place.has("run/inner/start-1"), "it was measured before it was refused");
}

#[test]
fn a_session_is_added_to_nothing_that_cannot_be_read_and_nothing_is_measured_for_it() {
    let place = Place::recorded(module_path!());
    let whole = place.read(BASELINE);
    for (text, why) in [
        (whole[..whole.len() - 20].to_owned(), "from git"),
        (whole.replacen("spread   ", "spread 1 ", 1), "it was edited by hand or truncated"),
        (whole.replace("schema: 4\n", "schema: 9\n"), "it has schema 9"),
        ("hello\n".to_owned(), "it is not a snapshot file"),
    ] {
        place.write(BASELINE, &text);
        let _ = std::fs::remove_dir_all(place.path("run"));
        let ended =
            place.simulated("").refresh().settings(|settings| settings.adds_session = true).run();
        ended.assert_failed_with(&[
            "INVALID",
            &format!("the baseline {BASELINE} cannot be used: "),
            why,
        ]);
        assert_eq!(place.read(BASELINE), text);
        assert!(!place.has("run/inner/start-1"), "it was measured before it was refused");
    }
}

#[test]
fn a_plan_names_what_stands_in_the_way_and_what_is_replaced_and_measures_nothing() {
    let place = Place::recorded(module_path!());
    place.write(BASELINE, "hello\n");
    std::fs::remove_dir_all(place.path("run")).unwrap();
    let planned = |run: crate::common::Inner| {
        let plan = run.settings(|settings| settings.plans = true).run().assert_success().plan();
        let status = plan.loads[0].baseline.clone();
        (status.fault.unwrap_or_default(), status.note.unwrap_or_default())
    };
    let expected = format!("the baseline {BASELINE} cannot be used: it is not a snapshot file");
    let (faults, notes) = planned(place.simulated(""));
    assert!(faults.starts_with(&expected) && notes.is_empty(), "{faults}{notes}");
    let (faults, notes) = planned(place.simulated("").refresh());
    assert!(
        faults.is_empty()
            && notes.starts_with(&expected)
            && notes.contains("its sessions are lost"),
        "{notes}"
    );
    let add = place.simulated("").refresh().settings(|settings| settings.adds_session = true);
    assert!(planned(add).0.contains("a session is added only to what can be read"));
    assert_eq!(place.read(BASELINE), "hello\n");
    assert!(!place.has("run/inner/start-1"));
}

#[test]
fn two_sessions_that_are_added_at_once_are_both_kept() {
    let place = Place::recorded(module_path!());
    // Both have measured, and neither may write yet.
    let writing = Lock::on(&place.path(BASELINE)).unwrap();
    let mut adding: Vec<_> = ["one", "other"]
        .into_iter()
        .zip(1..)
        .map(|(run, noise)| {
            let add = place.simulated("").refresh().settings(|settings| {
                (settings.adds_session, settings.noise) = (true, noise);
                settings.run_folder = Some(place.path(run));
            });
            (place.path(run).join("inner/start-5/run-3/only-1.5.jsonl"), add.start())
        })
        .collect();
    for (record, run) in &mut adding {
        run.wait_until("it had measured", || {
            std::fs::read_to_string(&*record).is_ok_and(|text| text.contains("{\"end\""))
        });
    }
    drop(writing);
    for (_, run) in adding {
        run.end().assert_success();
    }
    let baseline = baselines::find(&place.path(BASELINE));
    assert_eq!(baseline.baseline().unwrap().rests_on(), (15, 3), "{baseline:?}");
}

#[test]
fn a_refresh_that_adds_a_guard_measures_a_whole_session() {
    let place = Place::recorded(module_path!());
    let text = place.read(BASELINE);
    let mut old = baselines::find(&place.path(BASELINE)).baseline().unwrap().clone();
    old.metrics.remove(&"ttft_p50_ms".parse().unwrap());
    old.slacks.retain(|metric, _| old.metrics.contains_key(metric));
    baselines::write_files(&place.path(BASELINE), &old).unwrap();
    place.simulated("").refresh().run().assert_success();
    assert_eq!(place.read(BASELINE), text);
}

#[test]
fn a_refresh_writes_what_accept_would_take_and_the_next_run_holds() {
    let place = Place::recorded(module_path!());
    let whole = place.read(BASELINE);
    assert_eq!(place.read("run/baselines/simulated/inner/only-1.5.snap"), whole);
    assert!(!place.has(PENDING));

    let held = place.simulated("").run().assert_success().report();
    assert_eq!(held.verdict, Verdict::Held);
    assert_eq!(place.read(BASELINE), whole);
}

#[test]
fn a_refresh_writes_with_any_setting_of_insta() {
    let place = Place::recorded(module_path!());
    let whole = place.read(BASELINE);
    for mode in ["no", "new", "force"] {
        std::fs::remove_file(place.path(BASELINE)).unwrap();
        place.simulated("").refresh().env("INSTA_UPDATE", mode).run().assert_success();
        assert_eq!(place.read(BASELINE), whole, "{mode}");
    }
}

#[test]
fn a_refresh_that_cannot_be_trusted_writes_nothing() {
    const BASELINE: &str = "baselines/cpu/inner/only-1.5.snap";
    let place = Place::new(module_path!());
    place.process("").refresh().run().assert_success();
    let whole = place.read(BASELINE);
    let ended = place.process("").refresh().env("PERF_SIM_INJECT", "fail=0.5").run();
    assert_eq!(ended.report().verdict, Verdict::Invalid);
    ended.assert_failed_with(&["server error (status 5xx)"]);
    assert_eq!(place.read(BASELINE), whole);
}

#[test]
fn a_refresh_with_an_injected_fault_is_refused_and_writes_nothing() {
    let place = Place::recorded(module_path!());
    let whole = place.read(BASELINE);
    let ended = place.simulated("").refresh().inject("decode=1.3").run();
    ended.assert_failed_with(&[
        "cannot refresh a baseline with `--inject decode=1.3`",
        "run `refresh` without --inject",
    ]);
    assert_eq!(place.read(BASELINE), whole);
}

#[test]
fn a_regression_fails_with_its_table_and_leaves_nothing_that_could_be_accepted() {
    let place = Place::recorded(module_path!());
    let whole = place.read(BASELINE);
    let ended = place.simulated("").inject("decode=1.3").run();
    assert_eq!(ended.report().verdict, Verdict::Regressed);
    ended.assert_failed_with(&[
        "REGRESSED\n\ninner / only-1.5   REGRESSED",
        "baseline  measured",
        "output throughput",
        "output throughput by start: ",
        &format!("  baseline {BASELINE}\n"),
    ]);
    assert_eq!(place.read(BASELINE), whole);
    // What was judged never becomes a baseline: it is measured afresh for that.
    assert!(!place.has(PENDING));
    assert_eq!(
        place.read("run/baselines/simulated/inner/only-1.5.snap"),
        whole,
        "that of the refresh before"
    );
}

#[test]
fn a_run_that_holds_removes_the_pending_snapshot_of_an_older_one() {
    let place = Place::recorded(module_path!());
    place.simulated("other arrivals").run().assert_failure();
    assert!(place.has(PENDING));
    place.simulated("").run().assert_success();
    assert!(!place.has(PENDING));
}

#[test]
fn a_run_without_a_baseline_leaves_what_a_refresh_would_write() {
    let place = Place::new(module_path!());
    let ended = place.simulated("").run();
    assert_eq!(ended.report().verdict, Verdict::Unrecorded);
    ended.assert_failed_with(&["UNRECORDED"]);
    assert!(!place.has(BASELINE));
    let body = |file: &str| place.read(file).split_once("\n---\n").unwrap().1.to_owned();
    let pending = body(PENDING);
    // A run that is judged has one run a start.
    place
        .simulated("")
        .refresh()
        .settings(|settings| settings.runs = Some(1))
        .run()
        .assert_success();
    assert_eq!(pending, body(BASELINE));
    assert!(!place.has(PENDING), "what was refreshed is not to be reviewed");
}

#[test]
fn other_arrivals_are_incomparable_and_left_to_review() {
    let place = Place::recorded(module_path!());
    let whole = place.read(BASELINE);
    let ended = place.simulated("other arrivals").run();
    assert_eq!(ended.report().verdict, Verdict::Incomparable);
    ended.assert_failed_with(&["INCOMPARABLE", "  incomparable: arrivals: "]);
    assert_eq!(place.read(BASELINE), whole);
    assert!(place.has(PENDING));
}

#[test]
fn no_mode_of_insta_makes_a_run_write_a_baseline() {
    let place = Place::recorded(module_path!());
    let whole = place.read(BASELINE);
    let modes = [
        ("INSTA_UPDATE", "always"),
        ("INSTA_UPDATE", "1"),
        ("INSTA_UPDATE", "unseen"),
        ("INSTA_UPDATE", "force"),
        ("INSTA_FORCE_UPDATE", "1"),
        ("INSTA_FORCE_UPDATE_SNAPSHOTS", "1"),
        ("INSTA_FORCE_PASS", "1"),
    ];
    for (name, mode) in modes {
        place
            .simulated("")
            .env(name, mode)
            .inject("decode=1.3")
            .run()
            .assert_failed_with(&["REGRESSED"]);
        assert_eq!(place.read(BASELINE), whole, "{name}={mode}, regressed");
        // Twice the slack better: it passes, with other figures than the baseline's.
        place.simulated("").env(name, mode).inject("decode=0.9").run().assert_success();
        assert_eq!(place.read(BASELINE), whole, "{name}={mode}, improved");
    }
    std::fs::remove_file(place.path(BASELINE)).unwrap();
    for (name, mode) in modes {
        place.simulated("").env(name, mode).run().assert_failed_with(&["UNRECORDED"]);
        assert!(!place.has(BASELINE), "{name}={mode}, unrecorded");
    }
}
