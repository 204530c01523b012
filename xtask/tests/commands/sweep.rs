//! `cargo xtask perf sweep` as its user meets it: a declared sweep, one from the command line, and a
//! run that goes on.

use std::process::Output;

use crate::common::{out, perf};

fn ended(arguments: &[&str]) -> Output {
    perf(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", out(output), String::from_utf8_lossy(&output.stderr))
}

/// The folder of a run, from the last lines of its command.
fn folder(output: &Output) -> String {
    let text = out(output);
    let line =
        text.lines().find_map(|line| line.strip_prefix("records, sweep.json and sweep.csv in "));
    line.unwrap_or_else(|| panic!("{}", said(output))).to_owned()
}

#[test]
fn a_sweep_that_ran_out_of_budget_goes_on_and_is_shown_again() {
    let first = ended(&["sweep", "sample", "--engine", "simulated", "--budget", "1"]);
    assert_eq!(first.status.code(), Some(3), "{}", said(&first));
    assert!(out(&first).contains("6 cells: 3 measured, 3 not run"), "{}", said(&first));
    let run = folder(&first);
    // The budget of the run would be used up again.
    let whole = ended(&["sweep", "--resume", &run, "--budget", "8"]);
    assert_eq!(whole.status.code(), Some(0), "{}", said(&whole));
    assert!(out(&whole).contains("6 cells: 6 measured"), "{}", said(&whole));
    assert!(
        out(&whole).contains("  throughput: max-num-seqs=64, concurrency=32 gives the highest")
    );
    let shown = ended(&["show", &run]);
    let page = out(&whole);
    let page = page.split("\nrecords, ").next().unwrap();
    assert!(out(&shown).contains(page.trim_end()), "{}", said(&shown));
}

#[test]
fn a_command_line_declares_a_sweep() {
    let one_off = ended(&[
        "sweep",
        "--engine",
        "simulated",
        "--model",
        "m",
        "--axis=--max-num-seqs=4,8",
        "--axis",
        "concurrency=1,16",
        "--input",
        "16",
        "--output",
        "8",
        "--requests",
        "20",
        "--simulated-as",
        "tiny-cpu",
        "--",
        "--max-model-len=256",
    ]);
    assert_eq!(one_off.status.code(), Some(0), "{}", said(&one_off));
    let page = out(&one_off);
    assert!(page.contains("sweep one-off   4 cells: 4 measured"), "{page}");
    assert!(page.contains("16 random tokens, exactly 8 output tokens"), "{page}");
}

#[test]
fn what_is_no_sweep_is_refused_with_what_there_is() {
    for (arguments, why) in [
        (&["sweep", "--engine", "simulated"][..], "name a sweep, or declare one"),
        (&["sweep", "cpu_smoke", "--engine", "simulated"][..], "no sweep has `cpu_smoke`"),
        (
            &["sweep", "--engine", "simulated", "--model", "m", "--axis", "concurency=1"][..],
            "no axis is called `concurency`",
        ),
        (&["sweep", "--model", "m"][..], "needs an axis"),
        (&["sweep", "--axis", "concurrency=1,2"][..], "needs a model"),
        (&["sweep::from", "--engine", "simulated"][..], "`sample` is a sweep; measure it with"),
    ] {
        let output = ended(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(why), "{}", said(&output));
    }
}
