//! `cargo xtask perf doctor`: what is wrong with this machine, before a run finds out.
//!
//! It compiles neither Docker nor NVML: it asks their commands, `docker` and `nvidia-smi`, and builds
//! nothing. It changes nothing either. What it does not look at:
//!
//! - images and models that only a scenario names, since no scenario is built: of those, the image and
//!   the models of `perf.toml`;
//! - the files of a model, which the engine reads before a start (`perf/engine/src/model_files.rs`);
//! - clocks that are locked with `nvidia-smi -lgc`, which the driver does not report (lowered
//!   application clocks it does), and processes outside of the container that this runs in;
//! - whether a pull of an image would succeed, and the server of `--engine remote`.

mod ask;
mod baselines;
mod disk;
mod docker;
mod gpus;
mod holders;
mod leases;
mod models;

use anyhow::Result;
use perf_model::judge::exit_code;
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_report::terminal::{self, Check, Severity};

use crate::cli::{Doctor, EngineChoice};
use crate::stdout::say;
use crate::{runs, settings};

/// What the checks depend on.
struct Machine {
    /// The engine that a run is asked for.
    engine: EngineKind,
    config: Config,
}

impl Machine {
    /// Whether the engine starts servers on this machine, or on the daemon that it talks to.
    fn starts_servers(&self) -> bool {
        matches!(self.engine, EngineKind::Docker | EngineKind::Process)
    }
}

/// Prints what was found. The exit code says whether a run is possible: 0, 2 for a `perf.toml` that
/// is wrong, otherwise 7.
#[expect(clippy::unnecessary_wraps, reason = "every command gives a result")]
pub(crate) fn doctor(asked: &Doctor) -> Result<u8> {
    let mut checks = Vec::new();
    let engine = engine(asked.engine, &mut checks);
    let (config, perf_toml) = perf_toml();
    let is_valid = perf_toml.severity == Severity::Ok;
    checks.push(perf_toml);
    let machine = Machine { engine, config };
    let held = holders::leases();
    let gpus = gpus::look(&machine, &held, &mut checks);
    docker::look(&machine, gpus, &mut checks);
    models::look(&machine, &mut checks);
    disk::look(&mut checks);
    leases::look(&machine, gpus, &held, &mut checks);
    baselines::look(&runs::root().join("baselines"), &mut checks);
    say(terminal::doctor(engine, &checks).trim_end());
    let is_stopped = checks.iter().any(|check| check.severity == Severity::Problem);
    Ok(match (is_valid, is_stopped) {
        (false, _) => exit_code::USAGE,
        (true, true) => exit_code::MISSING,
        (true, false) => exit_code::HELD,
    })
}

/// The engine that a run would take, as `cargo xtask perf` picks it.
fn engine(choice: EngineChoice, checks: &mut Vec<Check>) -> EngineKind {
    let (missing, named) = (settings::missing(), choice.named());
    if let (None, Some(missing)) = (named, missing) {
        checks.push(Check::note(
            format!("{missing}: a run takes the simulated engine, whose figures test the suite"),
            "name another with `--engine docker`, `process` or `remote`; on a gating runner, \
             `cargo xtask perf --require gpu` makes this an error",
        ));
    }
    named.unwrap_or(if missing.is_none() { EngineKind::Docker } else { EngineKind::Simulated })
}

/// `perf.toml`, or the defaults where it cannot be used.
fn perf_toml() -> (Config, Check) {
    let root = runs::root();
    match perf_store::config_file::read(&root) {
        Ok(config) if root.join("perf.toml").exists() => {
            (config, Check::ok("perf.toml can be read"))
        }
        Ok(config) => (config, Check::ok("there is no perf.toml; its defaults are taken")),
        Err(why) => {
            let remedy = "correct it; `cargo xtask perf schema` prints what it may say. Until then \
                the other checks take the defaults";
            (Config::default(), Check::problem(why.to_string(), remedy))
        }
    }
}
