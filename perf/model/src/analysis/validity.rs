//! Whether a run may be judged at all: [`faults`] names every reason why not; [`remarks`] what a
//! reader should know.

use std::collections::BTreeMap;

use crate::analysis::engine_times::{self, WAY_MS, WAY_SHARE};
use crate::analysis::lateness::Lateness;
use crate::analysis::short_trace;
use crate::analysis::steady_state;
use crate::analysis::summary::Summary;
use crate::analysis::{by_model, by_rank};
use crate::record::client_load::{Calibration, ClientUse, ENOUGH_TICKS};
use crate::record::counter_source::CounterSource;
use crate::record::file::{CacheReset, End, ServerCounts};
use crate::record::finding::{Finding, FindingCode};
use crate::record::left_out::LeftOut;
use crate::record::oddity::OddityKind;
use crate::record::sample::Sample;
use crate::record::skipped_entries::SkippedEntries;
use crate::spec::load::Load;
use crate::spec::metric::{Metric, Quantity, Statistic};
use crate::spec::units::as_millis;

/// What a run left that speaks for or against it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValidityInputs<'a> {
    /// Its requests.
    pub samples: &'a [Sample],
    /// What the server counted; absent where it counts nothing.
    pub server: Option<&'a ServerCounts>,
    /// How late the sends of an open loop were; absent for closed loops.
    pub lateness: Option<Lateness>,
    /// What the client used of the machine; absent in virtual time.
    pub client: Option<&'a ClientUse>,
    /// What the client can do there; absent in virtual time, and where it could not be found out.
    pub calibration: Option<&'a Calibration>,
    /// What became of the server's prefix cache before the first send.
    pub cache_reset: Option<&'a CacheReset>,
    /// How the run ended, with what it left out; absent where that is not known.
    pub end: Option<&'a End>,
}

/// Every reason not to trust a run; empty for one that may be judged.
pub fn faults(load: &Load, summary: &Summary, inputs: &ValidityInputs<'_>) -> Vec<Finding> {
    let ValidityInputs { samples, server, lateness, client, calibration, .. } = *inputs;
    let mut faults = Vec::new();
    if summary.requests != load.requests as usize {
        faults.push(Finding::new(
            FindingCode::RequestsMissing,
            format!("only {} of {} requests were sent", summary.requests, load.requests),
        ));
    }
    if !failures_are_allowed(load, summary) {
        faults
            .extend(failures(summary).map(|what| Finding::new(FindingCode::RequestsFailed, what)));
    }
    let limit = as_millis(load.lateness_limit);
    if let Some(lateness) = lateness.map(|late| late.p99_ms).filter(|lateness| *lateness > limit) {
        faults.push(Finding::new(FindingCode::SendsLate, format!(
            "the load generator was the bottleneck: sends were {lateness:.1} ms late at P99 (limit {limit} ms)"
        )));
    }
    if let Some(client) = client {
        faults.extend(client.faults(load));
        faults.extend(calibration.iter().flat_map(|can| can.faults(load, samples, client.threads)));
    }
    faults.extend(server.into_iter().flat_map(|server| miscounts(load, summary, server)));
    faults.extend(engine_times::faults(samples));
    faults.extend(server.and_then(|server| warm_cache(load, server)));
    faults
}

/// What a reader of a run's figures should know beside them, one line each; empty where there is
/// nothing.
pub fn remarks(load: &Load, summary: &Summary, inputs: &ValidityInputs<'_>) -> Vec<Finding> {
    let mut remarks = disagreements(summary, inputs.server);
    if failures_are_allowed(load, summary) {
        remarks.extend(
            failures(summary)
                .map(|what| format!("{what} (the load allows {})", load.failures_allowed))
                .map(|what| Finding::new(FindingCode::FailuresAllowed, what)),
        );
    }
    remarks.extend(inputs.end.into_iter().flat_map(departures));
    remarks.extend(by_model::remark(load, inputs.samples));
    remarks.extend(inputs.server.and_then(|server| by_rank::remark(&server.ranks)));
    remarks.extend(short_trace::remark(load, inputs.samples));
    remarks.extend(oddities(inputs.samples));
    remarks.extend(engine_times::remarks(inputs.samples));
    remarks.extend(
        steady_state::never_steady(inputs.samples, load.arrivals)
            .map(|what| Finding::new(FindingCode::NeverSteady, what)),
    );
    remarks.extend(unchecked(load, summary, inputs));
    if let Some(CacheReset::Refused(why)) = inputs.cache_reset {
        remarks.push(Finding::new(
            FindingCode::CacheNotReset,
            format!("the server refused to reset its prefix cache before the load: {why}"),
        ));
    }
    let counters = inputs.end.and_then(|end| end.counters);
    if let (Some(CacheReset::Done), Some(CounterSource::Several { .. })) =
        (inputs.cache_reset, counters)
    {
        remarks.push(Finding::new(
            FindingCode::CacheNotReset,
            "several servers answer at this address, and only one of them reset its prefix cache before the load; name \
             the /metrics of each with --metrics-url, and each is asked",
        ));
    }
    remarks
}

