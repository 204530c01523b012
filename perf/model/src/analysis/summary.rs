//! Samples → [`Summary`]: every figure of one repetition, computed from its samples only.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::analysis::statistics::{mean, quantile, sorted};
use crate::record::estimated::Estimated;
use crate::record::file::ServerCounts;
use crate::record::sample::{FailureKind, Outcome, Sample};
use crate::spec::draft_position::DraftPosition;
use crate::spec::load::Objective;
use crate::spec::metric::{Metric, QUANTITIES, Quantity, STATISTICS, Statistic};
use crate::spec::units::as_millis;

/// Every figure of one repetition. A figure that could not be measured is absent, never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Requests sent.
    pub requests: usize,
    /// Requests that failed, by kind.
    pub failures: BTreeMap<FailureKind, usize>,
    /// Requests that were sent twice; see [`Sample::resent`].
    pub resent: usize,
    /// From the first intended send to the end of the last response, in seconds.
    pub duration_s: f64,
    /// Prompt tokens of the requests that succeeded, as the server counted them.
    pub prompt_tokens: u64,
    /// Output tokens of the requests that succeeded, as the server counted them.
    pub output_tokens: u64,
    /// The shortest, mean and longest output of a request that succeeded, in tokens.
    pub output_length: Option<Lengths>,
    /// Requests that met every objective; absent for a load without objectives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<usize>,
    /// The figures.
    pub values: BTreeMap<Metric, f64>,
    /// The quantities that are estimates, because the server left something open on which they
    /// depend.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub estimated: BTreeSet<Quantity>,
}

/// How long the outputs of a run were, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lengths {
    /// The shortest.
    pub min: u32,
    /// The mean.
    pub mean: f64,
    /// The median.
    pub median: f64,
    /// The longest.
    pub max: u32,
}

impl Summary {
    /// How many requests failed.
    pub fn failed(&self) -> usize {
        self.failures.values().sum()
    }

    /// Whether a figure is an estimate.
    pub fn is_estimated(&self, metric: Metric) -> bool {
        self.estimated.contains(&metric.quantity())
    }
}

/// Computes every figure that the samples allow.
///
/// Rates count tokens and requests over the whole run, from the first intended send to the end of
/// the last response. Latencies are of requests that succeeded; failures make the run invalid,
/// which the caller decides.
pub fn summarize(samples: &[Sample], objectives: &[Objective]) -> Summary {
    let succeeded: Vec<&Sample> = samples.iter().filter(|sample| sample.succeeded()).collect();
    let mut summary = Summary {
        requests: samples.len(),
        resent: samples.iter().filter(|sample| sample.resent).count(),
        duration_s: duration_s(samples),
        prompt_tokens: succeeded
            .iter()
            .filter_map(|sample| sample.prompt_tokens)
            .map(u64::from)
            .sum(),
        output_tokens: succeeded
            .iter()
            .filter_map(|sample| sample.output_tokens)
            .map(u64::from)
            .sum(),
        output_length: lengths(&succeeded),
        ..Summary::default()
    };
    for sample in samples {
        if let Outcome::Failed { kind, .. } = sample.outcome {
            *summary.failures.entry(kind).or_default() += 1;
        }
    }
    if succeeded.is_empty() {
        return summary;
    }

    let total = summary.prompt_tokens + summary.output_tokens;
    let prompts_are_counted = succeeded.iter().all(|sample| sample.prompt_tokens.is_some());
    let met = succeeded.iter().filter(|sample| meets_all(sample, objectives)).count();
    summary.rate(Quantity::OutputThroughput, summary.output_tokens as f64);
    if prompts_are_counted {
        summary.rate(Quantity::TotalThroughput, total as f64);
    }
    summary.rate(Quantity::RequestThroughput, succeeded.len() as f64);
    if !objectives.is_empty() {
        summary.rate(Quantity::Goodput, met as f64);
        summary.met = Some(met);
    }
    summary.values.extend(latencies(&succeeded));
    let is_there = |it: &Quantity| summary.values.keys().any(|metric| metric.quantity() == *it);
    summary.estimated = estimated(samples, objectives).into_iter().filter(is_there).collect();
    summary
}

/// The quantities that are estimates in what was measured of these requests.
pub(crate) fn estimated(samples: &[Sample], objectives: &[Objective]) -> BTreeSet<Quantity> {
    let mut kinds: Vec<Estimated> = Vec::new();
    for sample in samples.iter().filter(|sample| sample.succeeded()) {
        if !sample.estimated.is_nothing() && !kinds.contains(&sample.estimated) {
            kinds.push(sample.estimated);
        }
    }
    let affects = |kind: Estimated, quantity: Quantity| match quantity {
        Quantity::Goodput | Quantity::MaxRate | Quantity::MaxConcurrency => {
            objectives.iter().any(|objective| kind.affects(objective.quantity))
        }
        other => kind.affects(other),
    };
    QUANTITIES
        .into_iter()
        .filter(|quantity| kinds.iter().any(|kind| affects(*kind, *quantity)))
        .collect()
}

