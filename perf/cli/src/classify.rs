//! `cargo xtask perf classify`: what a red run was, in a file that a team reviews. It says how many alarms
//! were false.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use perf_model::judge::exit_code;
use perf_model::judge::red_run::{Cause, RedRun, SCHEMA, Tally, is_red};
use perf_model::record::day::Day;
use perf_model::spec::hash::fnv_1a;
use perf_report::Problem;
use perf_store::lock::Lock;
use perf_store::red_runs_file;

use crate::cli::{CauseChoice, Classify};
use crate::run_data::RunData;
use crate::runs;
use crate::stdout::say;

/// Adds a line for the run.
pub(crate) fn classify(asked: &Classify) -> Result<u8> {
    if asked.reason.trim().is_empty() {
        bail!("--reason is empty; say how you know what it was, because reviewers read it");
    }
    let folder = runs::find(&asked.run)?;
    let data = RunData::read(&folder, &[])?;
    if data.unread > 0 {
        bail!("{} of the reports in {} cannot be read", data.unread, folder.display());
    }
    let run = data.overview();
    let Some(verdict) = run.verdict().filter(|verdict| is_red(*verdict)) else {
        let is = run.verdict().map_or("empty".to_owned(), |verdict| verdict.to_string());
        bail!(
            "{} is {is}; only a run that is regressed, creep or stale can be classified",
            folder.display()
        );
    };
    let red = run.problems().into_iter().filter(|problem| is_red(problem.verdict));
    let guards: Vec<String> = red.map(|problem| named(&problem)).collect();
    let name = fingerprint(&folder)?;
    let root = runs::root();
    let file = red_runs_file::place(&root);
    let lock = Lock::on(&file)?;
    let mut all = red_runs_file::read(&root)?;
    if let Some(before) = all.iter().find(|before| before.run == name) {
        bail!(
            "this run was classified on {} as {} (\"{}\"); to change that, edit its line in {}",
            before.day,
            before.cause,
            before.reason,
            file.display()
        );
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    all.push(RedRun {
        schema: SCHEMA,
        run: name,
        day: Day::of_unix_s(now).to_string(),
        verdict,
        cause: cause(asked.cause),
        guards,
        reason: asked.reason.trim().to_owned(),
    });
    red_runs_file::write(&lock, &root, &all)?;
    say(format!("{} is {}; commit baselines/red-runs.jsonl", folder.display(), cause(asked.cause)));
    say(Tally::of(&all).to_string());
    Ok(exit_code::HELD)
}

fn cause(asked: CauseChoice) -> Cause {
    match asked {
        CauseChoice::Real => Cause::Real,
        CauseChoice::Noise => Cause::Noise,
        CauseChoice::Accepted => Cause::Accepted,
    }
}

fn named(problem: &Problem<'_>) -> String {
    let load = problem.load.map(|load| format!(" / {load}")).unwrap_or_default();
    let figure = problem.row.map(|row| format!(", {}", row.metric.label())).unwrap_or_default();
    format!("{}{load}{figure}", problem.suite)
}

/// The run by its reports, the same wherever its folder is copied to. What names that folder is left out.
fn fingerprint(folder: &Path) -> Result<String> {
    let mut text = String::new();
    for path in perf_store::report_file::all_in(folder)? {
        let mut report = perf_store::report_file::read(&path)?;
        for load in &mut report.loads {
            load.records.clear();
        }
        text.push_str(&serde_json::to_string(&report)?);
    }
    Ok(format!("{:016x}", fnv_1a(text.as_bytes())))
}
