//! What was measured when a baseline was taken: [`Baseline`], and its text, which people review.
//!
//! One metric a line, each with its median and the value of every engine start, session by session;
//! what is needed to know whether another run may be compared; nothing that changes every time, and
//! no policy: slacks live in the test, so that a machine can rewrite the whole file without losing
//! a human choice.
//!
//! A session is what was measured in one go. What differs from one day to the next is seen only
//! between sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Deserialize;

use crate::analysis::statistics::median;
use crate::record::day::Day;
use crate::record::difference::Difference;
use crate::record::effective::EffectiveConfiguration;
use crate::record::fingerprint::Fingerprint;
use crate::spec::metric::{Metric, Quantity};

/// The version of the format that this code writes.
pub const SCHEMA: u32 = 2;

/// Sessions of a good baseline; more add little.
pub const GOOD_SESSIONS: usize = 5;

/// What was measured when a baseline was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// The suite's name.
    pub suite: String,
    /// The load's name.
    pub load: String,
    /// What was asked, as [`crate::spec::load::Load::describe`] says it.
    pub workload: String,
    /// When it was asked, as [`crate::spec::load::Load::describe_arrivals`] says it.
    pub arrivals: String,
    /// What it ran on and against.
    pub fingerprint: Fingerprint,
    /// The day of its last session; absent of a simulated engine, which has no days, and in files of
    /// older versions.
    pub measured_on: Option<Day>,
    /// What one engine start of its suite cost, with every load in it: seconds times GPUs.
    pub gpu_s_per_start: f64,
    /// Each metric's values.
    pub metrics: BTreeMap<Metric, Sessions>,
    /// The quantities that are estimates, because the server left something open on which they
    /// depend.
    pub estimated: BTreeSet<Quantity>,
}

/// The values of a metric in every run of every engine start of every session, in order:
/// `values[session][start][run]`.
pub type Sessions = Vec<Vec<Vec<f64>>>;

/// Why a baseline's text cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// Not the format at all, or cut off.
    #[error("it cannot be read: {0}; restore it from git or refresh it")]
    Unreadable(String),
    /// Written by a newer version of this suite.
    #[error(
        "it has schema {0}, but this version reads schema {SCHEMA} at most; update the suite, which keeps its content"
    )]
    Newer(u32),
    /// Written before baselines knew sessions.
    #[error(
        "it has schema {0}, but this version reads schema {SCHEMA}; measure a new one with `cargo xtask perf refresh`"
    )]
    Older(u32),
    /// Readable, but not what this suite writes.
    #[error("it was edited by hand or truncated: {0}; restore it from git or refresh it")]
    Edited(String),
}

impl Baseline {
    /// The text of the snapshot.
    pub fn to_yaml(&self) -> String {
        let mut yaml = String::new();
        let mut line = |key: &str, value: &str| {
            let gap = if value.starts_with('\n') { "" } else { " " };
            let _ = writeln!(yaml, "{key}:{gap}{value}");
        };
        let print = &self.fingerprint;
        line("schema", &SCHEMA.to_string());
        line("suite", &quote(&self.suite));
        line("load", &quote(&self.load));
        line("workload", &quote(&self.workload));
        line("arrivals", &quote(&self.arrivals));
        line("engine", &print.engine.to_string());
        line("hardware", &quote(&print.hardware));
        line("model", &quote(&print.model));
        line("arguments", &list(&print.arguments));
        line("environment", &list(&print.environment));
        line("under_test", &list(&print.under_test));
        for (key, value) in [
            ("image", &print.image),
            ("image_digest", &print.image_digest),
            ("vllm", &print.vllm),
            ("driver", &print.driver),
        ] {
            line(key, &value.as_deref().map_or_else(|| "null".to_owned(), quote));
        }
        if let Some(day) = self.measured_on {
            line("measured_on", &quote(&day.to_string()));
        }
        line("gpu_s_per_start", &format!("{:.1}", self.gpu_s_per_start));
        // The count lets a file that lost its last lines be distinguished from one that never had them.
        line(
            "metrics",
            &format!(
                "# {}, each with its median, and the engine starts of every session",
                self.metrics.len()
            ),
        );
        for (metric, sessions) in &self.metrics {
            // The median of the rounded values, so that the file agrees with itself.
            let rounded = |value: &f64| number(*value).parse().ok();
            let rounded: Vec<f64> =
                sessions.iter().flatten().flatten().filter_map(rounded).collect();
            let mark = if self.is_estimated(*metric) { "estimated: true, " } else { "" };
            let middle = median(&rounded).map_or_else(|| "null".to_owned(), number);
            let _ = writeln!(
                yaml,
                "  {metric}: {{ median: {middle}, {mark}starts: {} }}",
                sequence(sessions, &|starts| {
                    sequence(starts, &|runs| match runs[..] {
                        [only] => number(only),
                        _ => sequence(runs, &|run| number(*run)),
                    })
                })
            );
        }
        if !print.effective.is_empty() {
            yaml.push_str("effective: # what the engine says that it runs with\n");
        }
        for (name, value) in print.effective.iter() {
            let _ = writeln!(yaml, "  {}: {}", quote(name), quote(value));
        }
        yaml
    }

