//! What several engine starts of one load measured: [`LoadResults`].

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::statistics::median;
use crate::analysis::steady_state::Steady;
use crate::analysis::summary::Summary;
use crate::judge::baseline::Baseline;
use crate::record::client_load::ClientUse;
use crate::record::compile_cache::CompileCache;
use crate::record::file::ServerCounts;
use crate::record::finding::{Finding, FindingCode};
use crate::record::fingerprint::Fingerprint;
use crate::spec::guard::Guard;
use crate::spec::load::Load;
use crate::spec::metric::{Metric, Quantity};

/// A figure that somebody else published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// Which.
    pub metric: Metric,
    /// Its value, in the metric's unit.
    pub value: f64,
}

/// What one run in one engine start gave for a load.
#[derive(Clone, Debug, PartialEq)]
pub struct RepetitionResult {
    /// Which engine start, from 1. Several runs may share it.
    pub start: u32,
    /// What it ran on and against.
    pub fingerprint: Fingerprint,
    /// The figures.
    pub summary: Summary,
    /// The figures of the steady part.
    pub steady: Option<Steady>,
    /// What the server counted.
    pub server: Option<ServerCounts>,
    /// What the whole start cost, with every load in it: seconds times GPUs.
    pub gpu_s: f64,
    /// What the client used of the machine; absent in virtual time.
    pub client: Option<ClientUse>,
    /// What a reader should know of it; see [`crate::analysis::validity::remarks`].
    pub remarks: Vec<Finding>,
    /// Why it must not be judged; see [`crate::analysis::validity::faults`].
    pub faults: Vec<Finding>,
}

impl RepetitionResult {
    /// Whether it is valid, but its search found no highest load.
    pub fn is_unresolved(&self) -> bool {
        !self.faults.is_empty()
            && self.faults.iter().all(|fault| fault.code == FindingCode::SearchUnresolved)
    }
}

/// What was measured for one load.
#[derive(Clone, Debug)]
pub struct LoadResults<'a> {
    /// The suite's name.
    pub suite: &'a str,
    /// The load.
    pub load: &'a Load,
    /// What is guarded.
    pub guards: &'a [Guard],
    /// What others published.
    pub published: &'a [Published],
    /// The runs, start by start; at least one.
    pub starts: &'a [RepetitionResult],
}

impl LoadResults<'_> {
    /// The baseline, of one session, that these measurements would make. `None` if there is no
    /// start or one of them must not be judged. A start whose search was unresolved is no part of
    /// it if others were resolved.
    pub fn as_baseline(&self) -> Option<Baseline> {
        let fingerprint = self.fingerprint()?;
        let is_faulty = |start: &&RepetitionResult| !start.faults.is_empty();
        if self.starts.iter().filter(|start| !self.is_spared(start)).any(|start| is_faulty(&start))
        {
            return None;
        }
        let mut baseline = Baseline {
            suite: self.suite.to_owned(),
            load: self.load.name.clone(),
            workload: self.workload(),
            arrivals: self.load.describe_arrivals(),
            fingerprint,
            measured_on: None,
            gpu_s_per_start: median(
                &self.starts.iter().map(|start| start.gpu_s).collect::<Vec<_>>(),
            )
            .unwrap_or_default(),
            metrics: self
                .metrics()
                .into_iter()
                .map(|(metric, starts)| (metric, vec![starts]))
                .collect(),
            slacks: BTreeMap::new(),
            estimated: estimated(self.starts),
        };
        baseline.slacks = baseline.slacks_of(self.guards);
        Some(baseline)
    }

    /// That of its first start, with what all of them found in the compile cache.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        let first = self.starts.first()?.fingerprint.clone();
        Some(Fingerprint { compile_cache: self.compile_cache(), ..first })
    }

    /// What its starts found in the compile cache.
    pub(crate) fn compile_cache(&self) -> Option<CompileCache> {
        CompileCache::of(self.starts.iter().map(|start| start.fingerprint.compile_cache))
    }

    /// Whether this start's only fault is an unresolved search, and another start has an answer.
    ///
    /// Then it has no value, which is a result with its reason, and takes nothing from the others.
    pub(crate) fn is_spared(&self, start: &RepetitionResult) -> bool {
        start.is_unresolved() && self.starts.iter().any(|other| other.faults.is_empty())
    }

    /// How many engine starts were measured and have an answer.
    pub(crate) fn judged_starts(&self) -> usize {
        let starts = self.starts.chunk_by(|one, next| one.start == next.start);
        starts.filter(|start| start.iter().any(|run| !self.is_spared(run))).count()
    }

    /// How many engine starts were measured.
    pub(crate) fn start_count(&self) -> usize {
        self.starts.chunk_by(|one, next| one.start == next.start).count()
    }

    /// Every metric that every run measured, with its values.
    pub(crate) fn metrics(&self) -> BTreeMap<Metric, Vec<Vec<f64>>> {
        let all = Metric::all().map(|metric| (metric, self.values(metric)));
        let whole = |values: &Vec<Vec<f64>>| {
            let judged = self.starts.iter().filter(|start| !self.is_spared(start)).count();
            values.iter().map(Vec::len).sum::<usize>() == judged
        };
        all.filter(|(_, values)| !values.is_empty() && whole(values)).collect()
    }

    /// A metric's value in every run of every start that measured it: `[start][run]`.
    pub(crate) fn values(&self, metric: Metric) -> Vec<Vec<f64>> {
        runs_by_start(self.starts, metric)
    }

    /// What was asked, as it stands in baselines and reports.
    pub(crate) fn workload(&self) -> String {
        match self.load.describe_objectives() {
            Some(objectives) => format!("{}; objectives {objectives}", self.load.describe()),
            None => self.load.describe(),
        }
    }
}

