//! A search for the highest load on a server that is already up: [`search`].

use std::io::Write;

use anyhow::{Context, anyhow};
use perf_model::analysis::search::{SearchAnalysis, Searcher};
use perf_model::judge::exit_code;
use perf_model::spec::load::Load;
use perf_report::terminal;

use crate::server::{Failure, Server};

/// Probes until there is an answer, prints every probe and what was found, and gives the exit code.
pub(crate) async fn search(
    server: &Server<'_>,
    load: &Load,
    interrupt: &mut (impl Future<Output = &'static str> + Unpin),
) -> Result<u8, Failure> {
    eprintln!("{}: {}", load.name, load.describe_arrivals());
    let searcher = Searcher::new(load).ok_or_else(|| anyhow!("the load declares no search"))?;
    let mut searcher = searcher.map_err(anyhow::Error::from)?;
    let mut records = Vec::new();
    let mut is_interrupted = false;
    while let Some((probe_load, probe)) = searcher.next_probe() {
        let at = probe.at;
        let ran = server.put(probe_load, Some(probe), interrupt).await?;
        if let Some(trouble) = ran.trouble {
            return Err(anyhow::Error::from(trouble).context("the record is incomplete").into());
        }
        is_interrupted = !ran.record.is_complete();
        searcher.take(at, &ran.record);
        records.push(ran.record);
        let found = SearchAnalysis::of(&records);
        if let Some(last) = found.as_ref().and_then(|found| found.probes.last()) {
            eprintln!("probe {}: {last}", last.number);
        }
        if is_interrupted {
            break;
        }
    }
    writeln!(std::io::stdout().lock(), "{}", terminal::search(&records).trim_end())
        .context("cannot write the result to standard output")?;
    let is_valid = SearchAnalysis::of(&records).is_some_and(|found| found.faults.is_empty());
    Ok(match is_valid {
        _ if is_interrupted => exit_code::INTERRUPTED,
        true => exit_code::HELD,
        false => exit_code::INVALID,
    })
}