    /// Reads the text of a snapshot.
    pub fn from_yaml(yaml: &str) -> Result<Self, BaselineError> {
        let schema = read_schema(yaml)?;
        if schema > SCHEMA {
            return Err(BaselineError::Newer(schema));
        }
        if schema < SCHEMA {
            return Err(BaselineError::Older(schema));
        }
        let file: File = serde_saphyr::from_str(yaml)
            .map_err(|error| BaselineError::Unreadable(first_line(&error.to_string())))?;
        let baseline = file.into_baseline()?;
        let canonical = baseline.to_yaml();
        let differs = |(read, written): &(&str, &str)| read.trim_end() != written.trim_end();
        match yaml.lines().zip(canonical.lines()).find(differs) {
            Some((read, _)) => Err(BaselineError::Edited(format!("the line `{read}` was changed"))),
            None if yaml.trim_end().lines().count() != canonical.trim_end().lines().count() => {
                Err(BaselineError::Edited("lines are missing or were added".to_owned()))
            }
            None => Ok(baseline),
        }
    }

    /// The values of a metric, `[session][start][run]`; empty if it was not measured.
    pub fn sessions(&self, metric: Metric) -> &[Vec<Vec<f64>>] {
        self.metrics.get(&metric).map_or(&[], Vec::as_slice)
    }

    /// The median of a metric over all runs.
    pub fn median(&self, metric: Metric) -> Option<f64> {
        median(&self.sessions(metric).concat().concat())
    }

    /// Whether the values of a metric are estimates.
    pub fn is_estimated(&self, metric: Metric) -> bool {
        self.estimated.contains(&metric.quantity())
    }

    /// How many engine starts and sessions it rests on.
    pub fn rests_on(&self) -> (usize, usize) {
        let of = |sessions: &Sessions| (sessions.iter().map(Vec::len).sum(), sessions.len());
        self.metrics.values().map(of).max().unwrap_or_default()
    }

    /// Everything that differs in a later baseline, under test or not: sessions of different things
    /// are a change, not noise.
    pub fn differences(&self, later: &Self) -> Vec<Difference> {
        let mut differences = later.fingerprint.incomparable_with(&self.fingerprint);
        for (what, before, now) in [
            ("workload", &self.workload, &later.workload),
            ("arrivals", &self.arrivals, &later.arrivals),
        ] {
            if before != now {
                differences.push(Difference {
                    what: what.to_owned(),
                    baseline: before.clone(),
                    measured: now.clone(),
                });
            }
        }
        differences.extend(later.fingerprint.launched_differently(&self.fingerprint));
        let way = |is_estimated: bool| if is_estimated { "estimated" } else { "measured" };
        for quantity in self.estimated.symmetric_difference(&later.estimated) {
            differences.push(Difference {
                what: quantity.label().to_owned(),
                baseline: way(self.estimated.contains(quantity)).to_owned(),
                measured: way(later.estimated.contains(quantity)).to_owned(),
            });
        }
        differences
    }

