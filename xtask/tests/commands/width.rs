//! What the commands print on a terminal of 80 columns: no line is wider.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use unicode_width::UnicodeWidthStr;

use crate::common::{err, out, perf};
use crate::nights::Repository;

/// The columns of the terminal.
const COLUMNS: usize = 80;

/// Runs a command, and gives what it printed. It must end with one of these exit codes and print no line
/// that is wider than the terminal. A word alone on its line may be, because a path is never broken.
fn narrow(command: &mut Command, codes: &[i32]) -> String {
    let output = command.output().unwrap();
    let text = out(&output);
    let code = output.status.code().unwrap();
    assert!(codes.contains(&code), "{command:?} ended with {code}\n{text}{}", err(&output));
    assert!(!text.trim().is_empty(), "{command:?} printed nothing: {}", err(&output));
    let is_wide = |line: &&str| line.width() > COLUMNS && line.trim().contains(' ');
    let wide: Vec<&str> = text.lines().filter(is_wide).collect();
    assert!(wide.is_empty(), "{command:?} prints lines of more than {COLUMNS} columns:\n{wide:#?}");
    text
}

fn among(runs: &Path, arguments: &[&str]) -> Command {
    let mut command = perf(arguments);
    command.env("PERF_RUNS_DIR", runs);
    command
}

#[test]
#[ignore = "measures much, for what rarely breaks; CI runs it"]
fn a_run_of_the_whole_simulated_suite_fits_a_terminal_whether_it_held_or_not() {
    let runs = TempDir::new().unwrap();
    let perf = |arguments: &[&str]| among(runs.path(), arguments);
    let on = ["--engine", "simulated", "--tier", "full"];
    narrow(perf(&[]).args(on), &[0]);
    narrow(&mut perf(&["show", "last"]), &[0]);
    let slower = ["chat::", "long_context::", "max_rate", "--inject", "decode=1.05"];
    let said = narrow(perf(&slower).args(on), &[1]);
    assert!(said.contains("REGRESSED"), "{said}");
    narrow(&mut perf(&["show", "last"]), &[0]);
    narrow(&mut perf(&["history"]), &[0]);
}

#[test]
fn what_is_known_before_a_run_fits_a_terminal() {
    narrow(&mut perf(&["list"]), &[0]);
    narrow(&mut perf(&["power"]), &[0]);
    narrow(&mut perf(&["doctor", "--engine", "docker"]), &[0, 7]);
    narrow(&mut perf(&["doctor", "--engine", "simulated"]), &[0, 7]);
}

#[test]
#[ignore = "measures much, for what rarely breaks; CI runs it"]
fn two_variants_raw_values_sweeps_and_published_figures_fit_a_terminal() {
    let runs = TempDir::new().unwrap();
    let perf = |arguments: &[&str]| among(runs.path(), arguments);
    let on = ["--engine", "simulated"];
    let compare = ["compare", "gpu_smoke", "--base", "none", "--candidate", "decode=1.08"];
    narrow(perf(&compare).args(on), &[1]);
    narrow(perf(&["sweep", "sample"]).args(on), &[0]);
    narrow(&mut perf(&["published"]), &[0]);
    let values = runs.path().join("values.json");
    let text = r#"[{"metric": "output_throughput_tok_per_s", "unit": "tok/s", "direction": "higher_is_better",
        "tolerance": 0.025, "values": [[[21300.3], [21100.1], [21200.2]], [[21400.4], [19200.2], [21200.25]]]}]"#;
    std::fs::write(&values, text).unwrap();
    let values = values.display().to_string();
    let judge = ["judge", "--baseline", &values, "--candidate", &values, "--candidate", &values];
    let said = narrow(&mut perf(&judge), &[0, 3]);
    let is_name = |line: &&str| line.ends_with("output_throughput_tok_per_s [tok/s]");
    assert_eq!(said.lines().filter(is_name).count(), 2, "{said}");
}

#[test]
fn a_split_and_its_merged_run_fit_a_terminal() {
    let runs = TempDir::new().unwrap();
    let perf = |arguments: &[&str]| among(runs.path(), arguments);
    let split = runs.path().join("split.json").display().to_string();
    let machines = ["--machine", "gpu-1x-h100=1", "--machine", "gpu-8x-h100=8"];
    narrow(perf(&["split", "--output", &split]).args(machines), &[0]);
    let part = ["--split", &split, "--part", "gpu-1x-h100", "--engine", "simulated"];
    narrow(&mut perf(&part), &[0]);
    let part = runs.path().join("0001").display().to_string();
    let said = narrow(&mut perf(&["merge", &part]), &[3]);
    assert!(said.contains("gpu-8x-h100"), "{said}");
}

#[test]
#[ignore = "measures much, for what rarely breaks; CI runs it"]
fn a_refresh_and_its_proposed_message_fit_a_terminal() {
    let repository = Repository::of("cpu_smoke");
    let refresh = ["refresh", "--engine", "simulated"];
    let said = narrow(&mut repository.command(&refresh), &[0]);
    assert!(said.contains("proposed commit message"), "{said}");
    narrow(repository.command(&refresh).args(["--add-session", "--noise", "2"]), &[0]);
    let rewritten = narrow(&mut repository.command(&["rewrite"]), &[0]);
    assert!(rewritten.contains("were rewritten"), "{rewritten}");
    let anchor = ["accept", "--reset-anchor", "--reason", "a new kernel"];
    narrow(&mut repository.command(&anchor), &[0]);
}
