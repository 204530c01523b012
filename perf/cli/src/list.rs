//! `cargo xtask perf list`: the scenarios, their loads and guards, and the state of their baselines.

use anyhow::Result;
use perf_model::judge::exit_code;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::settings::Settings;
use perf_report::terminal;

use crate::interrupt::Interrupt;
use crate::stdout::say;
use crate::{detect, runs, scenario_run, scenarios};

/// Prints each scenario, planned for the engine that `cargo xtask perf` would pick here.
pub(crate) fn list() -> Result<u8> {
    let is_real = detect::gpus() > 0 && detect::docker_answers();
    let engine = if is_real { EngineKind::Docker } else { EngineKind::Simulated };
    let settings = Settings { engine, ..Settings::default() };
    let interrupt = Interrupt::listen()?;
    let scratch = runs::begin()?;
    let folder = scratch.join("plan");
    for scenario in scenarios::pick(&[], scenarios::features_for(engine, detect::nvml()))? {
        let plans =
            scenario_run::plan(std::slice::from_ref(&scenario), &settings, &folder, &interrupt);
        match plans {
            Ok(plans) => {
                for plan in plans.iter().flatten() {
                    say(terminal::plan(&scenario.name, plan));
                }
            }
            Err(why) => say(format!("{}\n  {why:#}\n", scenario.name)),
        }
        if interrupt.asked() {
            break;
        }
    }
    let _ = std::fs::remove_dir_all(scratch);
    Ok(if interrupt.asked() { exit_code::INTERRUPTED } else { exit_code::HELD })
}