/// How messages name each repetition: "start 2", or "start 2, repetition 3" where the start has
/// several.
pub(crate) fn names(repetitions: &[RepetitionResult]) -> Vec<String> {
    repetitions
        .chunk_by(|one, next| one.start == next.start)
        .flat_map(|start| {
            (1..=start.len()).map(move |number| match start.len() {
                1 => format!("start {}", start[0].start),
                _ => format!("start {}, repetition {number}", start[0].start),
            })
        })
        .collect()
}

/// The quantities that are estimates in any of the repetitions.
pub(crate) fn estimated(repetitions: &[RepetitionResult]) -> BTreeSet<Quantity> {
    repetitions.iter().flat_map(|repetition| &repetition.summary.estimated).copied().collect()
}

/// A metric's runs on both sides, start by start. A start that one side has and the other lacks is
/// the start of no pair.
pub fn pairs_of(
    base: &[RepetitionResult],
    candidate: &[RepetitionResult],
    metric: Metric,
) -> Vec<(Vec<f64>, Vec<f64>)> {
    let values = |runs: &[RepetitionResult], start: u32| -> Vec<f64> {
        let those = runs.iter().filter(|run| run.start == start);
        those.filter_map(|run| run.summary.values.get(&metric).copied()).collect()
    };
    let starts = base.chunk_by(|one, next| one.start == next.start).map(|runs| runs[0].start);
    starts
        .map(|start| (values(base, start), values(candidate, start)))
        .filter(|(base, candidate)| !base.is_empty() && !candidate.is_empty())
        .collect()
}

/// A metric's value in every run of every start that measured it: `[start][run]`.
pub(crate) fn runs_by_start(runs: &[RepetitionResult], metric: Metric) -> Vec<Vec<f64>> {
    let of = |runs: &[RepetitionResult]| -> Vec<f64> {
        runs.iter().filter_map(|run| run.summary.values.get(&metric).copied()).collect()
    };
    runs.chunk_by(|one, next| one.start == next.start)
        .map(of)
        .filter(|runs| !runs.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_start_without_the_metric_is_left_out_with_the_one_beside_it() {
        let metric: Metric = "ttft_p50_ms".parse().unwrap();
        let side = |values: [Option<f64>; 3]| -> Vec<RepetitionResult> {
            (1..)
                .zip(values)
                .map(|(start, value)| {
                    let mut run = fixtures::repetition(start);
                    run.summary.values = value.map(|value| (metric, value)).into_iter().collect();
                    run
                })
                .collect()
        };
        let (base, candidate) =
            (side([Some(1.0), None, Some(3.0)]), side([Some(10.0), Some(20.0), Some(30.0)]));
        let pairs = [(vec![1.0], vec![10.0]), (vec![3.0], vec![30.0])];
        assert_eq!(pairs_of(&base, &candidate, metric), pairs);
    }
}
