//! Whole runs of a suite whose guard is on the max rate, each a process of its own with noise of its
//! own: how often it misses a slower decode, and how often it raises an alarm for nothing.

use std::path::Path;
use std::process::{Command, Stdio};

use perf::prelude::*;
use perf_model::judge::report::SuiteReport;
use perf_model::judge::verdict::Verdict;
use perf_model::spec::settings::{Purpose, Settings, VARIABLE};

/// Set in the processes that are the scenario.
const INNER: &str = "PERF_SEARCH_INNER";

#[test]
fn inner_scenario() -> perf::Result {
    if std::env::var_os(INNER).is_none() {
        return Ok(());
    }
    let engine = Vllm::under_test()
        .model("tiny")
        .arg("--max-num-seqs", 128)
        .arg("--max-model-len", 4096)
        .simulated_as("qwen2.5-7b-bf16-1xh200");
    let _ = Suite::new("inner")
        .load(
            Load::new("max_rate")
                .prompts(random_tokens(64))
                .output_tokens(exactly(16))
                .objective(ttft().within(millis(200.0)))
                .objective(tpot().within(millis(7.0)))
                .requests(1_000)
                .arrivals(constant_rate(per_second(8.0)))
                .search(rates(per_second(8.0)..=per_second(512.0)))
                .guard(max_rate().may_drop(percent(5.0))),
        )
        .run_on(engine)?;
    Ok(())
}

#[test]
#[ignore = "takes minutes: the table of docs/SEARCH.md"]
fn gates() {
    let runs = |first: u64, count: u64, inject: Option<&str>| -> Vec<Verdict> {
        (0..count).map(|number| history(first + number * 100, 5, inject).verdict).collect()
    };
    let (same, slower) = (runs(1, 20, None), runs(1_000_001, 10, Some("decode=1.08")));
    println!("| simulated gates | runs | held | regressed | other |");
    println!("|---|---|---|---|---|");
    for (name, verdicts) in [("nothing changed", &same), ("decode 8 % slower", &slower)] {
        let of = |verdict| verdicts.iter().filter(|it| **it == verdict).count();
        let (held, regressed) = (of(Verdict::Held), of(Verdict::Regressed));
        let other = verdicts.len() - held - regressed;
        println!("| {name} | {} | {held} | {regressed} | {other} |", verdicts.len());
    }
    assert!(same.iter().all(|verdict| *verdict != Verdict::Regressed), "{same:?}");
    let caught = slower.iter().filter(|verdict| **verdict == Verdict::Regressed).count();
    assert!(caught >= 9, "{slower:?}");
}

#[test]
fn a_guard_on_the_max_rate_catches_a_slower_decode() {
    assert_eq!(history(5_001, 3, Some("decode=1.08")).verdict, Verdict::Regressed);
}

/// Measures a baseline of so many starts, then a run with other noise.
fn history(noise: u64, starts: u32, inject: Option<&str>) -> SuiteReport {
    let place = tempfile::tempdir().unwrap();
    let settings = |noise| Settings {
        noise,
        run_folder: Some(place.path().join("run")),
        ..Settings::default()
    };
    let refresh = Settings {
        purpose: Purpose::Refresh,
        starts: Some(starts),
        runs: Some(1),
        ..settings(noise)
    };
    run(place.path(), &refresh);
    let mut gate = settings(noise + 1);
    gate.candidate.inject = inject.map(str::to_owned);
    run(place.path(), &gate)
}

fn run(root: &Path, settings: &Settings) -> SuiteReport {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "gates::inner_scenario", "--nocapture"])
        .env(INNER, "1")
        .env("CARGO_MANIFEST_DIR", root)
        .env("INSTA_WORKSPACE_ROOT", root)
        .env("INSTA_OUTPUT", "none")
        .env("INSTA_UPDATE", if settings.purpose == Purpose::Refresh { "force" } else { "new" })
        .env(VARIABLE, serde_json::to_string(settings).unwrap())
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "a run ended with {}: {said}", output.status);
    let report = root.join("run/inner/report.json");
    serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap()
}
