//! What was measured when a baseline was taken: [`Baseline`], and its texts ([`Texts`]).
//!
//! The snapshot is what people review: what is needed to know whether another run may be compared,
//! and a line for each guarded or headline metric, with its median. Beside it lies every engine start
//! of every metric. Slacks live in the test. The snapshot repeats them for its reader, and the gate
//! never takes them from there, so that a machine can rewrite both files without losing a human
//! choice.
//!
//! A session is what was measured in one go. What differs from one day to the next is seen only
//! between sessions.

mod form;
mod header;
mod schema_2;
mod starts;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::statistics::median;
use crate::record::compile_cache::CompileCache;
use crate::record::day::Day;
use crate::record::difference::Difference;
use crate::record::fingerprint::Fingerprint;
use crate::spec::guard::Guard;
use crate::spec::metric::{Metric, Quantity};
use crate::spec::units::Percent;

pub use form::Texts;
pub use starts::{StartsFile, pending_starts_file, starts_file};

/// The version of the format that this code writes.
pub const SCHEMA: u32 = 4;

/// The version before it, whose texts were not broken into lines. It is still read.
const LONG_LINES: u32 = 3;

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
    /// The slacks of the guarded ones among them, as their test declared them when the file was
    /// written. They are for the reader of the file; the gate takes them from the test.
    pub slacks: BTreeMap<Metric, Percent>,
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
    /// Written by a version whose files are no longer read.
    #[error(
        "it has schema {0}, but this version reads schemas 2 to {SCHEMA}; measure a new one with `cargo xtask perf refresh`"
    )]
    Older(u32),
    /// Readable, but not what this suite writes.
    #[error("it was edited by hand or truncated: {0}; restore it from git or refresh it")]
    Edited(String),
    /// Not what insta writes.
    #[error("it is not a snapshot file; restore it from git, or refresh it")]
    NoSnapshot,
    /// No engine starts beside the snapshot.
    #[error(
        "its engine starts cannot be read from {file}: {why}; restore that file from git, or measure again with \
         `cargo xtask perf refresh`. If it was accepted with `cargo insta review`, run `cargo xtask perf rewrite` there"
    )]
    NoStarts {
        /// The name of the file beside it.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Engine starts that are not what this suite writes.
    #[error(
        "its engine starts in {file} were edited by hand or truncated: {why}; restore that file from git, or measure \
         again with `cargo xtask perf refresh`"
    )]
    EditedStarts {
        /// The name of the file beside it.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A snapshot, and engine starts of another.
    #[error(
        "it was edited by hand or truncated, or {file} beside it is of another baseline{why}; restore both files from \
         git, or measure again with `cargo xtask perf refresh`"
    )]
    Unmatched {
        /// The name of the file beside it.
        file: String,
        /// A line that shows it.
        why: String,
    },
}

impl BaselineError {
    /// Whether other engine starts beside the snapshot could mend it.
    pub fn is_of_starts(&self) -> bool {
        matches!(self, Self::NoStarts { .. } | Self::EditedStarts { .. } | Self::Unmatched { .. })
    }
}

/// The metric of a key in a file.
fn metric_of(key: &str) -> Result<Metric, BaselineError> {
    key.parse().map_err(|error| BaselineError::Edited(format!("{error}")))
}

impl Baseline {
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

    /// The slacks that a snapshot of it shows if these are the guards.
    pub fn slacks_of(&self, guards: &[Guard]) -> BTreeMap<Metric, Percent> {
        let measured = guards.iter().filter(|guard| self.metrics.contains_key(&guard.metric));
        measured.map(|guard| (guard.metric, guard.slack)).collect()
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
        let settings = &later.fingerprint.gpu_settings;
        differences.extend(self.fingerprint.gpu_settings.differences(settings));
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
        self.slacks.clone_from(&later.slacks);
        self.slacks.retain(|metric, _| self.metrics.contains_key(metric));
        self.measured_on = later.measured_on.or(self.measured_on);
        let both = [&self, later].map(|baseline| baseline.fingerprint.compile_cache);
        self.fingerprint.compile_cache = CompileCache::of(both);
        for (metric, sessions) in &mut self.metrics {
            sessions.extend_from_slice(later.sessions(*metric));
        }
        self
    }
}

#[cfg(test)]
mod tests;