/// The distributions over requests: TTFT, TPOT, ITL, E2E, the output rate of each, and what only
/// some answers have.
pub(crate) fn latencies(succeeded: &[&Sample]) -> BTreeMap<Metric, f64> {
    let of = |value: fn(&Sample) -> Option<f64>| -> Vec<f64> {
        succeeded.iter().filter_map(|sample| value(sample)).collect()
    };
    let gaps: Vec<f64> = succeeded.iter().flat_map(|sample| sample.token_gaps_ms()).collect();
    let mut values = BTreeMap::new();
    for (quantity, of_each) in [
        (Quantity::RequestOutputRate, of(Sample::output_rate)),
        (Quantity::Ttft, of(Sample::ttft_ms)),
        (Quantity::Tpot, of(Sample::tpot_ms)),
        (Quantity::Itl, gaps),
        (Quantity::E2e, of(|sample| Some(sample.e2e_ms()))),
        (Quantity::FirstAnswer, of(Sample::first_answer_ms)),
        (Quantity::ToolCall, of(Sample::tool_call_ms)),
        (Quantity::LongestSilence, of(Sample::longest_silence_ms)),
        (Quantity::ReasoningTokens, of(|sample| sample.parts?.reasoning_tokens.map(f64::from))),
        (Quantity::AnswerTokens, of(|sample| sample.parts?.answer_tokens.map(f64::from))),
        (Quantity::RequestAcceptanceLength, of(|sample| sample.drafts?.acceptance_length())),
    ] {
        distribution(quantity, &of_each, &mut values);
    }
    let first_tokens = succeeded.iter().filter_map(|sample| sample.ttft_ms());
    if let Some(least) = first_tokens.min_by(f64::total_cmp) {
        values.extend(Metric::minima().map(|metric| (metric, least)));
    }
    values
}

impl Summary {
    /// Adds what only the server counts: how speculative decoding did, and how evenly the load was spread
    /// over ranks.
    pub(crate) fn add_server(&mut self, server: &ServerCounts) {
        let figures = [
            (Quantity::AcceptanceLength, server.acceptance_length()),
            (Quantity::BusiestRank, server.busiest_rank().map(|share| share * 100.0)),
            (Quantity::AcceptanceRate, server.acceptance_rate().map(|rate| rate * 100.0)),
        ];
        let positions = (0..DraftPosition::MOST).filter_map(DraftPosition::new);
        let at = positions.map(|position| {
            let share = server.acceptance_at(position);
            (Quantity::AcceptanceAt(position), share.map(|share| share * 100.0))
        });
        let metric = |(quantity, value): (Quantity, Option<f64>)| {
            Some((Metric::whole_server(quantity)?, value?))
        };
        self.values.extend(figures.into_iter().chain(at).filter_map(metric));
    }

    fn rate(&mut self, quantity: Quantity, count: f64) {
        if let Some(metric) = Metric::whole_server(quantity).filter(|_| self.duration_s > 0.0) {
            self.values.insert(metric, count / self.duration_s);
        }
    }
}

/// Every statistic of one quantity.
fn distribution(quantity: Quantity, of_each: &[f64], values: &mut BTreeMap<Metric, f64>) {
    let of_each = sorted(of_each);
    for statistic in STATISTICS {
        let value = match statistic {
            Statistic::Min => of_each.first().copied(),
            Statistic::Mean => mean(&of_each),
            Statistic::P50 => quantile(&of_each, 0.50),
            Statistic::P90 => quantile(&of_each, 0.90),
            Statistic::P95 => quantile(&of_each, 0.95),
            Statistic::P99 => quantile(&of_each, 0.99),
        };
        if let (Some(metric), Some(value)) = (Metric::of(quantity, statistic), value) {
            values.insert(metric, value);
        }
    }
}

fn duration_s(samples: &[Sample]) -> f64 {
    let first = samples.iter().map(|sample| sample.intended_us).min().unwrap_or(0);
    let last = samples.iter().map(|sample| sample.end_us).max().unwrap_or(0);
    last.saturating_sub(first) as f64 / 1e6
}

fn lengths(succeeded: &[&Sample]) -> Option<Lengths> {
    let tokens: Vec<u32> = succeeded.iter().filter_map(|sample| sample.output_tokens).collect();
    let values = sorted(&tokens.iter().copied().map(f64::from).collect::<Vec<_>>());
    Some(Lengths {
        min: *tokens.iter().min()?,
        mean: mean(&values)?,
        median: quantile(&values, 0.5)?,
        max: *tokens.iter().max()?,
    })
}

/// Whether a request met every objective; a quantity that could not be measured does not meet it.
pub(crate) fn meets_all(sample: &Sample, objectives: &[Objective]) -> bool {
    objectives.iter().all(|objective| {
        value_of(sample, objective).is_some_and(|value| value <= as_millis(objective.limit))
    })
}

