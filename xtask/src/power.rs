//! `cargo xtask perf power`: what the committed baselines can and cannot detect, guard by guard.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use perf_model::baseline::Baseline;
use perf_model::gate::Gate;
use perf_model::guard::Guard;
use perf_model::report::LoadReport;
use perf_model::settings::Settings;
use perf_model::{exit, redundancy, render};

use crate::cli::Power;
use crate::interrupt::Interrupt;
use crate::perf::read_config;
use crate::say::say;
use crate::{rests, runs, scenario_run, scenarios};

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
    let gate = Gate::of_run(&config.gate, planned.iter().map(|load| load.rows.len()).sum(), asked.budget)?;
    let mut shown = 0;
    for suite in folders_with_baselines(&folder)? {
        let (mut known, mut told) = (Vec::new(), Vec::new());
        for path in runs::files(&suite, "snap")? {
            let name = path.strip_prefix(&folder).unwrap_or(&path).display().to_string();
            let load = |baseline: &Baseline| {
                planned.iter().find(|load| load.suite == baseline.suite && load.load == baseline.load)
            };
            match runs::baseline(&path) {
                Ok(baseline) => match load(&baseline) {
                    Some(load) => known.push((name, load, baseline)),
                    None => told.push((name, "no scenario measures this load any more; delete the file".to_owned())),
                },
                Err(why) => told.push((name, why.to_string())),
            }
        }
        let pairs: Vec<_> = known.iter().map(|(_, load, baseline)| (*load, baseline.clone())).collect();
        let gate = rests::learned(&gate, &pairs);
        for (name, load, baseline) in known {
            told.push((name.clone(), of(&name, &baseline, load, &gate)));
        }
        for (name, text) in told.into_iter().filter(|(name, _)| runs::matches(name, &asked.filters)) {
            shown += 1;
            say(if text.starts_with(&name) { text } else { format!("{name}: {text}\n") });
        }
    }
    if shown == 0 {
        bail!("no baseline has one of these in its path: {}", asked.filters.join(", "));
    }
    Ok(exit::HELD)
}

/// The folders in which baselines lie: one a suite and machine.
fn folders_with_baselines(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    Ok(runs::files(folder, "snap")?.iter().filter_map(|file| file.parent()).map(Path::to_path_buf).collect())
}

/// The table of one baseline. The guards of all scenarios share the error rate.
fn of(name: &str, baseline: &Baseline, load: &LoadReport, gate: &Gate) -> String {
    let guards: Vec<Guard> = rests::guards(load).collect();
    let mut text = render::power(name, baseline, &guards, gate);
    for remark in redundancy::remarks(&load.arrivals, &guards) {
        let _ = writeln!(text, "  {remark}");
    }
    text
}
