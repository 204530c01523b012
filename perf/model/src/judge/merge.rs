//! One run from the parts of a split one: [`merge`]. Its verdict is that of the whole. What is missing
//! of the whole is an entry of its own in the report, so that every format shows it.

mod checks;
mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::judge::report::SuiteReport;
use crate::judge::verdict::Verdict;
use crate::spec::engine_kind::EngineKind;
use crate::spec::merged::{Merged, MergedPart, PartState};
use crate::spec::run_request::RunRequest;
use crate::spec::settings::{Purpose, Settings};
use crate::spec::split::{Split, SplitPart};

use parts::{Alarms, Given};

pub use checks::GuardedBaseline;
pub use parts::{PartContent, PartRun};

/// One run of all parts.
#[derive(Clone, Debug)]
pub struct Whole {
    /// What it was asked to do, and what was found of its parts.
    pub request: RunRequest,
    /// The split.
    pub split: Split,
    /// The reports of the parts.
    pub suites: Vec<MergedSuite>,
    /// What is missing or does not fit, each an entry of the report.
    pub alarms: Vec<SuiteReport>,
    /// Of each run that is in it (by its place among those given): the folders that have another name
    /// in the whole, because several parts have one of that name.
    pub folders: BTreeMap<usize, BTreeMap<String, String>>,
}

/// A report of a part.
#[derive(Clone, Debug)]
pub struct MergedSuite {
    /// The name of its folder in the whole.
    pub folder: String,
    /// The report.
    pub report: SuiteReport,
}

/// Why runs cannot be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// Nothing says what the whole is.
    #[error(
        "no run that was given can be read, so what the whole is, is not known; name the split with `--split FILE`{0}"
    )]
    NoSplit(String),
    /// A run that spent a whole error rate.
    #[error(
        "{0} is no part of a split run: its {1} guards had the error rate of a whole run for themselves; split the run with \
         `cargo xtask perf split`, and measure each part with `--split FILE --part NAME`"
    )]
    NotAPart(String, u32),
    /// A merged run.
    #[error("{0} is merged already; give the runs of its parts")]
    MergedAlready(String),
    /// A run without verdicts.
    #[error("{0} is no gated run: only what was held against baselines is merged")]
    NotGated(String),
}

/// Merges the runs of the parts of a split. Without `split` the first readable run says what it is.
/// `baselines` are those of the checkout.
pub fn merge(
    split: Option<&Split>,
    runs: &[PartRun],
    baselines: &[GuardedBaseline],
) -> Result<Whole, MergeError> {
    let given = readable(runs)?;
    let unreadable = || {
        let whys = runs.iter().filter_map(|run| run.found.as_ref().err());
        whys.fold(String::new(), |all, why| all + "; " + why)
    };
    let split = split
        .or_else(|| given.first().map(|given| &given.part.split))
        .ok_or_else(|| MergeError::NoSplit(unreadable()))?
        .clone();
    let mut alarms = Alarms::default();
    let mut remarks = Vec::new();
    let (mut parts, mut taken) = (Vec::new(), Vec::new());
    for part in &split.parts {
        let of_it = given.iter().filter(|run| run.part.name == part.name);
        let of_it: Vec<&Given<'_>> = of_it.filter(|run| run.part.split == split).collect();
        let (state, runs) = pick(part, &of_it, &mut alarms, &mut remarks);
        taken.extend(runs);
        parts.push(MergedPart { name: part.name.clone(), state, guards: part.guards });
    }
    for run in given.iter().filter(|run| run.part.split != split) {
        let why = format!("{} is of another split: merge only the parts of one", run.source);
        alarms.add(&run.part.name, Verdict::Invalid, why);
        taken.push(run);
    }
    for run in runs {
        if let Err(why) = &run.found {
            alarms.add(&run.source, Verdict::Inconclusive, format!("it cannot be read: {why}"));
        }
    }
    let unreported: BTreeSet<&str> =
        taken.iter().flat_map(|run| checks::of_run(run, &split, &mut alarms)).collect();
    checks::same_under_test(&taken, &mut alarms);
    let (suites, folders) = collected(&taken);
    let is_complete = |name: &str| {
        parts.iter().any(|part| part.name == name && part.state == PartState::Complete)
    };
    let absent =
        checks::Absent { split: &split, is_complete: &is_complete, unreported: &unreported };
    let engine =
        taken.first().map_or(EngineKind::Docker, |run| run.content.request.settings.engine);
    let loads = suites.iter().flat_map(|suite| &suite.report.loads);
    let ran: BTreeSet<&Path> =
        loads.filter_map(|load| checks::machine(&load.baseline_file)).collect();
    let (beside, others): (Vec<GuardedBaseline>, Vec<GuardedBaseline>) = baselines
        .iter()
        .cloned()
        .partition(|one| checks::machine(&one.file).is_some_and(|of| ran.contains(of)));
    absent.guards(&beside, suites.iter().map(|suite| &suite.report), &mut alarms);
    // A simulated run says nothing of machines, and a real one nothing of the simulated baselines.
    if engine != EngineKind::Simulated && !ran.is_empty() {
        let is_real = |one: &GuardedBaseline| {
            checks::machine(&one.file).is_some_and(|of| !of.ends_with("simulated"))
        };
        let others: Vec<GuardedBaseline> = others.into_iter().filter(is_real).collect();
        absent.machines(&others, &ran, &mut alarms);
    }
    let mut request = request(&split, &taken);
    request.merged = Some(Merged { parts, guards: split.guards, remarks });
    let mut alarms = alarms.reports(engine);
    alarms.extend(split.without_machine.iter().map(|suite| {
        let why = "no machine of the split has as many GPUs as it needs".to_owned();
        SuiteReport::unmeasured(suite.clone(), engine, Verdict::Skipped, why)
    }));
    Ok(Whole { request, split, suites, alarms, folders })
}

