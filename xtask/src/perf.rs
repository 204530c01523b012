//! `cargo xtask perf` and `cargo xtask perf refresh`: pick an engine, run the scenarios, show what came of them.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use perf_model::config::Config;
use perf_model::fingerprint::EngineKind;
use perf_model::report::SuiteReport;
use perf_model::server::parse_arguments;
use perf_model::settings::{Purpose, Settings, VARIABLE};
use perf_model::verdict::Verdict;
use perf_model::{exit, render};

use crate::cli::{EngineChoice, Required, Run};
use crate::interrupt::Interrupt;
use crate::say::say;
use crate::scenarios::Scenario;
use crate::{machine, runs, scenarios};

/// Measures and judges.
pub(crate) fn gate(asked: &Run) -> Result<u8> {
    run(asked, Purpose::Gate)
}

/// Measures and writes the baselines.
pub(crate) fn refresh(asked: &Run) -> Result<u8> {
    run(asked, Purpose::Refresh)
}

fn run(asked: &Run, purpose: Purpose) -> Result<u8> {
    check_config()?;
    let Some(engine) = pick_engine(asked)? else {
        return Ok(exit::MISSING);
    };
    let mut settings = settings(asked, engine, purpose)?;
    let picked = scenarios::pick(&asked.filters)?;
    let folder = runs::begin()?;
    settings.run_folder = Some(folder.clone());
    remember(&folder, &settings, false)?;

    let interrupt = Interrupt::listen()?;
    let mut reports = Vec::new();
    for scenario in &picked {
        if interrupt.asked() {
            break;
        }
        eprintln!("{}", scenario.name);
        for report in run_scenario(scenario, &settings, &folder, &interrupt)? {
            show(&report);
            reports.push(report);
        }
    }
    if interrupt.asked() {
        eprintln!("interrupted; what was measured so far is kept in {}", folder.display());
        return Ok(exit::INTERRUPTED);
    }
    remember(&folder, &settings, true)?;
    Ok(close(&reports, purpose, asked.require, &folder))
}

fn show(report: &SuiteReport) {
    say(render::suite(report));
}

/// Prints the verdict of the whole and gives its exit code.
fn close(reports: &[SuiteReport], purpose: Purpose, required: Option<Required>, folder: &Path) -> u8 {
    let verdicts = || reports.iter().map(|report| report.verdict);
    if purpose == Purpose::Refresh {
        let invalid = verdicts().filter(|verdict| *verdict == Verdict::Invalid).count();
        let loads = || reports.iter().flat_map(|report| &report.loads);
        for load in loads().filter(|load| load.verdict != Verdict::Invalid) {
            say(format!("wrote {}", load.baseline_file));
        }
        say(format!("records in {}", folder.display()));
        if invalid > 0 {
            say(format!(
                "{invalid} of {} suites could not be measured; their baselines are as they were",
                reports.len()
            ));
        }
        return if invalid > 0 { exit::INVALID } else { exit::HELD };
    }
    say(format!("{}records in {}", render::closing(reports), folder.display()));
    // What a gating runner was to run and could not is no pass, even if the rest held.
    let overall = match required {
        Some(_) => Verdict::join(verdicts()),
        None => Verdict::of_run(verdicts()),
    };
    overall.map_or(exit::MISSING, exit::code)
}