/// How slow a request is: the largest part that it took of any objective's limit. A request that
/// failed is infinitely slow.
pub(crate) fn severity(sample: &Sample, objectives: &[Objective]) -> f64 {
    if !sample.succeeded() {
        return f64::INFINITY;
    }
    let parts = objectives.iter().map(|objective| {
        let limit = as_millis(objective.limit);
        value_of(sample, objective).map_or(f64::INFINITY, |value| value / limit.max(1e-9))
    });
    parts.fold(0.0, f64::max)
}

/// What a request has of an objective's quantity, in milliseconds.
fn value_of(sample: &Sample, objective: &Objective) -> Option<f64> {
    match objective.quantity {
        Quantity::Ttft => sample.ttft_ms(),
        Quantity::Tpot => sample.tpot_ms(),
        Quantity::E2e => Some(sample.e2e_ms()),
        Quantity::FirstAnswer => sample.first_answer_ms(),
        Quantity::ToolCall => sample.tool_call_ms(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::chunks::Chunk;
    use crate::record::chunks::Chunks;
    use crate::spec::units::millis;

    fn request(index: u32, start_ms: u64, gap_ms: u64, tokens: u32) -> Sample {
        let chunks: Chunks = (1..=u64::from(tokens))
            .map(|position| Chunk { at_us: (start_ms + position * gap_ms) * 1_000, tokens: 1 })
            .collect();
        Sample {
            index,
            intended_us: start_ms * 1_000,
            sent_us: start_ms * 1_000,
            end_us: chunks.last_us().unwrap(),
            chunks,
            prompt_tokens: Some(10),
            output_tokens: Some(tokens),
            finish_reason: Some("length".into()),
            ..crate::fixtures::sample()
        }
    }

    fn value(summary: &Summary, key: &str) -> f64 {
        summary.values[&key.parse::<Metric>().unwrap()]
    }

    #[test]
    fn rates_count_over_the_whole_run() {
        let samples = [request(0, 0, 100, 10), request(1, 500, 100, 15)];
        let summary = summarize(&samples, &[]);
        assert!((summary.duration_s - 2.0).abs() < 1e-9);
        assert!((value(&summary, "output_throughput_tok_per_s") - 12.5).abs() < 1e-9);
        assert!((value(&summary, "total_throughput_tok_per_s") - 22.5).abs() < 1e-9);
        assert!((value(&summary, "request_throughput_req_per_s") - 1.0).abs() < 1e-9);
        assert!((value(&summary, "tpot_mean_ms") - 100.0).abs() < 1e-9);
        assert!((value(&summary, "e2e_p50_ms") - 1_250.0).abs() < 1e-9);
    }

    #[test]
    fn what_was_not_measured_is_absent() {
        let mut sample = request(0, 0, 100, 10);
        sample.chunks.clear();
        let summary = summarize(&[sample], &[]);
        assert!(!summary.values.keys().any(|metric| metric.quantity() == Quantity::Ttft));
        assert!(!summary.values.keys().any(|metric| metric.quantity() == Quantity::Goodput));
        assert!((value(&summary, "e2e_mean_ms") - 1_000.0).abs() < 1e-9);
        assert!(summarize(&[], &[]).values.is_empty());
    }

    #[test]
    fn a_failed_request_counts_in_no_figure_but_its_own() {
        let mut failed = request(1, 0, 100, 10);
        failed.outcome =
            Outcome::Failed { kind: FailureKind::CutShort, detail: "no [DONE]".into() };
        let summary = summarize(&[request(0, 0, 100, 10), failed], &[]);
        assert_eq!((summary.requests, summary.failed(), summary.output_tokens), (2, 1, 10));
        assert_eq!(summary.failures[&FailureKind::CutShort], 1);
    }

    #[test]
    fn what_one_request_leaves_open_makes_its_figures_estimates() {
        let mut samples = [request(0, 0, 100, 10), request(1, 0, 100, 10)];
        assert!(summarize(&samples, &[]).estimated.is_empty());
        samples[1].estimated = Estimated { first_token: true, ..Estimated::CHUNK_TOKENS };
        let objective = Objective { quantity: Quantity::Ttft, limit: millis(150.0) };
        let summary = summarize(&samples, &[objective]);
        let all = [Quantity::Goodput, Quantity::Ttft, Quantity::Tpot, Quantity::Itl];
        assert_eq!(summary.estimated, BTreeSet::from(all));
        assert!(summary.is_estimated("ttft_p50_ms".parse().unwrap()));
        assert!(!summary.is_estimated("e2e_p50_ms".parse().unwrap()));
        // One that failed counts in no figure.
        samples[1].outcome = Outcome::Failed { kind: FailureKind::Reset, detail: String::new() };
        assert!(summarize(&samples, &[objective]).estimated.is_empty());
    }

    #[test]
    fn goodput_counts_requests_that_met_every_objective() {
        let objectives = [
            Objective { quantity: Quantity::Ttft, limit: millis(150.0) },
            Objective { quantity: Quantity::E2e, limit: millis(1_200.0) },
        ];
        let samples = [request(0, 0, 100, 10), request(1, 0, 100, 20), request(2, 0, 200, 5)];
        let summary = summarize(&samples, &objectives);
        assert!((value(&summary, "goodput_req_per_s") - 0.5).abs() < 1e-9);
    }
}
