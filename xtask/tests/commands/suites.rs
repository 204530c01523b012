//! The suites that come with the project: their guards find a slower server, and a tier says what it
//! leaves out.

use crate::common::{out, perf};

/// Runs the loads of pull requests on the simulated engine.
fn run(arguments: &[&str], code: i32) -> String {
    let mut command = perf(arguments);
    let output = command.args(["--engine", "simulated", "--tier", "pr"]).output().unwrap();
    let text = format!("{}{}", out(&output), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// The lines of the guards that found a regression.
fn regressed(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.contains(" [") && line.ends_with("REGRESSED")).collect()
}

#[test]
fn the_chat_suite_finds_decoding_that_is_five_percent_slower() {
    let text = run(&["chat::", "--inject", "decode=1.05"], 1);
    assert!(text.contains("chat / steady   REGRESSED"), "{text}");
    assert!(regressed(&text).iter().any(|guard| guard.contains("TPOT P50")), "{text}");
}

#[test]
fn the_long_context_suite_finds_prefill_that_is_five_percent_slower() {
    let text = run(&["long_context::", "--inject", "prefill=1.05"], 1);
    assert!(text.contains("long_context / one_at_a_time   REGRESSED"), "{text}");
    assert!(regressed(&text).iter().any(|guard| guard.contains("TTFT P50")), "{text}");
}

#[test]
fn a_run_names_what_its_tier_leaves_out_and_refuses_to_measure_nothing() {
    let text = run(&["rag::", "cold_start::"], 0);
    assert!(text.contains("tier pr leaves out 1 suite: cold_start\n"), "{text}");
    assert!(text.contains("tier pr leaves out 1 load: rag / many_documents\n"), "{text}");
    assert!(!text.contains("cold_start / first_request"), "{text}");
    let nothing = run(&["cold_start::"], 2);
    assert!(
        nothing.contains("tier pr leaves out all of it: cold_start; use --tier full"),
        "{nothing}"
    );
}
