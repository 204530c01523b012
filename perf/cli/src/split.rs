//! `cargo xtask perf split`: which machine measures what, before anything is measured.

use anyhow::{Result, bail};
use perf_model::judge::exit_code;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::plan::Plan;
use perf_model::spec::settings::Settings;
use perf_model::spec::split::{self, Assignment, PlannedScenario};
use perf_report::terminal;
use perf_store::split_file;

use crate::cli::Split;
use crate::error::unmeasurable;
use crate::interrupt::Interrupt;
use crate::measure::read_config;
use crate::stdout::say;
use crate::{built, git, runs, scenario_run, scenarios, tiers};

/// Plans every scenario that was asked for, gives each to a machine, and writes the split.
pub(crate) fn split(asked: &Split) -> Result<u8> {
    read_config()?;
    for (at, machine) in asked.machine.iter().enumerate() {
        if asked.machine[..at].iter().any(|before| before.name == machine.name) {
            bail!("--machine {} is given twice; name each machine once", machine.name);
        }
    }
    let tier = tiers::usual(asked.tier, &asked.filters);
    // What is declared is the same with every engine, and this one runs anywhere.
    let settings = Settings { tier, ..Settings::default() };
    let interrupt = Interrupt::listen()?;
    let features = match &asked.build {
        Some(_) => scenarios::features_for(EngineKind::Docker, true),
        None => &[],
    };
    let picked = scenarios::pick(&asked.filters, features)?;
    let scratch = runs::begin()?;
    let planned = scenario_run::plan(&picked, &settings, &scratch.join("plan"), &interrupt);
    // Nothing was measured.
    let _ = std::fs::remove_dir_all(scratch);
    let plans = planned?;
    if interrupt.asked() {
        return Ok(exit_code::INTERRUPTED);
    }
    let left_out = tiers::left_out(&plans, tier)?;
    let measured: Vec<(&str, Vec<Plan>)> = picked
        .iter()
        .zip(plans)
        .filter(|(_, plans)| tiers::measures(plans))
        .map(|(scenario, plans)| {
            let plans = plans.into_iter().filter(|plan| !plan.is_left_out());
            (scenario.name.as_str(), plans.collect())
        })
        .collect();
    let needs: Vec<PlannedScenario<'_>> =
        measured.iter().map(|(name, plans)| PlannedScenario { name, plans }).collect();
    let Assignment { parts, without_machine } = split::assign(&asked.machine, &needs);
    if parts.is_empty() {
        bail!("no machine can run any of the scenarios; give one with more GPUs");
    }
    let whole = split::Split {
        schema: split::SCHEMA,
        code: git::code(&runs::root()),
        tier,
        filters: asked.filters.clone(),
        guards: parts.iter().map(|part| part.guards).sum(),
        parts,
        without_machine,
        left_out,
    };
    if let Some(folder) = &asked.build {
        built::keep(&picked, folder)?;
    }
    split_file::write(&asked.output, &whole).map_err(unmeasurable)?;
    for part in &whole.parts {
        say(format!("{}: {} guards of {}", part.name, part.guards, part.suites.join(", ")));
    }
    for machine in &asked.machine {
        if whole.part(&machine.name).is_none() {
            say(format!("{}: nothing to measure", machine.name));
        }
    }
    if !whole.without_machine.is_empty() {
        let suites = whole.without_machine.join(", ");
        say(format!("no machine has enough GPUs for {suites}"));
    }
    let file = asked.output.display();
    let written = format!("wrote {file}: {} guards share one error rate", whole.guards);
    let command = format!("cargo xtask perf --split {file} --part NAME");
    say(terminal::advice(&format!("{written}; measure each part with `{command}`")).trim_end());
    Ok(exit_code::HELD)
}
