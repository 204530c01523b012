//! Whole runs of a simulated suite, judged as `cargo xtask perf` judges: how often the gate cries
//! wolf, and how often it sleeps. `cargo xtask gate-lab` runs it; `--runs N --slower N` change how
//! many.
//!
//! Nothing is short-cut: the scenario below is an ordinary one, every run is a process of its own
//! with the real load generator, the simulated vLLM in virtual time, the real parser and the real
//! gate. Each run has a baseline of its own, of five sessions, and noise of its own.

#![expect(clippy::print_stdout, reason = "its output is a table")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use perf::prelude::*;
use perf_model::judge::report::SuiteReport;
use perf_model::judge::verdict::Verdict;
use perf_model::spec::settings::{Purpose, Settings, VARIABLE};

/// Set in the processes that are the scenario.
const INNER: &str = "PERF_FRONT_DOOR_INNER";

/// Sessions and starts of each baseline: ten starts, as the gate's table has them.
const SESSIONS: u64 = 5;
const STARTS: u32 = 2;

/// What is promised of a suite in which nothing changed, and of a guard that lost 5 %; see
/// `docs/gate/measured.md`.
const FALSE_ALARMS: f64 = 0.05;
const POWER: f64 = 0.92;

fn scenario() -> perf::Result {
    let load = |name: &str| Load::new(name).prompts(random_tokens(32)).output_tokens(exactly(64));
    let _ = Suite::new("front_door")
        .load(
            load("closed_loop")
                .arrivals(concurrent(8))
                .requests(32)
                .guard(output_throughput().may_drop(percent(2.5)))
                .guard(ttft().p50().may_rise(percent(5.0)))
                .guard(itl().p50().may_rise(percent(2.5))),
        )
        .load(
            load("one_at_a_time")
                .requests(6)
                .guard(e2e().p50().may_rise(percent(2.5)))
                .guard(tpot().p50().may_rise(percent(2.5))),
        )
        .load(
            load("poisson")
                .arrivals(poisson(per_second(4.0)))
                .requests(32)
                .guard(e2e().p50().may_rise(percent(2.5)))
                .guard(itl().p99().may_rise(percent(5.0))),
        )
        .run_on(Vllm::under_test().model("tiny").simulated_as("generic"))?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::var_os(INNER).is_some() {
        return Ok(scenario()?);
    }
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str, usual: u64| {
        let value = arguments
            .iter()
            .position(|argument| argument == name)
            .and_then(|at| arguments.get(at + 1));
        value.map_or(Ok(usual), |value| value.parse())
    };
    let (unchanged, slower) = (given("--runs", 200)?, given("--slower", 50)?);
    let same = runs(1, unchanged, None)?;
    let lost = runs(1_000_001, slower, Some("decode=1.05"))?;

    let count = |reports: &[SuiteReport], verdict: Verdict| {
        reports.iter().filter(|it| it.verdict == verdict).count()
    };
    let starts = |reports: &[SuiteReport]| {
        let all: usize =
            reports.iter().filter_map(|it| it.loads.iter().map(|load| load.starts).max()).sum();
        all as f64 / reports.len().max(1) as f64
    };
    println!(
        "| whole simulated runs, 7 guards | runs | held | improved | inconclusive | regressed | starts a run |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, reports) in [("nothing changed", &same), ("decode 5 % slower", &lost)] {
        println!(
            "| {name} | {} | {} | {} | {} | {} | {:.1} |",
            reports.len(),
            count(reports, Verdict::Held),
            count(reports, Verdict::Improved),
            count(reports, Verdict::Inconclusive),
            count(reports, Verdict::Regressed),
            starts(reports)
        );
    }
    let alarms = count(&same, Verdict::Regressed) as f64 / same.len().max(1) as f64;
    let caught = count(&lost, Verdict::Regressed) as f64 / lost.len().max(1) as f64;
    println!(
        "\nfalse alarms {:.1} % (promised: at most {:.0} %)",
        alarms * 100.0,
        FALSE_ALARMS * 100.0
    );
    println!("caught {:.0} % (promised: at least {:.0} %)", caught * 100.0, POWER * 100.0);
    let kept = alarms <= FALSE_ALARMS && caught >= POWER;
    if kept { Ok(()) } else { Err("a promise is not kept".into()) }
}

/// So many histories: a baseline each, and a run that is held against it.
fn runs(
    first: u64,
    count: u64,
    inject: Option<&str>,
) -> Result<Vec<SuiteReport>, Box<dyn std::error::Error>> {
    let (next, reports) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let report =
                        history(first + number * 100, inject).map_err(|error| error.to_string());
                    reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
                }
            });
        }
    });
    let reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    reports.into_iter().map(|report| report.map_err(Into::into)).collect()
}

/// Measures a baseline in its sessions, then a run, each with noise of its own.
fn history(noise: u64, inject: Option<&str>) -> Result<SuiteReport, Box<dyn std::error::Error>> {
    let place = tempfile::tempdir()?;
    let settings = |noise| Settings {
        noise,
        run_folder: Some(place.path().join("run")),
        ..Settings::default()
    };
    for session in 0..SESSIONS {
        let refresh = Settings {
            purpose: Purpose::Refresh,
            starts: Some(STARTS),
            adds_session: session > 0,
            ..settings(noise + session)
        };
        run(place.path(), &refresh)?;
    }
    let mut gate = settings(noise + SESSIONS);
    gate.candidate.inject = inject.map(str::to_owned);
    run(place.path(), &gate)
}

fn run(root: &Path, settings: &Settings) -> Result<SuiteReport, Box<dyn std::error::Error>> {
    let output = Command::new(std::env::current_exe()?)
        .env(INNER, "1")
        .env("CARGO_MANIFEST_DIR", root)
        .env("INSTA_WORKSPACE_ROOT", root)
        .env("INSTA_OUTPUT", "none")
        .env("INSTA_UPDATE", if settings.purpose == Purpose::Refresh { "force" } else { "new" })
        .env(VARIABLE, serde_json::to_string(settings)?)
        .current_dir(root)
        .stdout(Stdio::null())
        .output()?;
    let report = root.join("run/front_door/report.json");
    if !output.status.success() {
        return Err(format!(
            "a run ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    Ok(serde_json::from_str(&std::fs::read_to_string(report)?)?)
}
