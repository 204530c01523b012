//! Answers of several parts, and speculative decoding: measured as the simulated server made them, and
//! guarded like any other figure.

use perf::prelude::*;
use perf_model::analysis::run_analysis::RunAnalysis;
use perf_model::judge::verdict::Verdict;

use crate::common::Place;

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(behaviour) = crate::common::behaviour() else { return Ok(()) };
    let engine = Vllm::under_test().model("tiny").simulated_as("generic");
    let load = Load::new("parts").requests(8).output_tokens(exactly(40));
    let (engine, load) = match behaviour.as_str() {
        "drafts" => (
            engine.arg("--speculative-config", r#"{"num_speculative_tokens":3}"#),
            load.prompts(random_tokens(4))
                .guard(acceptance_length().may_drop(percent(5.0)))
                .guard(acceptance_rate().may_drop(percent(5.0)))
                .guard(acceptance_at::<0>().may_drop(percent(5.0))),
        ),
        other => {
            let load = load.prompts(verse(1, 3));
            let load = if other == "responses" { load.responses() } else { load.chat() };
            (
                engine.arg("--reasoning-parser", "qwen3"),
                load.guard(first_answer().p50().may_rise(percent(5.0)))
                    .guard(reasoning_tokens().mean().may_rise(percent(5.0))),
            )
        }
    };
    Suite::new("inner").load(load).run_on(engine)?.hold()
}

fn recorded(behaviour: &str) -> (Place, RunAnalysis) {
    let place = Place::new(module_path!());
    place.simulated(behaviour).refresh().run().assert_success();
    let analysis = RunAnalysis::of(&place.record("parts"));
    assert!(analysis.faults.is_empty(), "{:?}", analysis.faults);
    (place, analysis)
}

fn value(analysis: &RunAnalysis, key: &str) -> f64 {
    analysis.summary.values[&key.parse().unwrap()]
}

#[test]
fn the_time_of_a_thought_is_measured_and_guarded() {
    let (place, analysis) = recorded("chat");
    // The simulated server thinks for 24 of 40 tokens.
    assert!((value(&analysis, "reasoning_tokens_mean_tok") - 24.0).abs() < 1e-9);
    assert!((value(&analysis, "answer_tokens_mean_tok") - 16.0).abs() < 1e-9);
    let thought = value(&analysis, "first_answer_mean_ms") - value(&analysis, "ttft_mean_ms");
    let share = thought / (24.0 * value(&analysis, "tpot_mean_ms"));
    assert!((share - 1.0).abs() < 0.1, "{share} of the time of 24 tokens");
    assert!(analysis.summary.estimated.is_empty());
    let report = place.simulated("chat").run().assert_success().report();
    assert_eq!(report.verdict, Verdict::Held);
    let slow = place.simulated("chat").inject("decode=1.3").run().assert_failure().report();
    let guard = |at: usize| slow.loads[0].rows[at].guard.as_ref().unwrap().judgement.verdict;
    assert_eq!(guard(0), Verdict::Regressed);
}

#[test]
fn a_stream_without_running_counts_is_measured_and_its_estimates_are_marked() {
    let (place, analysis) = recorded("responses");
    assert!((value(&analysis, "reasoning_tokens_mean_tok") - 24.0).abs() < 1e-9);
    assert!(value(&analysis, "first_answer_mean_ms") > value(&analysis, "ttft_mean_ms"));
    let estimated: Vec<&str> = analysis.summary.estimated.iter().map(|it| it.name()).collect();
    assert!(estimated.contains(&"itl"), "{estimated:?}");
    assert_eq!(place.simulated("responses").run().assert_success().report().verdict, Verdict::Held);
}

#[test]
fn what_was_drafted_and_accepted_is_measured_and_guarded() {
    let (place, analysis) = recorded("drafts");
    let (length, rate) =
        (value(&analysis, "acceptance_length_tok"), value(&analysis, "acceptance_rate_percent"));
    // 3 tokens are drafted in each step.
    assert!((length - (1.0 + 3.0 * rate / 100.0)).abs() < 1e-6, "{length} and {rate} %");
    assert!((2.0..3.5).contains(&length), "{length}");
    // What is accepted at a position is so at all before it.
    let at = [0, 1, 2].map(|at| value(&analysis, &format!("acceptance_at_{at}_percent")));
    assert!(100.0 >= at[0] && at[0] > at[1] && at[1] > at[2] && at[2] > 0.0, "{at:?}");
    assert!((at.iter().sum::<f64>() - 3.0 * rate).abs() < 1e-6, "{at:?} and {rate} %");
    assert!(!analysis.summary.values.contains_key(&"acceptance_at_3_percent".parse().unwrap()));
    let report = place.simulated("drafts").run().assert_success().report();
    let notes = &report.loads[0].notes;
    let says = |words: &str| notes.iter().any(|note| note.message.starts_with(words));
    assert!(says("drafts accepted up to each position, from 0: "), "{notes:?}");
    assert_eq!(report.verdict, Verdict::Held);
    let guarded = report.loads[0].rows.iter().filter(|row| row.guard.is_some()).count();
    assert_eq!(guarded, 3);
}
