//! `cargo xtask perf judge`: the gate over raw values alone.

use std::path::Path;

use anyhow::{Context, Result, bail};
use perf_gate::{Input, Output, judge_inputs};
use perf_model::judge::exit_code;
use perf_model::judge::gate::Gate;
use perf_model::judge::verdict::Verdict;
use perf_report::terminal;
use perf_store::input_file::{self, Kind};

use crate::cli::Judge;
use crate::measure::read_config;
use crate::stdout::{say, say_as_it_is};

/// Judges every metric of every candidate, and exits as a run with these verdicts would.
pub(crate) fn judge(asked: &Judge) -> Result<u8> {
    let baseline = read(&asked.baseline)?;
    let config = read_config()?;
    let guards = asked.checks.map_or(baseline.len(), |checks| checks as usize);
    let gate = Gate::of_run(&config.gate, guards, asked.budget)?;
    let budget = asked.budget.map_or(gate.most_starts(), |budget| budget as usize);
    let mut outputs = Vec::new();
    for path in &asked.candidate {
        let judged = judge_inputs(gate.design(), budget, &baseline, &read(path)?)
            .with_context(|| format!("{} against {}", path.display(), asked.baseline.display()))?;
        outputs.extend(judged.into_iter().map(|output| (path.display().to_string(), output)));
    }
    if asked.json {
        let as_json = |(file, output): &(String, Output)| serde_json::json!({ "file": file, "judged": output });
        say_as_it_is(serde_json::to_string_pretty(
            &outputs.iter().map(as_json).collect::<Vec<_>>(),
        )?);
    } else {
        say(terminal::judged(&outputs));
    }
    let verdicts = outputs.iter().map(|(_, output)| Verdict::from(output.judgement.verdict));
    Ok(Verdict::join(verdicts).map_or(exit_code::USAGE, exit_code::code))
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
