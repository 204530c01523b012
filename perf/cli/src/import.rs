//! `cargo xtask perf import`: what `vllm bench serve` saved becomes a run, for `show`.

use std::path::Path;

use anyhow::{Context, Result};
use perf_model::interop::vllm_bench;
use perf_model::judge::exit_code;
use perf_model::record::file::Record;
use perf_report::terminal;
use perf_store::input_file::{self, Kind};
use perf_store::record_file;

use crate::cli::Import;
use crate::error::unmeasurable;
use crate::runs;
use crate::stdout::say;

/// Reads the files before it writes the run, and shows it.
pub(crate) fn import(asked: &Import) -> Result<u8> {
    let records: Vec<Vec<Record>> =
        asked.files.iter().map(|file| read(file)).collect::<Result<_>>()?;
    let records = records.concat();
    let folder = runs::begin()?;
    for record in &records {
        record_file::write(&folder, record).map_err(unmeasurable)?;
        say(terminal::figures(std::slice::from_ref(record)));
    }
    say(format!("records in {}", folder.display()));
    Ok(exit_code::HELD)
}

fn read(path: &Path) -> Result<Vec<Record>> {
    let text = input_file::read(path, Kind::Import)?;
    let name = path.file_stem().map_or_else(|| "imported".into(), |stem| stem.to_string_lossy());
    let mut records = vllm_bench::read_all(&text, &name)
        .with_context(|| format!("{} cannot be imported", path.display()))?;
    let ends = records.iter_mut().filter_map(|record| record.end.as_mut());
    for skipped in ends.filter_map(|end| end.skipped_entries.as_mut()) {
        skipped.file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    }
    Ok(records)
}
