//! How much is measured until a verdict stands: starts one by one, a duet before a regression
//! fails, an anchor against creep, and two variants held against each other.

use perf::prelude::*;
use perf_model::judge::anchor::{Anchor, AnchorLookup};
use perf_model::judge::baseline::{Baseline, GOOD_SESSIONS};
use perf_model::judge::report::SuiteReport;
use perf_model::judge::verdict::Verdict;
use perf_model::spec::settings::{Budget, Purpose, Variant};
use perf_store::lock::Lock;
use perf_store::{anchors, baselines};

use crate::common::Place;

const BASELINE: &str = "baselines/simulated/inner/steady.snap";
const ANCHOR: &str = "baselines/simulated/inner/steady.anchor.yaml";

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(behaviour) = crate::common::behaviour() else { return Ok(()) };
    let (machine, slack) =
        if behaviour == "unsteady" { ("unsteady", 10.0) } else { ("generic", 5.0) };
    Suite::new("inner")
        .load(
            Load::new("steady")
                .prompts(random_tokens(4))
                .output_tokens(exactly(32))
                .requests(8)
                .guard(output_throughput().may_drop(percent(slack))),
        )
        .run_on(Vllm::under_test().model("tiny").simulated_as(machine))?
        .hold()
}

fn baseline(place: &Place) -> Baseline {
    baselines::find(&place.path(BASELINE)).baseline().unwrap().clone()
}

fn sessions(place: &Place) -> usize {
    baseline(place).rests_on().1
}

/// Makes this the anchor.
fn put_anchor(place: &Place, baseline: Baseline) {
    let file = place.path(BASELINE);
    anchors::write(&Lock::on(&file).unwrap(), &file, baseline, "the first baseline").unwrap();
}

/// Multiplies everything that was measured.
fn scale(baseline: &mut Baseline, by: f64) {
    baseline.metrics.values_mut().flatten().flatten().flatten().for_each(|value| *value *= by);
}

#[test]
fn a_cross_check_that_is_not_possible_is_a_note_and_changes_no_verdict() {
    let place = Place::recorded(module_path!());
    let inner = place.simulated("").settings(|settings| settings.cross_checks = true);
    let report = inner.run().assert_success().report();
    assert_eq!(report.verdict, Verdict::Held);
    let notes: Vec<String> = report.loads[0].notes.iter().map(ToString::to_string).collect();
    let wanted = "no cross-check by `vllm bench throughput`: the simulated engine cannot run";
    assert!(notes.iter().any(|note| note.contains(wanted)), "{notes:?}");
}

#[test]
fn what_did_not_change_is_not_measured_longer_than_it_takes_to_say_so() {
    let report = Place::recorded(module_path!()).simulated("").run().assert_success().report();
    assert_eq!(report.verdict, Verdict::Held);
    assert!(report.loads[0].starts < 3, "{} starts", report.loads[0].starts);
}

#[test]
fn a_regression_rests_on_three_starts_and_a_duet_with_what_the_baseline_was_measured_on() {
    let place = Place::recorded(module_path!());
    let report = place.simulated("").inject("decode=1.3").run().assert_failure().report();
    assert_eq!(report.verdict, Verdict::Regressed);
    assert_eq!(report.loads[0].starts, 3);
    let reason = report.loads[0].rows[0].guard.as_ref().unwrap().judgement.reason.clone().unwrap();
    assert!(reason.starts_with("confirmed in a duet of 2 pairs: -2"), "{reason}");
    assert!(
        place.has("run/inner/base-1/steady.jsonl")
            && place.has("run/inner/candidate-2/steady.jsonl")
    );
}

#[test]
fn a_regression_against_a_baseline_of_a_faster_day_is_overturned_only_where_a_duet_is_possible() {
    let place = Place::recorded(module_path!());
    let mut faster = baseline(&place);
    scale(&mut faster, 1.2);
    baselines::write_files(&place.path(BASELINE), &faster).unwrap();
    let report = place.simulated("").run().assert_failure().report();
    assert_eq!(report.verdict, Verdict::Regressed);
    assert!(
        report.loads[0]
            .notes
            .iter()
            .any(|note| note.message.contains("what changed is the machine")),
        "{report:?}"
    );

    // An argument under test that changes nothing can be switched, and both sides come out even.
    let switched = place
        .simulated("")
        .settings(|settings| settings.candidate.arguments = vec!["--max-num-seqs=200".into()]);
    let report = switched.run().assert_success().report();
    let guard = report.loads[0].rows[0].guard.clone().unwrap();
    assert_eq!(guard.judgement.verdict, Verdict::Held);
    assert!(
        guard
            .judgement
            .reason
            .unwrap()
            .starts_with("the difference to the baseline does not show side by side"),
        "{:?}",
        report.loads[0]
    );
}