    /// This baseline with the sessions of another, which was measured of the same, after its own. A
    /// metric that one of them lacks is dropped.
    #[must_use]
    pub fn joined(mut self, later: &Self) -> Self {
        self.metrics.retain(|metric, _| later.metrics.contains_key(metric));
        self.measured_on = later.measured_on.or(self.measured_on);
        for (metric, sessions) in &mut self.metrics {
            sessions.extend_from_slice(later.sessions(*metric));
        }
        self
    }
}

/// The file as it is parsed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "schema")]
    _schema: u32,
    suite: String,
    load: String,
    workload: String,
    arrivals: String,
    engine: String,
    hardware: String,
    model: String,
    arguments: Vec<String>,
    environment: Vec<String>,
    under_test: Vec<String>,
    image: Option<String>,
    image_digest: Option<String>,
    vllm: Option<String>,
    driver: Option<String>,
    #[serde(default)]
    effective: EffectiveConfiguration,
    #[serde(default)]
    measured_on: Option<String>,
    gpu_s_per_start: f64,
    metrics: BTreeMap<String, Values>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    #[serde(rename = "median")]
    _median: Option<f64>,
    #[serde(default)]
    estimated: bool,
    starts: Vec<Vec<Start>>,
}

/// A start of one run is a number, one of several a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Start {
    Run(f64),
    Runs(Vec<f64>),
}

impl Start {
    fn into_runs(self) -> Vec<f64> {
        match self {
            Self::Run(run) => vec![run],
            Self::Runs(runs) => runs,
        }
    }
}

impl File {
    fn into_baseline(self) -> Result<Baseline, BaselineError> {
        let (mut metrics, mut estimated) = (BTreeMap::new(), BTreeSet::new());
        for (key, values) in self.metrics {
            let metric: Metric =
                key.parse().map_err(|error| BaselineError::Edited(format!("{error}")))?;
            if values.estimated {
                estimated.insert(metric.quantity());
            }
            let runs = |starts: Vec<Start>| starts.into_iter().map(Start::into_runs).collect();
            metrics.insert(metric, values.starts.into_iter().map(runs).collect());
        }
        Ok(Baseline {
            suite: self.suite,
            load: self.load,
            workload: self.workload,
            arrivals: self.arrivals,
            fingerprint: Fingerprint {
                engine: self.engine.parse().map_err(BaselineError::Edited)?,
                hardware: self.hardware,
                model: self.model,
                arguments: self.arguments,
                environment: self.environment,
                under_test: self.under_test,
                image: self.image,
                image_digest: self.image_digest,
                vllm: self.vllm,
                driver: self.driver,
                effective: self.effective,
            },
            measured_on: self
                .measured_on
                .map(|day| day.parse())
                .transpose()
                .map_err(|error| BaselineError::Edited(format!("{error}")))?,
            gpu_s_per_start: self.gpu_s_per_start,
            metrics,
            estimated,
        })
    }
}

/// The schema alone, read before anything else, because a newer file may hold keys that this code
/// does not know.
fn read_schema(yaml: &str) -> Result<u32, BaselineError> {
    let first = yaml.lines().next().unwrap_or_default();
    let number = first.strip_prefix("schema: ").and_then(|number| number.trim().parse().ok());
    number.ok_or_else(|| {
        BaselineError::Unreadable(format!("its first line is `{first}`, not its schema"))
    })
}

/// A double-quoted scalar: a JSON string is one in YAML too.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// One item a line, so that a diff shows the argument that changed and no other.
fn list(items: &[String]) -> String {
    if items.is_empty() {
        return "[]".to_owned();
    }
    items.iter().fold(String::new(), |text, item| text + "\n  - " + &quote(item))
}

/// A list in brackets.
fn sequence<T>(items: &[T], show: &dyn Fn(&T) -> String) -> String {
    format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// A figure with enough digits that rounding is far below any noise: 6 significant ones, at least 1
/// decimal.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 10_000.0 => 1,
        large if large >= 1_000.0 => 2,
        large if large >= 100.0 => 3,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests;
