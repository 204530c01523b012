//! `cargo xtask perf power`: what the committed baselines can and cannot detect, guard by guard.

use std::fmt::Write;

use anyhow::{Result, bail};
use perf_model::baseline::Baseline;
use perf_model::gate::Gate;
use perf_model::guard::Guard;
use perf_model::report::LoadReport;
use perf_model::settings::Settings;
use perf_model::{exit, redundancy, render, snapshot};

use crate::cli::Power;
use crate::interrupt::Interrupt;
use crate::perf::read_config;
use crate::say::say;
use crate::{runs, scenario_run, scenarios};

/// Prints a table of all guards of each baseline.
pub(crate) fn power(asked: &Power) -> Result<u8> {
    let config = read_config()?;
    let scratch = runs::begin()?;
    let planned =
        scenario_run::plan(&scenarios::pick(&[])?, &Settings::default(), &scratch.join("plan"), &Interrupt::listen()?);
    // Nothing was run.
    let _ = std::fs::remove_dir_all(scratch);
    let planned = planned?;
    let folder = runs::root().join("baselines");
    if !folder.is_dir() {
        bail!("there are no baselines yet; `cargo xtask perf refresh` makes them");
    }
    let mut shown = 0;
    for path in runs::files(&folder, "snap")? {
        let name = path.strip_prefix(&folder).unwrap_or(&path).display().to_string();
        if !runs::matches(&name, &asked.filters) {
            continue;
        }
        shown += 1;
        match std::fs::read_to_string(&path).ok().as_deref().and_then(snapshot::split) {
            Some((_, body)) => match Baseline::from_yaml(body) {
                Ok(baseline) => say(of(&name, &baseline, &planned, &config.gate, asked.budget)?),
                Err(error) => say(format!("{name}: {error}\n")),
            },
            None => say(format!("{name}: it is no snapshot file\n")),
        }
    }
    if shown == 0 {
        bail!("no baseline has one of these in its path: {}", asked.filters.join(", "));
    }
    Ok(exit::HELD)
}

/// The table of one baseline. The guards of all loads with a baseline on the same hardware share the error rate.
fn of(
    name: &str,
    baseline: &Baseline,
    planned: &[LoadReport],
    config: &perf_model::config::Gate,
    budget: Option<u32>,
) -> Result<String> {
    let Some(load) = planned.iter().find(|load| load.suite == baseline.suite && load.load == baseline.load) else {
        return Ok(format!("{name}: no scenario measures this load any more; delete the file\n"));
    };
    let gate = Gate::of_run(config, planned.iter().map(|load| load.rows.len()).sum(), budget)?;
    let guards =
        load.rows.iter().filter_map(|row| Some(Guard { metric: row.metric, slack: row.guard.as_ref()?.slack }));
    let guards: Vec<Guard> = guards.collect();
    let mut text = render::power(name, baseline, &guards, &gate);
    for remark in redundancy::remarks(&load.arrivals, &guards) {
        let _ = writeln!(text, "  {remark}");
    }
    Ok(text)
}
