//! `cargo xtask perf rewrite`: baselines are written again in the present form, with the slacks that
//! their scenarios declare now. What was measured stays.

use anyhow::{Context, Result, bail};
use perf_model::judge::exit_code;
use perf_model::spec::plan::PlannedLoad;
use perf_store::input_file::escaped;
use perf_store::lock::Lock;

use crate::cli::Rewrite;
use crate::interrupt::Interrupt;
use crate::stdout::say;
use crate::{runs, scenario_run};

/// Rewrites the baselines that the filters name. Reads all before it writes the first.
pub(crate) fn rewrite(asked: &Rewrite) -> Result<u8> {
    let folder = runs::root().join("baselines");
    if !folder.is_dir() {
        bail!("there are no baselines yet; `cargo xtask perf refresh` makes them");
    }
    let chosen = runs::baselines(&folder, &asked.filters)?;
    for (name, file) in &chosen {
        if file.with_extension("snap.new").exists() {
            bail!(
                "{name} has a pending snapshot; accept or reject it with `cargo insta review` first; no baseline was \
                 rewritten"
            );
        }
        runs::baseline(file).with_context(|| format!("{name}; no baseline was rewritten"))?;
    }
    let interrupt = Interrupt::listen()?;
    let planned = scenario_run::all_loads(&interrupt)?;
    if interrupt.asked() {
        return Ok(exit_code::INTERRUPTED);
    }
    let mut changed = 0;
    for (name, file) in &chosen {
        let lock = Lock::on(file)?;
        // Another process may have refreshed it since.
        let mut baseline = runs::baseline(file)
            .with_context(|| format!("{name}; {changed} before it were rewritten"))?;
        match planned_of(&planned, &baseline.suite, &baseline.load) {
            Some(load) => baseline.slacks = baseline.slacks_of(&load.guards),
            None => eprintln!("warning: no scenario measures {} any more", escaped(file)),
        }
        if perf_store::baselines::rewrite(&lock, file, &baseline)? {
            changed += 1;
            say(format!("wrote baselines/{name}"));
        }
    }
    say(format!(
        "{changed} of {} baselines were rewritten; what was measured did not change",
        chosen.len()
    ));
    Ok(exit_code::HELD)
}

fn planned_of<'a>(planned: &'a [PlannedLoad], suite: &str, load: &str) -> Option<&'a PlannedLoad> {
    planned.iter().find(|planned| planned.suite == suite && planned.load.name == load)
}
