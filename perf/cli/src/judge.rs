//! `cargo xtask perf judge`: the gate over raw values alone.

use std::path::Path;

use anyhow::{Context, Result, bail};
use perf_gate::{Design, Input, Output, judge_input};
use perf_model::judge::exit_code;
use perf_model::judge::verdict::Verdict;
use perf_report::terminal;
use perf_store::input_file::{self, Kind};

use crate::cli::Judge;
use crate::stdout::say;

/// Judges every metric of every candidate, and exits as a run with these verdicts would.
pub(crate) fn judge(asked: &Judge) -> Result<u8> {
    let baseline = read(&asked.baseline)?;
    let checks = asked.checks.map_or(baseline.len(), |checks| checks as usize);
    let max_starts = asked.budget as usize;
    let usual = Design::of(checks);
    let design = Design { max_starts, min_starts: usual.min_starts.min(max_starts), ..usual };
    let mut outputs = Vec::new();
    once(&baseline, &asked.baseline)?;
    for path in &asked.candidate {
        let candidates = read(path)?;
        once(&candidates, path)?;
        for candidate in &candidates {
            let Some(base) = baseline.iter().find(|base| base.metric == candidate.metric) else {
                bail!(
                    "{} holds {}, and {} does not; give documents of the same metrics",
                    path.display(),
                    candidate.metric,
                    asked.baseline.display()
                );
            };
            let output = judge_input(&design, base, candidate)
                .with_context(|| path.display().to_string())?;
            outputs.push((path.display().to_string(), output));
        }
        let is_gone = |base: &&Input| candidates.iter().all(|there| there.metric != base.metric);
        if let Some(gone) = baseline.iter().find(is_gone) {
            bail!(
                "{} lacks {}, which {} guards; measure it, or remove it from the baseline",
                path.display(),
                gone.metric,
                asked.baseline.display()
            );
        }
    }
    if asked.json {
        let as_json = |(file, output): &(String, Output)| serde_json::json!({ "file": file, "judged": output });
        say(serde_json::to_string_pretty(&outputs.iter().map(as_json).collect::<Vec<_>>())?);
    } else {
        say(terminal::judged(&outputs));
    }
    let verdicts = outputs.iter().map(|(_, output)| Verdict::from(output.judgement.verdict));
    Ok(Verdict::join(verdicts).map_or(exit_code::USAGE, exit_code::code))
}

/// Refuses a file that holds a metric twice: which of them is meant is not known.
fn once(documents: &[Input], path: &Path) -> Result<()> {
    for (place, document) in documents.iter().enumerate() {
        if documents[..place].iter().any(|before| before.metric == document.metric) {
            bail!(
                "{} holds {} twice; give one document for each metric, and one file for each load",
                path.display(),
                document.metric
            );
        }
    }
    Ok(())
}

/// One document, or a list of them.
fn read(path: &Path) -> Result<Vec<Input>> {
    let text = input_file::read(path, Kind::Values)?;
    let documents = if text.trim_start().starts_with('[') {
        serde_json::from_str(&text)
    } else {
        serde_json::from_str(&text).map(|document| vec![document])
    };
    let documents: Vec<Input> = documents.with_context(|| {
        format!(
            "{} must be an object with metric, unit, direction and values[session][start][run], or a list of them",
            path.display()
        )
    })?;
    if documents.is_empty() {
        bail!("{} holds no metric", path.display());
    }
    Ok(documents)
}