/// A wrong `perf.toml` is said before anything is built.
fn check_config() -> Result<()> {
    let path = runs::root().join("perf.toml");
    match std::fs::read_to_string(&path) {
        Ok(text) => Config::from_toml(&text).map(drop).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The engine to run on; `None` when what was required is missing, which has been said then.
fn pick_engine(asked: &Run) -> Result<Option<EngineKind>> {
    let (gpus, docker) = (machine::gpus(), machine::docker_answers());
    let missing = match (gpus, docker) {
        (0, _) => Some("no NVIDIA GPU here (the driver shows none)"),
        (_, false) => Some("Docker does not answer here"),
        _ => None,
    };
    if let (Some(Required::Gpu), Some(missing)) = (asked.require, missing) {
        eprintln!("error: a GPU is required, but there is {missing}; nothing was run");
        return Ok(None);
    }
    let engine = match asked.engine {
        EngineChoice::Auto => match missing {
            None => EngineKind::Docker,
            Some(missing) => {
                eprintln!("{}", simulated_banner(missing));
                EngineKind::Simulated
            }
        },
        EngineChoice::Docker => EngineKind::Docker,
        EngineChoice::Process => EngineKind::Process,
        EngineChoice::Remote => EngineKind::Remote,
        EngineChoice::Simulated => EngineKind::Simulated,
    };
    if asked.require.is_some() && engine == EngineKind::Simulated {
        bail!("--require gpu and --engine simulated contradict each other");
    }
    Ok(Some(engine))
}

fn simulated_banner(missing: &str) -> String {
    let line = "=".repeat(72);
    format!(
        "{line}\n{missing}: running on the SIMULATED engine.\n\
         Its figures test the suite, not a GPU. On a gating runner use --require gpu.\n{line}"
    )
}

fn settings(asked: &Run, engine: EngineKind, purpose: Purpose) -> Result<Settings> {
    let only = |given: bool, option: &str, wanted: EngineKind| {
        if given && engine != wanted {
            bail!("{option} is for --engine {wanted}, and the engine here is {engine}");
        }
        Ok(())
    };
    only(asked.image.is_some(), "--image", EngineKind::Docker)?;
    only(asked.vllm.is_some(), "--vllm", EngineKind::Process)?;
    only(asked.url.is_some(), "--url", EngineKind::Remote)?;
    only(asked.inject.is_some(), "--inject", EngineKind::Simulated)?;
    if engine == EngineKind::Remote && asked.url.is_none() {
        bail!("--engine remote needs the server's address: --url http://host:8000");
    }
    if let Err(word) = parse_arguments(&asked.arguments) {
        bail!("`{word}` is no engine argument: write flags with their dashes, as in `-- --max-num-seqs 128`");
    }
    Ok(Settings {
        engine,
        purpose,
        starts: asked.starts,
        image: asked.image.clone(),
        vllm: asked.vllm.clone(),
        url: asked.url.clone(),
        models: asked.model.iter().map(|(name, folder)| (name.clone(), PathBuf::from(folder))).collect(),
        arguments: asked.arguments.clone(),
        environment: asked.env.iter().cloned().collect(),
        inject: asked.inject.clone(),
        run_folder: None,
    })
}

/// Writes down what was asked for, and whether it came to its end.
fn remember(folder: &Path, settings: &Settings, complete: bool) -> Result<()> {
    let path = folder.join("run.json");
    let run = serde_json::json!({ "complete": complete, "settings": settings });
    std::fs::write(&path, serde_json::to_string_pretty(&run)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Runs one test in a process of its own and reads the reports that it wrote.
fn run_scenario(
    scenario: &Scenario,
    settings: &Settings,
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<Vec<SuiteReport>> {
    let before: BTreeSet<PathBuf> = reports_in(folder)?;
    let log_path = folder.join(format!("{}.log", scenario.name.replace("::", "-")));
    let log = File::create(&log_path).with_context(|| format!("cannot write {}", log_path.display()))?;
    let insta_update = match settings.purpose {
        Purpose::Gate => "new",
        Purpose::Refresh => "force",
    };
    let child = Command::new(&scenario.binary)
        .args(["--exact", &scenario.test])
        .current_dir(runs::root())
        .env("CARGO_MANIFEST_DIR", runs::root())
        .env(VARIABLE, serde_json::to_string(settings)?)
        .env("INSTA_UPDATE", insta_update)
        .env("INSTA_OUTPUT", "none")
        .env("INSTA_WORKSPACE_ROOT", runs::root())
        .stdin(Stdio::null())
        .stdout(log)
        .spawn()
        .with_context(|| format!("cannot run {}", scenario.binary.display()))?;
    let status = interrupt.wait(child)?;
    let mut reports = Vec::new();
    for path in reports_in(folder)?.difference(&before) {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        reports.push(serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?);
    }
    if reports.is_empty() && !interrupt.asked() {
        let remark = format!("the test ended with {status} and left no report; its output:\n{}", tail(&log_path));
        reports.push(SuiteReport::unmeasured(scenario.name.clone(), settings.engine, Verdict::Invalid, remark));
    }
    Ok(reports)
}

fn reports_in(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let reports = runs::files(folder, "json")?.into_iter().filter(|path| path.ends_with("report.json"));
    Ok(reports.collect())
}

/// The last lines of a log.
fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
