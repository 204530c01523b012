//! `cargo xtask perf import`: what `vllm bench serve` saved becomes a run, for `show`.

use std::path::Path;

use anyhow::{Context, Result};
use perf_model::interop::vllm_bench;
use perf_model::judge::exit_code;
use perf_model::record::file::{Line, Record, line};
use perf_report::terminal;

use crate::cli::Import;
use crate::runs;
use crate::stdout::say;

/// Reads the files before it writes the run, and shows it.
pub(crate) fn import(asked: &Import) -> Result<u8> {
    let records: Vec<Record> = asked.files.iter().map(|file| read(file)).collect::<Result<_>>()?;
    let folder = runs::begin()?;
    for record in &records {
        let place =
            folder.join(&record.header.suite).join(format!("start-{}", record.header.start));
        std::fs::create_dir_all(&place)
            .with_context(|| format!("cannot make {}", place.display()))?;
        let path = place.join(format!("{}.jsonl", record.header.load));
        std::fs::write(&path, text(record))
            .with_context(|| format!("cannot write {}", path.display()))?;
        say(terminal::figures(std::slice::from_ref(record)));
    }
    say(format!("records in {}", folder.display()));
    Ok(exit_code::HELD)
}

fn read(path: &Path) -> Result<Record> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.file_stem().map_or_else(|| "imported".into(), |stem| stem.to_string_lossy());
    vllm_bench::read(&text, &name).with_context(|| format!("{} cannot be imported", path.display()))
}

fn text(record: &Record) -> String {
    let header = Line::Header(Box::new(record.header.clone()));
    let samples = record.samples.iter().cloned().map(Line::Sample);
    std::iter::once(header)
        .chain(samples)
        .chain(record.end.clone().map(Line::End))
        .map(|content| line(&content))
        .collect()
}