#[test]
fn a_session_is_added_to_a_baseline_of_the_same_and_to_no_other() {
    let place = Place::recorded(module_path!());
    let add = |noise: u64| {
        place.simulated("").refresh().settings(move |settings| {
            settings.adds_session = true;
            settings.noise = noise;
        })
    };
    add(1).run().assert_success();
    assert_eq!(sessions(&place), 2);
    let whole = place.read(BASELINE);
    let other = add(2)
        .settings(|settings| settings.candidate.arguments = vec!["--max-num-seqs=200".into()])
        .run();
    other.assert_failed_with(&[
        "cannot add a session",
        "--max-num-seqs=200",
        "without --add-session",
    ]);
    assert_eq!(place.read(BASELINE), whole);
}

#[test]
fn nightly_sessions_end_at_five_and_the_anchor_of_the_same_grows_with_them() {
    let place = Place::recorded(module_path!());
    put_anchor(&place, baseline(&place));
    let anchor = || -> Anchor {
        match anchors::find(&place.path(BASELINE)) {
            AnchorLookup::At(anchor) => *anchor,
            other => panic!("{other:?}"),
        }
    };
    let night = |noise: u64| {
        let night = place.simulated("").refresh().settings(move |settings| {
            settings.adds_session = true;
            settings.noise = noise;
        });
        night.run().assert_success();
    };
    for noise in 1..=4 {
        night(noise);
        assert_eq!(sessions(&place), 1 + usize::try_from(noise).unwrap());
        assert_eq!(anchor().baseline, baseline(&place), "night {noise}");
        assert_eq!(anchor().reason, "the first baseline");
    }
    // A sixth session is measured here, because only the command knows before the measurement that none is
    // wanted. It changes nothing.
    let whole = (place.read(BASELINE), place.read(ANCHOR));
    night(5);
    assert_eq!(sessions(&place), GOOD_SESSIONS);
    assert_eq!((place.read(BASELINE), place.read(ANCHOR)), whole);

    // What is measured afresh is another baseline, also of the same image: the anchor stays.
    place.simulated("").refresh().run().assert_success();
    assert_eq!(sessions(&place), 1);
    assert_eq!(place.read(ANCHOR), whole.1);
    night(1);
    assert_eq!(place.read(ANCHOR), whole.1);
}

#[test]
fn losses_that_were_accepted_one_by_one_fail_when_they_add_up() {
    let place = Place::recorded(module_path!());
    let mut anchor = baseline(&place);
    // Fewer than three sessions prove no creep.
    for sessions in anchor.metrics.values_mut() {
        *sessions = vec![sessions[0].clone(); 3];
    }
    baselines::write_files(&place.path(BASELINE), &anchor).unwrap();
    scale(&mut anchor, 1.1);
    put_anchor(&place, anchor);
    let ended = place.simulated("").run();
    assert_eq!(ended.report().verdict, Verdict::Creep);
    ended.assert_failed_with(&["CREEP", "the changes accepted since the anchor add up to -9.1 %"]);

    place.write(ANCHOR, "reason: nothing");
    place.simulated("").run().assert_failed_with(&[
        "INVALID",
        "the anchor beside",
        "cannot be used",
    ]);
}

#[test]
fn a_budget_that_is_used_up_leaves_it_undecided() {
    let place = Place::recorded(module_path!());
    let tight = place.simulated("").inject("decode=1.3").settings(|settings| {
        settings.budget = Budget { starts: None, gpu_s: Some(1.0) };
        settings.noise = 3;
    });
    let report = tight.run().assert_failure().report();
    assert_eq!((report.verdict, report.loads[0].starts), (Verdict::Inconclusive, 1));
}

