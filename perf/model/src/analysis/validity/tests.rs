//! What makes a run invalid, and what is only remarked.

use super::*;
use crate::fixtures::sentences;
use crate::record::oddity::Oddity;
use crate::record::sample::FailureKind;
use crate::spec::load::{Arrivals, Prompts};

fn load(requests: u32) -> Load {
    Load { arrivals: Arrivals::OneAtATime, requests, objectives: vec![], ..crate::fixtures::load() }
}

fn with(server: &ServerCounts) -> ValidityInputs<'_> {
    ValidityInputs { server: Some(server), ..ValidityInputs::default() }
}

fn late(lateness_ms: f64) -> ValidityInputs<'static> {
    ValidityInputs {
        lateness: Some(Lateness { p50_ms: 0.1, p99_ms: lateness_ms }),
        ..ValidityInputs::default()
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
        faults(&load(10), &summary(), &ValidityInputs { server: Some(&server), ..late(1.0) })
            .is_empty()
    );
    assert!(faults(&load(10), &summary(), &ValidityInputs::default()).is_empty());
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
        found.len() == 1 && found[0].message.starts_with("the server's /metrics counters vanished"),
        "{found:?}"
    );
    let client = ClientUse::default();
    let real = ValidityInputs { client: Some(&client), ..ValidityInputs::default() };
    let found = remarks(&load(10), &summary(), &real);
    assert!(found[0].message.starts_with("too short (0.00 s < 1 s) to see"), "{found:?}");
    assert!(found[1].message.starts_with("the server has no counters at /metrics"), "{found:?}");
    assert!(
        found[2].message.starts_with("the load generator could not be calibrated"),
        "{found:?}"
    );
    let long = ClientUse { ticks: 100, ..client };
    let found = remarks(
        &load(10),
        &summary(),
        &ValidityInputs { client: Some(&long), ..ValidityInputs::default() },
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(remarks(&load(10), &summary(), &ValidityInputs::default()).is_empty());
}

#[test]
fn too_few_requests_for_the_concurrency_are_reported() {
    let load = Load { arrivals: Arrivals::Concurrency(64), ..load(20) };
    assert_eq!(
        sentences(&remarks(&load, &summary(), &ValidityInputs::default())),
        ["the load has 20 requests, too few to keep 64 in flight"]
    );
}

#[test]
fn a_failed_request_is_a_fault_and_named() {
    let mut summary = summary();
    summary.failures.insert(FailureKind::ErrorInBand, 2);
    assert_eq!(
        sentences(&faults(&load(10), &summary, &ValidityInputs::default())),
        ["2 of 10 requests failed: error inside a response"]
    );
}

#[test]
fn a_stated_share_of_failures_is_a_remark_and_not_a_fault() {
    let mut summary = summary();
    summary.failures.insert(FailureKind::ErrorInBand, 2);
    let load =
        |share: f64| Load { failures_allowed: crate::spec::units::percent(share), ..load(10) };
    assert!(faults(&load(20.0), &summary, &ValidityInputs::default()).is_empty());
    assert_eq!(faults(&load(19.0), &summary, &ValidityInputs::default()).len(), 1);
    assert_eq!(
        sentences(&remarks(&load(20.0), &summary, &ValidityInputs::default())),
        ["2 of 10 requests failed: error inside a response (the load allows 20 %)"]
    );
    summary.failures.insert(FailureKind::ErrorInBand, 10);
    assert_eq!(
        faults(&load(100.0), &summary, &ValidityInputs::default()).len(),
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
        sentences(&disagreements(&summary, Some(&server(50_000)))),
        [
            "mean E2E: the client measured 100.0 ms, the server 50.0 ms; the server's clock stops before its parsers and its HTTP, \
          which may hold tokens back"
        ]
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
    assert!(found[0].message.starts_with(
        "all prompts of this load are distinct, but the prefix cache had 0.25 % of its prompt tokens"
    ));
    let none = ServerCounts { prefix_hits: Some(0), ..server.clone() };
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
    let calibrated =
        ValidityInputs { calibration: Some(&calibration), ..ValidityInputs::default() };
    assert!(
        faults(&open, &summary(), &calibrated).is_empty(),
        "in virtual time there is no client to judge"
    );
    let found = faults(&open, &summary(), &ValidityInputs { client: Some(&client), ..calibrated });
    assert_eq!(found.len(), 2);
    assert!(
        found[0]
            .message
            .starts_with("the load generator was the bottleneck: it used 0.95 CPU cores"),
        "{found:?}"
    );
    assert!(found[1].message.starts_with("the load generator cannot send on time on this machine: its calibration was 6.0 ms late"), "{found:?}");
}

#[test]
fn a_refused_cache_reset_is_reported() {
    let found = |reset: CacheReset| {
        remarks(
            &load(10),
            &summary(),
            &ValidityInputs { cache_reset: Some(&reset), ..ValidityInputs::default() },
        )
    };
    assert!(found(CacheReset::Done).is_empty() && found(CacheReset::NotOffered).is_empty());
    assert_eq!(
        sentences(&found(CacheReset::Refused("500: no".into()))),
        ["the server refused to reset its prefix cache before the load: 500: no"]
    );
}

#[test]
fn what_a_server_did_beside_the_protocol_is_a_remark_for_each_kind() {
    let odd = |oddities| Sample { oddities, ..crate::fixtures::sample() };
    let samples = [
        odd(vec![Oddity::plain(OddityKind::NoDone)]),
        odd(vec![
            Oddity::plain(OddityKind::NoDone),
            Oddity::with(OddityKind::FinishReason, "eos_reached"),
        ]),
        odd(vec![]),
    ];
    assert_eq!(
        sentences(&oddities(&samples)),
        [
            "2 of 3 responses: the stream ended without [DONE]",
            "1 of 3 responses: the finish reason is unknown: eos_reached"
        ]
    );
}

#[test]
fn a_cache_reset_that_reached_one_of_several_servers_is_reported() {
    let found = |counters: Option<CounterSource>| {
        let end = End { counters, ..End::default() };
        let inputs = ValidityInputs {
            cache_reset: Some(&CacheReset::Done),
            end: Some(&end),
            ..ValidityInputs::default()
        };
        let findings = remarks(&load(1), &Summary::default(), &inputs);
        findings.iter().any(|finding| finding.code == FindingCode::CacheNotReset)
    };
    assert!(found(Some(CounterSource::Several { seen: 2 })));
    assert!(!found(Some(CounterSource::Listed { servers: 2 })) && !found(None));
}
