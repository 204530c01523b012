//! The file of a baseline's engine starts, which lies beside its snapshot: the value of every metric
//! in every run, a metric a line.
//!
//! Two hashes bind it. One is of itself, so that an edit is noticed. The other is of the snapshot that
//! it belongs to, so that neither file can be changed or taken without the other. They stand here
//! and not in the snapshot, because people read the changes of that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::text::{nested, quote};
use super::{Baseline, BaselineError, Sessions, metric_of};
use crate::spec::hash::fnv_1a;
use crate::spec::metric::Metric;
use crate::spec::quantity::{QUANTITIES, Quantity};

/// The file of the engine starts beside the file of a baseline or an anchor.
pub fn starts_file(beside: &Path) -> PathBuf {
    beside.with_extension("starts.json")
}

/// The same while it waits for its snapshot to be reviewed or written.
pub fn pending_starts_file(beside: &Path) -> PathBuf {
    beside.with_extension("starts.json.new")
}

/// What is at the place of the engine starts of a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct StartsFile<'a> {
    /// The file's name, for messages.
    pub name: &'a str,
    /// Its text, or why there is none.
    pub text: Result<&'a str, &'a str>,
}

/// What the file holds.
#[derive(Debug)]
pub(super) struct Starts {
    /// The hash of the snapshot that it belongs to.
    pub(super) snapshot: String,
    pub(super) gpu_s_per_start: f64,
    pub(super) estimated: BTreeSet<Quantity>,
    pub(super) metrics: BTreeMap<Metric, Sessions>,
}

/// The hash of a snapshot's body, as the file of its engine starts names it.
pub(super) fn hash(text: &str) -> String {
    format!("{:016x}", fnv_1a(text.trim_end().as_bytes()))
}

/// The text of the file for a snapshot with this body.
pub(super) fn write(baseline: &Baseline, snapshot: &str, schema: u32) -> String {
    let content = content(
        schema,
        &hash(snapshot),
        baseline.gpu_s_per_start,
        &baseline.estimated,
        &baseline.metrics,
    );
    format!("{{\n\"content\": \"{}\",\n{content}", hash(&content))
}

/// Everything below the hash of it.
fn content(
    schema: u32,
    snapshot: &str,
    gpu_s_per_start: f64,
    estimated: &BTreeSet<Quantity>,
    metrics: &BTreeMap<Metric, Sessions>,
) -> String {
    let estimated: Vec<String> = estimated.iter().map(|quantity| quote(quantity.name())).collect();
    let lines: Vec<String> = metrics
        .iter()
        .map(|(metric, sessions)| format!("  \"{metric}\": {}", nested(sessions)))
        .collect();
    format!(
        "\"schema\": {schema},\n\"snapshot\": \"{snapshot}\",\n\"gpu_s_per_start\": {gpu_s_per_start:.1},\n\
         \"estimated\": [{}],\n\"metrics\": {{\n{}\n}}\n}}\n",
        estimated.join(", "),
        lines.join(",\n")
    )
}

/// Reads the file beside a snapshot of this version, and checks that it is as it was written.
pub(super) fn read(file: &StartsFile<'_>, schema: u32) -> Result<Starts, BaselineError> {
    let missing =
        |why: &str| BaselineError::NoStarts { file: file.name.to_owned(), why: why.to_owned() };
    let edited = |why: String| BaselineError::EditedStarts { file: file.name.to_owned(), why };
    let text = file.text.map_err(missing)?;
    let parsed: File = serde_json::from_str(text)
        .map_err(|error| edited(format!("it is cut off or is no such file: {error}")))?;
    if parsed.schema != schema {
        return Err(edited(format!("it has schema {}, not {schema}", parsed.schema)));
    }
    let mut metrics = BTreeMap::new();
    for (key, sessions) in parsed.metrics {
        let metric = metric_of(&key).map_err(|_| edited(format!("no metric is called `{key}`")))?;
        let runs = |starts: Vec<Start>| starts.into_iter().map(Start::into_runs).collect();
        metrics.insert(metric, sessions.into_iter().map(runs).collect());
    }
    let mut estimated = BTreeSet::new();
    for name in &parsed.estimated {
        let named = QUANTITIES.into_iter().find(|quantity| quantity.name() == name);
        estimated.insert(named.ok_or_else(|| edited(format!("no figure is called `{name}`")))?);
    }
    let content = content(schema, &parsed.snapshot, parsed.gpu_s_per_start, &estimated, &metrics);
    let (_, there) = text.split_once(",\n").unwrap_or_default();
    if there.trim_end() != content.trim_end() || parsed.content != hash(&content) {
        return Err(edited("its content is not what was written".to_owned()));
    }
    Ok(Starts {
        snapshot: parsed.snapshot,
        gpu_s_per_start: parsed.gpu_s_per_start,
        estimated,
        metrics,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    content: String,
    schema: u32,
    snapshot: String,
    gpu_s_per_start: f64,
    estimated: Vec<String>,
    metrics: BTreeMap<String, Vec<Vec<Start>>>,
}

/// A start of one run is a number, one of several a list.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Start {
    Run(f64),
    Runs(Vec<f64>),
}

impl Start {
    pub(super) fn into_runs(self) -> Vec<f64> {
        match self {
            Self::Run(run) => vec![run],
            Self::Runs(runs) => runs,
        }
    }
}
