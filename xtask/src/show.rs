//! `cargo xtask perf show`: every figure of a run, recomputed from its records.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use perf_model::record::{Part, Record};
use perf_model::{exit, render};

use crate::cli::Show;
use crate::runs;
use crate::say::say;

/// Prints a table for each load of the run.
pub(crate) fn show(asked: &Show) -> Result<u8> {
    let run = runs::find(&asked.run)?;
    let mut loads: BTreeMap<(String, String, Part), Vec<Record>> = BTreeMap::new();
    for path in runs::files(&run, "jsonl")? {
        if runs::matches(&path.display().to_string(), &asked.filters) {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let record = Record::parse(&text).with_context(|| path.display().to_string())?;
            loads
                .entry((record.header.suite.clone(), record.header.load.clone(), record.header.part))
                .or_default()
                .push(record);
        }
    }
    if loads.is_empty() {
        bail!("{} holds no records that were asked for", run.display());
    }
    for records in loads.values_mut() {
        records.sort_by_key(|record| (record.header.start, record.header.run));
        say(render::figures(records));
    }
    Ok(exit::HELD)
}
