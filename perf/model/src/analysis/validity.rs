//! Whether a run may be judged at all: [`faults`] names every reason why not; [`remarks`] what a
//! reader should know.

use crate::analysis::engine_times::{self, WAY_MS, WAY_SHARE};
use crate::analysis::lateness::Lateness;
use crate::analysis::steady_state;
use crate::analysis::summary::Summary;
use crate::record::client_load::{Calibration, ClientUse, ENOUGH_TICKS};
use crate::record::file::{CacheReset, ServerCounts};
use crate::record::sample::Sample;
use crate::spec::load::Load;
use crate::spec::metric::{Metric, Quantity, Statistic};
use crate::spec::units::as_millis;

/// What a run left that speaks for or against it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Witnesses<'a> {
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
}

/// Every reason not to trust a run; empty for one that may be judged.
pub fn faults(load: &Load, summary: &Summary, witnesses: &Witnesses<'_>) -> Vec<String> {
    let Witnesses { samples, server, lateness, client, calibration, .. } = *witnesses;
    let mut faults = Vec::new();
    if summary.requests != load.requests as usize {
        faults.push(format!("only {} of {} requests were sent", summary.requests, load.requests));
    }
    if !failures_are_allowed(load, summary) {
        faults.extend(failures(summary));
    }
    let limit = as_millis(load.lateness_limit);
    if let Some(lateness) = lateness.map(|late| late.p99_ms).filter(|lateness| *lateness > limit) {
        faults.push(format!(
            "the load generator was the bottleneck: sends were {lateness:.1} ms late at P99 (limit {limit} ms)"
        ));
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
pub fn remarks(load: &Load, summary: &Summary, witnesses: &Witnesses<'_>) -> Vec<String> {
    let mut remarks = disagreements(summary, witnesses.server);
    if failures_are_allowed(load, summary) {
        remarks.extend(
            failures(summary)
                .map(|what| format!("{what} (the load allows {})", load.failures_allowed)),
        );
    }
    remarks.extend(engine_times::remarks(witnesses.samples));
    remarks.extend(steady_state::never_steady(witnesses.samples, load.arrivals));
    remarks.extend(unchecked(load, witnesses));
    if let Some(CacheReset::Refused(why)) = witnesses.cache_reset {
        remarks
            .push(format!("the server refused to reset its prefix cache before the load: {why}"));
    }
    remarks
}

/// Where client and server do not count alike. Of a request that failed the server may have counted
/// all, a part or nothing, so that each leaves room for as much as it asked for, and no more.
fn miscounts(load: &Load, summary: &Summary, server: &ServerCounts) -> Vec<String> {
    if server.lost {
        let what = "the server's /metrics counters vanished or went backwards during the load, so its token count \
                    could not be checked; it probably restarted";
        return vec![what.to_owned()];
    }
    let failed = summary.failed() as u64;
    let compare = |what: &str, client: u64, room: Option<u64>, server: Option<u64>| {
        let most = client.saturating_add(room.unwrap_or(u64::MAX));
        let server = server.filter(|server| !(client..=most).contains(server))?;
        Some(format!(
            "the client counted {client} {what}, the server {server}; check that no other client uses the server"
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
fn unchecked(load: &Load, witnesses: &Witnesses<'_>) -> Vec<String> {
    let Witnesses { samples, server, lateness, client, calibration, .. } = *witnesses;
    let mut remarks = Vec::new();
    remarks.extend(estimated(samples));
    let width = load.arrivals.width();
    if width > load.requests {
        remarks.push(format!(
            "the load has {} requests, too few to keep {width} in flight",
            load.requests
        ));
    }
    // In virtual time there is no client, no lateness and nobody but the server to count.
    if let Some(client) = client {
        if client.ticks < ENOUGH_TICKS {
            remarks.push(format!(
                "too short ({:.2} s < 1 s) to tell whether the load generator was the bottleneck; send more requests",
                client.wall_us as f64 / 1e6
            ));
        }
        if server.is_none() {
            remarks.push(
                "the server has no counters at /metrics, so the client's counts could not be checked".to_owned(),
            );
        }
        if calibration.is_none() {
            remarks.push(
                "the load generator could not be calibrated because its machine is too busy, so its capacity is unknown"
                    .to_owned(),
            );
        }
        if let Some(Lateness { p50_ms, p99_ms }) = lateness {
            remarks
                .push(format!("sends were {p50_ms:.2} ms late at P50 and {p99_ms:.2} ms at P99"));
        }
    }
    remarks
}

/// How many answers did not say how many tokens came with each chunk, where there are any.
pub(crate) fn estimated(samples: &[Sample]) -> Option<String> {
    let estimated = samples.iter().filter(|sample| sample.estimated).count();
    (estimated > 0).then(|| {
        format!(
            "{estimated} of {} responses did not report the number of tokens in each chunk, so their ITL is an estimate",
            samples.len()
        )
    })
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

/// Where the client's mean latencies and the server's own do not agree within 5 ms or 15 %, the
/// larger.
///
/// The client's are the longer ones by nature, and they are what a user feels; a larger gap says
/// where to look, not that the run is wrong. Nothing is averaged away: both figures are named.
fn disagreements(summary: &Summary, server: Option<&ServerCounts>) -> Vec<String> {
    let Some(server) = server else { return Vec::new() };
    let pairs = [(Quantity::Ttft, server.ttft_mean_ms()), (Quantity::E2e, server.e2e_mean_ms())];
    let compared = pairs.into_iter().filter_map(|(quantity, server)| {
        let client = *summary.values.get(&Metric::of(quantity, Statistic::Mean)?)?;
        let server = server?;
        let apart = (client - server).abs() > WAY_MS.max(client * WAY_SHARE);
        let label = quantity.label();
        apart.then(|| {
            format!("mean {label}: the client measured {client:.1} ms, the server {server:.1} ms")
        })
    });
    compared.collect()
}

/// Prompts that have no beginning in common find nothing in the prefix cache, unless the server saw
/// them before: an earlier run with the same prompts, or a cache that was not emptied. A warm cache
/// looks like a faster server.
fn warm_cache(load: &Load, server: &ServerCounts) -> Option<String> {
    let hits =
        server.prefix_hits.filter(|hits| *hits > 0 && load.workload.prompts.are_distinct())?;
    let share = match server.prefix_hit_rate() {
        Some(rate) => format!("{:.2} % of its prompt tokens", rate * 100.0),
        None => format!("{hits} prompt tokens"),
    };
    Some(format!(
        "all prompts of this load are distinct, but the prefix cache had {share}: the server saw these prompts before; \
         restart it or reset its cache"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample::FailureKind;
    use crate::spec::load::{Arrivals, Prompts};

    fn load(requests: u32) -> Load {
        Load {
            arrivals: Arrivals::OneAtATime,
            requests,
            objectives: vec![],
            ..crate::fixtures::load()
        }
    }

    fn with(server: &ServerCounts) -> Witnesses<'_> {
        Witnesses { server: Some(server), ..Witnesses::default() }
    }

    fn late(lateness_ms: f64) -> Witnesses<'static> {
        Witnesses {
            lateness: Some(Lateness { p50_ms: 0.1, p99_ms: lateness_ms }),
            ..Witnesses::default()
        }
    }

    fn summary() -> Summary {
        Summary { requests: 10, output_tokens: 640, prompt_tokens: 100, ..Summary::default() }
    }

    #[test]
    fn counts_that_agree_are_no_fault() {
        let server = ServerCounts {
            output_tokens: Some(640),
            prompt_tokens: Some(100),
            requests: Some(10),
            ..ServerCounts::default()
        };
        assert!(
            faults(&load(10), &summary(), &Witnesses { server: Some(&server), ..late(1.0) })
                .is_empty()
        );
        assert!(faults(&load(10), &summary(), &Witnesses::default()).is_empty());
    }

    #[test]
    fn one_token_more_on_the_server_is_a_fault() {
        let server = ServerCounts { output_tokens: Some(641), ..ServerCounts::default() };
        assert_eq!(faults(&load(10), &summary(), &with(&server)).len(), 1);
    }

    #[test]
    fn a_failed_request_leaves_room_for_what_it_asked_for_and_no_more() {
        let mut summary = Summary { output_tokens: 576, prompt_tokens: 90, ..summary() };
        summary.failures.insert(FailureKind::CutShort, 1);
        let load = Load { failures_allowed: crate::spec::units::percent(10.0), ..load(10) };
        let counts = |output, requests| ServerCounts {
            output_tokens: Some(output),
            prompt_tokens: Some(100),
            requests: Some(requests),
            ..ServerCounts::default()
        };
        for fair in [counts(576, 9), counts(640, 10), counts(600, 9)] {
            assert!(faults(&load, &summary, &with(&fair)).is_empty(), "{fair:?}");
        }
        for unfair in [counts(575, 9), counts(641, 9), counts(600, 8), counts(600, 11)] {
            assert_eq!(faults(&load, &summary, &with(&unfair)).len(), 1, "{unfair:?}");
        }
    }

    #[test]
    fn counters_that_are_gone_are_a_fault_and_those_that_never_were_a_remark() {
        let lost = ServerCounts { lost: true, ..ServerCounts::default() };
        let found = faults(&load(10), &summary(), &with(&lost));
        assert!(
            found.len() == 1 && found[0].starts_with("the server's /metrics counters vanished"),
            "{found:?}"
        );
        let client = ClientUse::default();
        let real = Witnesses { client: Some(&client), ..Witnesses::default() };
        let found = remarks(&load(10), &summary(), &real);
        assert!(found[0].starts_with("too short (0.00 s < 1 s) to tell"), "{found:?}");
        assert!(found[1].starts_with("the server has no counters at /metrics"), "{found:?}");
        assert!(found[2].starts_with("the load generator could not be calibrated"), "{found:?}");
        let long = ClientUse { ticks: 100, ..client };
        let found = remarks(
            &load(10),
            &summary(),
            &Witnesses { client: Some(&long), ..Witnesses::default() },
        );
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(remarks(&load(10), &summary(), &Witnesses::default()).is_empty());
    }

    #[test]
    fn too_few_requests_for_the_concurrency_are_reported() {
        let load = Load { arrivals: Arrivals::Concurrency(64), ..load(20) };
        assert_eq!(
            remarks(&load, &summary(), &Witnesses::default()),
            ["the load has 20 requests, too few to keep 64 in flight"]
        );
    }

    #[test]
    fn a_failed_request_is_a_fault_and_named() {
        let mut summary = summary();
        summary.failures.insert(FailureKind::ErrorInBand, 2);
        assert_eq!(
            faults(&load(10), &summary, &Witnesses::default()),
            ["2 of 10 requests failed: error inside a response"]
        );
    }

    #[test]
    fn a_stated_share_of_failures_is_a_remark_and_not_a_fault() {
        let mut summary = summary();
        summary.failures.insert(FailureKind::ErrorInBand, 2);
        let load =
            |share: f64| Load { failures_allowed: crate::spec::units::percent(share), ..load(10) };
        assert!(faults(&load(20.0), &summary, &Witnesses::default()).is_empty());
        assert_eq!(faults(&load(19.0), &summary, &Witnesses::default()).len(), 1);
        assert_eq!(
            remarks(&load(20.0), &summary, &Witnesses::default()),
            ["2 of 10 requests failed: error inside a response (the load allows 20 %)"]
        );
        summary.failures.insert(FailureKind::ErrorInBand, 10);
        assert_eq!(
            faults(&load(100.0), &summary, &Witnesses::default()).len(),
            1,
            "nothing was measured"
        );
    }

    #[test]
    fn latencies_that_the_server_measured_otherwise_are_named_with_both_figures() {
        let mut summary = summary();
        summary.values.insert("e2e_mean_ms".parse().unwrap(), 100.0);
        let server = |mean_us: u64| ServerCounts {
            e2e_sum_us: Some(mean_us),
            e2e_count: Some(1),
            ..ServerCounts::default()
        };
        assert!(disagreements(&summary, Some(&server(90_000))).is_empty());
        assert_eq!(
            disagreements(&summary, Some(&server(50_000))),
            ["mean E2E: the client measured 100.0 ms, the server 50.0 ms"]
        );
        assert!(disagreements(&summary, None).is_empty());
    }

    #[test]
    fn distinct_prompts_that_hit_the_prefix_cache_are_a_fault() {
        let mut load = load(10);
        let server = ServerCounts {
            prefix_queries: Some(6_400),
            prefix_hits: Some(16),
            ..ServerCounts::default()
        };
        let found = faults(&load, &summary(), &with(&server));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with(
            "all prompts of this load are distinct, but the prefix cache had 0.25 % of its prompt tokens"
        ));
        let none = ServerCounts { prefix_hits: Some(0), ..server };
        assert!(faults(&load, &summary(), &with(&none)).is_empty());
        load.workload.prompts = Prompts::Text("the same for all".into());
        assert!(faults(&load, &summary(), &with(&server)).is_empty());
    }

    #[test]
    fn missing_requests_and_late_sends_are_faults() {
        assert_eq!(faults(&load(12), &summary(), &late(9.0)).len(), 2);
    }

    #[test]
    fn a_client_that_was_the_limit_is_a_fault_and_so_is_a_load_beyond_what_it_can_do() {
        let client = ClientUse {
            wall_us: 2_000_000,
            cpu_us: 1_900_000,
            threads: 1,
            ticks: 200,
            ..ClientUse::default()
        };
        let calibration = Calibration { lateness_p99_us: 6_000, ..Calibration::default() };
        let open =
            Load { arrivals: Arrivals::Poisson(crate::spec::units::per_second(1.0)), ..load(10) };
        let calibrated = Witnesses { calibration: Some(&calibration), ..Witnesses::default() };
        assert!(
            faults(&open, &summary(), &calibrated).is_empty(),
            "in virtual time there is no client to judge"
        );
        let found = faults(&open, &summary(), &Witnesses { client: Some(&client), ..calibrated });
        assert_eq!(found.len(), 2);
        assert!(
            found[0].starts_with("the load generator was the bottleneck: it used 0.95 CPU cores"),
            "{found:?}"
        );
        assert!(found[1].starts_with("the load generator cannot send on time on this machine: its calibration was 6.0 ms late"), "{found:?}");
    }

    #[test]
    fn a_refused_cache_reset_is_reported() {
        let found = |reset: CacheReset| {
            remarks(
                &load(10),
                &summary(),
                &Witnesses { cache_reset: Some(&reset), ..Witnesses::default() },
            )
        };
        assert!(found(CacheReset::Done).is_empty() && found(CacheReset::NotOffered).is_empty());
        assert_eq!(
            found(CacheReset::Refused("500: no".into())),
            ["the server refused to reset its prefix cache before the load: 500: no"]
        );
    }
}
