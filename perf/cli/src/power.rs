//! `cargo xtask perf power`: what the committed baselines can and cannot detect, guard by guard.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use perf_model::judge::baseline::Baseline;
use perf_model::judge::exit_code;
use perf_model::judge::gate::Gate;
use perf_model::judge::red_run::Tally;
use perf_model::judge::redundant_guards;
use perf_model::spec::plan::PlannedLoad;
use perf_report::terminal;
use perf_store::red_runs_file;

use crate::cli::Power;
use crate::interrupt::Interrupt;
use crate::measure::read_config;
use crate::stdout::say;
use crate::{refresh_summary, runs, scenario_run};

/// Prints a table of all guards of each baseline.
pub(crate) fn power(asked: &Power) -> Result<u8> {
    let config = read_config()?;
    let folder = runs::root().join("baselines");
    if !folder.is_dir() {
        bail!("there are no baselines yet; `cargo xtask perf refresh` makes them");
    }
    let chosen: BTreeSet<String> =
        runs::baselines(&folder, &asked.filters)?.into_iter().map(|(name, _)| name).collect();
    let interrupt = Interrupt::listen()?;
    let planned = scenario_run::all_loads(&interrupt)?;
    if interrupt.asked() {
        return Ok(exit_code::INTERRUPTED);
    }
    let gate = Gate::of_run(
        &config.gate,
        planned.iter().map(|load| load.guards.len()).sum(),
        asked.budget,
    )?;
    for suite in by_suite(runs::baselines(&folder, &[])?) {
        let (mut known, mut lines) = (Vec::new(), Vec::new());
        for (name, path) in suite {
            let load = |baseline: &Baseline| {
                planned
                    .iter()
                    .find(|load| load.suite == baseline.suite && load.load.name == baseline.load)
            };
            match runs::baseline(&path) {
                Ok(baseline) => match load(&baseline) {
                    Some(load) => known.push((name, load, baseline)),
                    None => lines.push((
                        name,
                        "no scenario measures this load any more; delete the file".to_owned(),
                    )),
                },
                Err(why) => lines.push((name, why.to_string())),
            }
        }
        let pairs: Vec<_> =
            known.iter().map(|(_, load, baseline)| (*load, baseline.clone())).collect();
        let gate = refresh_summary::learned(&gate, &pairs);
        for (name, load, baseline) in known {
            lines.push((name.clone(), of(&name, &baseline, load, &gate)));
        }
        for (name, text) in lines.into_iter().filter(|(name, _)| chosen.contains(name)) {
            say(if text.starts_with(&name) { text } else { format!("{name}: {text}\n") });
        }
    }
    let red = red_runs_file::read(&runs::root())?;
    if !red.is_empty() {
        say(format!("so far, {} (baselines/red-runs.jsonl)", Tally::of(&red)));
    }
    Ok(exit_code::HELD)
}

/// The baselines of each suite and machine, which tell each other's noise.
fn by_suite(baselines: Vec<(String, PathBuf)>) -> impl Iterator<Item = Vec<(String, PathBuf)>> {
    let mut suites: BTreeMap<Option<PathBuf>, Vec<(String, PathBuf)>> = BTreeMap::new();
    for (name, file) in baselines {
        suites.entry(file.parent().map(Path::to_path_buf)).or_default().push((name, file));
    }
    suites.into_values()
}

/// The table of one baseline. The guards of all scenarios share the error rate.
fn of(name: &str, baseline: &Baseline, load: &PlannedLoad, gate: &Gate) -> String {
    let mut text = terminal::power(name, baseline, &load.guards, gate);
    for remark in redundant_guards::remarks(load.load.arrivals, &load.guards) {
        let _ = writeln!(text, "  {remark}");
    }
    text
}
