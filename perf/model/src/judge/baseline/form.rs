//! The two files of a baseline: a snapshot that people review, and the engine starts beside it.
//!
//! A change of one metric is one line of the snapshot that goes and one that comes.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::header::{File, effective_lines, lines};
use super::starts::{self, Starts, StartsFile};
use super::text::{changed_line, line, number, read_schema, rounded, unreadable};
use super::{Baseline, BaselineError, LONG_LINES, SCHEMA, metric_of, schema_2};
use crate::analysis::statistics::median;
use crate::judge::headline::is_headline;
use crate::spec::metric::Metric;
use crate::spec::units::percent;

/// The texts of a baseline's two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// The body of the snapshot.
    pub snapshot: String,
    /// The engine starts.
    pub starts: String,
}

impl Baseline {
    /// The texts of the two files.
    pub fn to_texts(&self) -> Texts {
        let shown = self
            .metrics
            .keys()
            .copied()
            .filter(|metric| self.slacks.contains_key(metric) || is_headline(*metric))
            .collect();
        let snapshot = self.snapshot(&shown, SCHEMA);
        let starts = starts::write(self, &snapshot, SCHEMA);
        Texts { snapshot, starts }
    }

    /// The body of the snapshot.
    pub fn to_snapshot(&self) -> String {
        self.to_texts().snapshot
    }

    /// Reads the body of a snapshot with the engine starts beside it. A snapshot of schema 2 holds
    /// them itself, and `starts` is not looked at.
    ///
    /// # Errors
    /// When one of the two is missing, was edited, or does not belong to the other.
    pub fn from_texts(snapshot: &str, starts: &StartsFile<'_>) -> Result<Self, BaselineError> {
        let schema = read_schema(snapshot)?;
        match schema {
            schema_2::SCHEMA => return schema_2::read(snapshot),
            LONG_LINES | SCHEMA => {}
            newer if newer > SCHEMA => return Err(BaselineError::Newer(newer)),
            older => return Err(BaselineError::Older(older)),
        }
        let file: File<String> =
            serde_saphyr::from_str(snapshot).map_err(|error| unreadable(&error))?;
        let (mut baseline, metrics) = file.into_parts()?;
        let mut shown = BTreeSet::new();
        for (key, figures) in &metrics {
            let metric = metric_of(key)?;
            if let Some(slack) = slack_in(figures) {
                baseline.slacks.insert(metric, percent(slack));
            }
            shown.insert(metric);
        }
        let Starts { snapshot: hash, gpu_s_per_start, estimated, metrics } =
            starts::read(starts, schema)?;
        (baseline.gpu_s_per_start, baseline.estimated) = (gpu_s_per_start, estimated);
        baseline.metrics = metrics;
        let file = || starts.name.to_owned();
        // A line that does not follow from the starts says more than the hash.
        let written = baseline.snapshot(&shown, schema);
        if let Some(line) = changed_line(snapshot, &written) {
            return Err(BaselineError::Unmatched {
                file: file(),
                why: format!("; the line `{line}` does not follow from it"),
            });
        }
        if hash != starts::hash(snapshot) || snapshot.trim_end() != written.trim_end() {
            return Err(BaselineError::Unmatched { file: file(), why: String::new() });
        }
        Ok(baseline)
    }

    /// The body of the snapshot in this version of the form, with a line for each of these metrics.
    pub(super) fn snapshot(&self, shown: &BTreeSet<Metric>, schema: u32) -> String {
        let mut yaml = lines(self, schema);
        yaml += &line("measured", &self.extent());
        let metrics = format!(
            "# median, spread of the engine starts, slack if guarded; all {} are in the .starts.json",
            self.metrics.len()
        );
        yaml += &line("metrics", &metrics);
        for metric in shown {
            yaml += &self.figures(*metric);
        }
        yaml + &effective_lines(self, schema)
    }

    /// How many sessions, starts and repetitions there are, as "1 session × 5 starts × 3
    /// repetitions", or as their sums where some have more than others.
    fn extent(&self) -> String {
        let count = |count: usize, what: &str| {
            format!("{count} {what}{}", if count == 1 { "" } else { "s" })
        };
        let sessions =
            self.metrics.values().max_by_key(|sessions| sessions.concat().concat().len());
        let sessions = sessions.map_or(&[][..], Vec::as_slice);
        let starts: Vec<usize> = sessions.iter().map(Vec::len).collect();
        let runs: Vec<usize> = sessions.iter().flatten().map(Vec::len).collect();
        let is_even = |counts: &[usize]| counts.windows(2).all(|pair| pair[0] == pair[1]);
        let (starts, runs, between) = if is_even(&starts) && is_even(&runs) {
            let first = |counts: &[usize]| counts.first().copied().unwrap_or_default();
            (first(&starts), first(&runs), " × ")
        } else {
            (starts.iter().sum(), runs.iter().sum(), ", ")
        };
        let parts =
            [count(sessions.len(), "session"), count(starts, "start"), count(runs, "repetition")];
        parts.join(between)
    }

    /// The line of a metric. Columns have fixed places, so that no line moves with another.
    fn figures(&self, metric: Metric) -> String {
        let key = format!("{metric}:");
        let sessions = self.sessions(metric);
        // Of the rounded values, so that the two files agree.
        let runs = |runs: &Vec<f64>| runs.iter().map(|run| rounded(*run)).collect::<Vec<f64>>();
        let starts: Vec<Vec<f64>> = sessions.iter().flatten().map(runs).collect();
        let middle = median(&starts.concat());
        let shown = middle.map_or_else(|| "null".to_owned(), number);
        let spread = middle
            .and_then(|middle| spread(&starts, middle))
            .map_or_else(|| "none".to_owned(), |spread| format!("{:.1} %", spread * 100.0));
        let (unit, wide) = (metric.unit(), longest_key() + 1);
        let mut line = format!("  {key:<wide$} {shown:>9} {unit:<8} spread {spread:>7}");
        if let Some(slack) = self.slacks.get(&metric) {
            let _ = write!(line, "  slack {slack}");
        }
        if self.is_estimated(metric) {
            line += "  estimated";
        }
        line + "\n"
    }
}

/// The distance from the lowest engine start to the highest, relative to the median. The value of a
/// start is the median of its runs.
fn spread(starts: &[Vec<f64>], middle: f64) -> Option<f64> {
    let values = starts.iter().filter_map(|runs| median(runs));
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let spread = (high - low) / middle;
    spread.is_finite().then_some(spread)
}

/// The slack in the line of a metric, in percent.
fn slack_in(figures: &str) -> Option<f64> {
    let (_, slack) = figures.split_once("  slack ")?;
    slack.split(' ').next()?.parse().ok()
}

/// The longest key of a metric, in characters.
fn longest_key() -> usize {
    Metric::all().map(|metric| metric.to_string().chars().count()).max().unwrap_or_default()
}