/// What of the run was not as declared.
fn departures(end: &End) -> Vec<Finding> {
    let left_out = end.left_out.iter().map(LeftOut::remark);
    let skipped = end.skipped_entries.iter().map(SkippedEntries::remark);
    let certificate = end.unchecked_certificate.then(|| {
        Finding::new(
            FindingCode::CertificateUnchecked,
            "INSECURE: the server's certificate was not checked, so that another server may have been measured",
        )
    });
    left_out
        .chain(certificate)
        .chain(end.counters.and_then(CounterSource::remark))
        .chain(skipped)
        .chain(end.neighbours_remark())
        .collect()
}

/// Where client and server do not count alike. Of a request that failed the server may have counted
/// all, a part or nothing, so that each leaves room for as much as it asked for, and no more.
fn miscounts(load: &Load, summary: &Summary, server: &ServerCounts) -> Vec<Finding> {
    if server.lost {
        let what = "the server's /metrics counters vanished or went backwards during the load, so its token count \
                    could not be checked; it probably restarted";
        return vec![Finding::new(FindingCode::ServerRestarted, what)];
    }
    let failed = summary.failed() as u64;
    let compare = |what: &str, client: u64, room: Option<u64>, server: Option<u64>| {
        let most = client.saturating_add(room.unwrap_or(u64::MAX));
        let server = server.filter(|server| !(client..=most).contains(server))?;
        // Counters of several servers that agree look like those of one.
        let advice = if server < client {
            "check that one server answers at this address; of several name each with --metrics-url"
        } else {
            "check that no other client uses the server"
        };
        Some(Finding::new(
            FindingCode::CountsDisagree,
            format!("the client counted {client} {what}, the server {server}; {advice}"),
        ))
    };
    let output = failed * u64::from(load.workload.output.limit());
    let prompts = (failed == 0).then_some(0);
    [
        compare("output tokens", summary.output_tokens, Some(output), server.output_tokens),
        compare("prompt tokens", summary.prompt_tokens, prompts, server.prompt_tokens),
        compare("requests", summary.requests as u64 - failed, Some(failed), server.requests),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What could not be found out, or was not as declared, and makes figures weaker without making
/// them wrong.
fn unchecked(load: &Load, summary: &Summary, inputs: &ValidityInputs<'_>) -> Vec<Finding> {
    let ValidityInputs { samples, server, lateness, client, calibration, .. } = *inputs;
    let unchecked = |what: String| Finding::new(FindingCode::Unchecked, what);
    let mut remarks = Vec::new();
    remarks.extend(estimated(samples, summary));
    let width = load.arrivals.width();
    if width > load.requests {
        remarks.push(Finding::new(
            FindingCode::TooFewRequests,
            format!("the load has {} requests, too few to keep {width} in flight", load.requests),
        ));
    }
    // In virtual time there is no client, no lateness, and only the server counts.
    if let Some(client) = client {
        if client.ticks < ENOUGH_TICKS {
            remarks.push(unchecked(format!(
                "too short ({:.2} s < 1 s) to see whether the load generator was the bottleneck; send more requests",
                client.wall_us as f64 / 1e6
            )));
        }
        let is_left_out = inputs.end.is_some_and(|end| end.counters.is_some());
        if server.is_none() && !is_left_out {
            remarks.push(unchecked(
                "the server has no counters at /metrics, so the client's counts could not be checked".to_owned(),
            ));
        }
        if calibration.is_none() {
            remarks.push(unchecked(
                "the load generator could not be calibrated because its machine is too busy, so its capacity is unknown"
                    .to_owned(),
            ));
        }
        if let Some(Lateness { p50_ms, p99_ms }) = lateness {
            remarks.push(Finding::new(
                FindingCode::SendLateness,
                format!("sends were {p50_ms:.2} ms late at P50 and {p99_ms:.2} ms at P99"),
            ));
        }
    }
    remarks
}

/// How many answers did not say how many tokens came with each chunk, where there are any, and
/// which figures are estimates because of it.
pub(crate) fn estimated(samples: &[Sample], summary: &Summary) -> Option<Finding> {
    let count = samples.iter().filter(|sample| !sample.estimated.is_nothing()).count();
    let figures: Vec<&str> = summary.estimated.iter().map(|quantity| quantity.label()).collect();
    (count > 0 && !figures.is_empty()).then(|| {
        Finding::new(
            FindingCode::TimesEstimated,
            format!(
                "{count} of {} responses did not report the number of tokens in each chunk; estimates (≈): {}",
                samples.len(),
                figures.join(", ")
            ),
        )
    })
}

/// What the server did beside the protocol, a remark for each kind with an example.
pub(crate) fn oddities(samples: &[Sample]) -> Vec<Finding> {
    let mut kinds: BTreeMap<OddityKind, (usize, Option<&str>)> = BTreeMap::new();
    for oddity in samples.iter().flat_map(|sample| &sample.oddities) {
        let (count, example) = kinds.entry(oddity.kind).or_default();
        *count += 1;
        *example = example.or(oddity.detail.as_deref());
    }
    let remark = |(kind, (count, example)): (OddityKind, (usize, Option<&str>))| {
        let example = example.map_or_else(String::new, |example| format!(": {example}"));
        let of = samples.len();
        Finding::new(
            FindingCode::ServerOddity,
            format!("{count} of {of} responses: {kind}{example}"),
        )
    };
    kinds.into_iter().map(remark).collect()
}

/// How many requests failed, kind by kind.
fn failures(summary: &Summary) -> impl Iterator<Item = String> {
    let requests = summary.requests;
    summary
        .failures
        .iter()
        .map(move |(kind, count)| format!("{count} of {requests} requests failed: {kind}"))
}

/// Whether no more requests failed than the load allows, and some were left to measure.
fn failures_are_allowed(load: &Load, summary: &Summary) -> bool {
    let allowed = summary.requests as f64 * load.failures_allowed.fraction();
    summary.failed() as f64 <= allowed && summary.failed() < summary.requests
}

/// Why the server's own latency may be the shorter one.
const HELD_BACK: &str =
    "; the server's clock stops before its parsers and its HTTP, which may hold tokens back";

/// Where the client's mean latencies and the server's own do not agree within 5 ms or 15 %, the
/// larger.
///
/// The client's are the longer ones by nature, and they are what a user feels; a larger gap says
/// where to look, not that the run is wrong. Nothing is averaged away: both figures are named.
fn disagreements(summary: &Summary, server: Option<&ServerCounts>) -> Vec<Finding> {
    let Some(server) = server else { return Vec::new() };
    let pairs = [(Quantity::Ttft, server.ttft_mean_ms()), (Quantity::E2e, server.e2e_mean_ms())];
    let compared = pairs.into_iter().filter_map(|(quantity, server)| {
        let client = *summary.values.get(&Metric::of(quantity, Statistic::Mean)?)?;
        let server = server?;
        let apart = (client - server).abs() > WAY_MS.max(client * WAY_SHARE);
        let label = quantity.label();
        let cause = if client > server { HELD_BACK } else { "" };
        apart.then(|| {
            Finding::new(
                FindingCode::LatenciesDisagree,
                format!(
                    "mean {label}: the client measured {client:.1} ms, the server {server:.1} ms{cause}"
                ),
            )
        })
    });
    compared.collect()
}

/// Prompts that have no beginning in common find nothing in the prefix cache, unless the server saw
/// them before: an earlier run with the same prompts, or a cache that was not emptied. A warm cache
/// looks like a faster server.
fn warm_cache(load: &Load, server: &ServerCounts) -> Option<Finding> {
    let hits =
        server.prefix_hits.filter(|hits| *hits > 0 && load.workload.prompts.are_distinct())?;
    let share = match server.prefix_hit_rate() {
        Some(rate) => format!("{:.2} % of its prompt tokens", rate * 100.0),
        None => format!("{hits} prompt tokens"),
    };
    Some(Finding::new(
        FindingCode::PrefixCacheWarm,
        format!(
            "all prompts of this load are distinct, but the prefix cache had {share}: the server saw these prompts before; \
         restart it or reset its cache"
        ),
    ))
}

#[cfg(test)]
mod tests;