#[test]
fn a_budget_that_ends_in_a_duet_leaves_a_loss_inconclusive_with_what_the_pairs_show_and_lack() {
    let place = Place::recorded(module_path!());
    let slower = || place.simulated("").inject("decode=1.3");
    // Three starts and a duet of two pairs.
    let whole_s = slower().run().assert_failure().report().gpu_s;
    let within = |share: f64| {
        let tight = slower().settings(|settings| {
            settings.budget = Budget { starts: None, gpu_s: Some(share * whole_s) };
        });
        tight.run().assert_failure().report()
    };
    let reason = |report: &SuiteReport| {
        report.loads[0].guards().next().unwrap().judgement.reason.clone().unwrap()
    };
    let report = within(0.99);
    assert_eq!((report.verdict, report.loads[0].starts), (Verdict::Inconclusive, 3));
    let ended = "the budget was used up after 1 of 4 pairs of the duet";
    assert!(report.loads[0].notes.iter().any(|note| note.message == ended), "{report:?}");
    assert!(report.gpu_s < 0.9 * whole_s, "{report:?}");
    let said = reason(&report);
    assert!(said.contains("1 of 4 pairs of the duet, which show -2"), "{said}");
    assert!(said.contains("they agree with a loss beyond the band; up to"), "{said}");
    assert!(report.short_s > 0.0, "{report:?}");

    // With what it lacked, it is confirmed.
    let enough = slower().settings(|settings| {
        let gpu_s = Some(0.99 * whole_s + report.short_s);
        settings.budget = Budget { starts: None, gpu_s };
    });
    assert_eq!(enough.run().assert_failure().report().verdict, Verdict::Regressed);

    // No budget for a pair: a duet could still overturn it.
    let report = within(0.6);
    assert_eq!((report.verdict, report.loads[0].starts), (Verdict::Inconclusive, 3), "{report:?}");
    let said = reason(&report);
    assert!(said.contains("the budget ended before the first pair of the duet"), "{said}");
}

#[test]
fn a_budget_of_two_starts_finds_no_regression_without_a_duet_and_says_what_it_would_take() {
    let place = Place::recorded(module_path!());
    place.write("perf.toml", "[gate]\nduet_pairs = 0\n");
    let tight = place.simulated("").inject("decode=1.3").settings(|settings| {
        settings.budget = Budget { starts: Some(2), gpu_s: None };
    });
    let report = tight.run().assert_failure().report();
    assert_eq!((report.verdict, report.loads[0].starts), (Verdict::Inconclusive, 2));
    let reason = report.loads[0].rows[0].guard.as_ref().unwrap().judgement.reason.clone().unwrap();
    assert!(reason.contains("a change needs at least 3"), "{reason}");
}

#[test]
fn two_variants_are_compared_without_any_baseline_and_one_with_itself_is_even() {
    let place = Place::new(module_path!());
    let compare = |candidate: Option<&str>| {
        let inject = candidate.map(str::to_owned);
        place.simulated("").settings(move |settings| {
            settings.purpose = Purpose::Compare;
            settings.base = Some(Variant::default());
            settings.candidate.inject = inject;
        })
    };
    let even = compare(None).run().assert_success().report();
    assert_eq!(even.verdict, Verdict::Held);
    let slower = compare(Some("decode=1.3")).run().assert_failure().report();
    assert_eq!(slower.verdict, Verdict::Regressed);
    let faster = compare(Some("decode=0.7")).run().assert_success().report();
    assert_eq!(faster.verdict, Verdict::Improved);
    assert!(!place.has("baselines"), "a comparison left a baseline");
}

#[test]
fn a_machine_whose_starts_scatter_by_a_factor_of_two_holds_nothing() {
    for history in 1..=4 {
        let place = Place::new(module_path!());
        let at = |session: u64| {
            place.simulated("unsteady").settings(|settings| {
                settings.noise = history * 100 + session;
            })
        };
        at(0).refresh().run().assert_success();
        let run = at(1).run().report();
        let judgement = &run.loads[0].rows[0].guard.as_ref().unwrap().judgement;
        assert!(
            !matches!(run.verdict, Verdict::Held | Verdict::Improved),
            "history {history}: {judgement:?}"
        );
        // Nor do pairs of one image with itself.
        let compared = at(2)
            .settings(|settings| {
                settings.purpose = Purpose::Compare;
                settings.base = Some(Variant::default());
            })
            .run()
            .report();
        assert_ne!(compared.verdict, Verdict::Held, "history {history}");
    }
}