/// The runs that can be read, each of which must be a gated part.
fn readable(runs: &[PartRun]) -> Result<Vec<Given<'_>>, MergeError> {
    let mut given = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        let Ok(content) = &run.found else { continue };
        let request = &content.request;
        if request.merged.is_some() {
            return Err(MergeError::MergedAlready(run.source.clone()));
        }
        if request.settings.purpose != Purpose::Gate {
            return Err(MergeError::NotGated(run.source.clone()));
        }
        let Some(part) = &request.part else {
            let guards = request.settings.checks.unwrap_or_default();
            return Err(MergeError::NotAPart(run.source.clone(), guards));
        };
        given.push(Given { at, source: &run.source, part, content });
    }
    Ok(given)
}

/// What was found of a part, and the runs of it that count.
fn pick<'g, 'a>(
    part: &SplitPart,
    runs: &[&'g Given<'a>],
    alarms: &mut Alarms,
    remarks: &mut Vec<String>,
) -> (PartState, Vec<&'g Given<'a>>) {
    let (complete, unfinished): (Vec<&Given<'_>>, Vec<&Given<'_>>) =
        runs.iter().copied().partition(|run| run.content.is_complete);
    let suites = part.suites.join(", ");
    let (Some(first), last) = (complete.first().copied(), unfinished.last().copied()) else {
        let Some(last) = unfinished.last().copied() else {
            let why =
                format!("it left no run: its machine died or never began; not measured: {suites}");
            alarms.add(&part.name, Verdict::Inconclusive, why);
            return (PartState::Missing, Vec::new());
        };
        let missing: Vec<&str> =
            part.suites.iter().filter(|suite| !last.has(suite)).map(String::as_str).collect();
        let missing = if missing.is_empty() { "nothing".to_owned() } else { missing.join(", ") };
        let why = format!(
            "its run {} did not come to its end: its machine died, or it was interrupted; not measured: {missing}",
            last.source
        );
        alarms.add(&part.name, Verdict::Inconclusive, why);
        return (PartState::Unfinished, vec![last]);
    };
    if let Some(last) = last {
        let failed = last.content.reports.iter().filter(|(_, report)| !report.verdict.is_pass());
        let failed: Vec<String> =
            failed.map(|(_, report)| format!("{} {}", report.suite, report.verdict)).collect();
        let said =
            if failed.is_empty() { String::new() } else { format!(" ({})", failed.join(", ")) };
        remarks.push(format!(
            "part {}: {} did not come to its end{said} and is left aside; {} did",
            part.name, last.source, first.source
        ));
    }
    let mut counted = vec![first];
    for again in complete.into_iter().skip(1) {
        if again.content == first.content {
            remarks.push(format!(
                "part {} was given twice, {} and {}, and counts once",
                part.name, first.source, again.source
            ));
        } else {
            let why = format!(
                "it has two runs that came to their ends, {} and {}: give one of them, and not the one with the better verdict",
                first.source, again.source
            );
            alarms.add(&part.name, Verdict::Invalid, why);
            counted.push(again);
        }
    }
    (PartState::Complete, counted)
}

/// The reports of all runs. Where several runs have a folder of one name, each gets the name of its
/// part too, and so does the suite in it.
fn collected(
    taken: &[&Given<'_>],
) -> (Vec<MergedSuite>, BTreeMap<usize, BTreeMap<String, String>>) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for folder in taken.iter().flat_map(|run| &run.content.folders) {
        *counts.entry(folder).or_default() += 1;
    }
    let mut labels: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut suites, mut folders) = (Vec::new(), BTreeMap::new());
    for run in taken {
        let number = labels.entry(&run.part.name).or_default();
        *number += 1;
        let label = match number {
            1 => run.part.name.clone(),
            number => format!("{}-{number}", run.part.name),
        };
        let shared = run.content.folders.iter().filter(|folder| counts[folder.as_str()] > 1);
        let renamed: BTreeMap<String, String> =
            shared.map(|folder| (folder.clone(), format!("{folder}@{label}"))).collect();
        for (folder, report) in &run.content.reports {
            let mut report = report.clone();
            let new = renamed.get(folder);
            if new.is_some() {
                report.suite = format!("{}@{label}", report.suite);
                for load in &mut report.loads {
                    load.suite.clone_from(&report.suite);
                }
            }
            suites.push(MergedSuite { folder: new.unwrap_or(folder).clone(), report });
        }
        folders.insert(run.at, renamed);
    }
    (suites, folders)
}

/// What the whole was asked to do.
fn request(split: &Split, taken: &[&Given<'_>]) -> RunRequest {
    let first = taken.first().map(|run| run.content.request.clone()).unwrap_or_default();
    let inject = taken.iter().find_map(|run| run.content.request.settings.candidate.inject.clone());
    let mut settings = Settings { run_folder: None, tier: split.tier, ..first.settings };
    settings.candidate.inject = inject;
    settings.checks = Some(split.guards);
    RunRequest {
        filters: split.filters.clone(),
        tier: Some(split.tier),
        left_out: split.left_out.clone(),
        requires_hardware: taken.iter().any(|run| run.content.request.requires_hardware),
        settings,
        part: None,
        merged: None,
    }
}

#[cfg(test)]
mod tests;
