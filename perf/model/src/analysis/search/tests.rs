//! Searches on records of a server whose truth is known: one request after the other, 10 ms each.

use perf_gate::Unresolved;

use super::*;
use crate::fixtures;
use crate::record::file::{End, Header};
use crate::record::sample::{FailureKind, Outcome};
use crate::spec::load_search::Axis;
use crate::spec::metric::Quantity;
use crate::spec::units::{millis, per_second};

const SERVICE_US: u64 = 10_000;

fn load(from: f64, to: f64) -> Load {
    let axis = Axis::Rate { from: per_second(from), to: per_second(to) };
    Load {
        arrivals: Arrivals::ConstantRate(per_second(1.0)),
        requests: 1_000,
        objectives: vec![Objective { quantity: Quantity::E2e, limit: millis(50.0) }],
        search: Some(LoadSearch::along(axis)),
        ..fixtures::load()
    }
}

/// What a server that works one request after the other makes of evenly spaced arrivals, each
/// request taking `service_us` in turn.
fn serve(load: &Load, at: f64, service_us: &dyn Fn(u64) -> u64) -> Vec<Sample> {
    let mut free_us = 0;
    (0..load.requests)
        .map(|index| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time")]
            let intended_us = (f64::from(index) / at * 1e6) as u64;
            free_us = free_us.max(intended_us) + service_us(index.into());
            Sample {
                index,
                intended_us,
                sent_us: intended_us,
                end_us: free_us,
                ..fixtures::sample()
            }
        })
        .collect()
}

fn record(load: &Load, probe: SearchProbe, samples: Vec<Sample>) -> Record {
    let header =
        Header { search: Some(probe), ..Header::of(load, "suite", fixtures::fingerprint()) };
    Record::of(header, samples, Some(End { complete: true, ..End::default() }))
}

fn search(load: &Load, service_us: &dyn Fn(u64) -> u64) -> Vec<Record> {
    let mut searcher = Searcher::new(load).unwrap().unwrap();
    let mut records = Vec::new();
    while let Some((load, probe)) = searcher.next_probe() {
        let at = probe.at;
        let record = record(&load, probe, serve(&load, at, service_us));
        searcher.take(at, &record);
        records.push(record);
    }
    records
}

#[test]
fn the_capacity_of_a_queue_is_found_and_read_from_its_records_again() {
    let mut records = search(&load(1.0, 1_000.0), &|_| SERVICE_US);
    // In any order.
    records.reverse();
    let found = SearchAnalysis::of(&records).unwrap();
    let value = found.summary.values[&"max_rate_req_per_s".parse().unwrap()];
    assert!((value / 100.0 - 1.0).abs() < 0.05, "{found:?}");
    assert!(found.probes.len() <= 10 && found.faults.is_empty(), "{found:?}");
    assert_eq!(found.summary.requests, records.iter().map(|it| it.samples.len()).sum::<usize>());
    assert!(found.sentence().starts_with("max rate ") && found.sentence().contains(" sustained, "));
    // An overloaded probe says how much the server completes.
    assert!(found.probes.iter().any(|probe| probe.grew), "{found:?}");
}

#[test]
fn a_search_has_the_figures_of_its_servers_start() {
    let mut records = search(&load(1.0, 1_000.0), &|_| SERVICE_US);
    let start_up =
        StartUp { total_s: Some(20.0), kv_cache_tokens: Some(4_096), ..StartUp::default() };
    for record in &mut records {
        record.header.start_up = Some(start_up);
    }
    let values = SearchAnalysis::of(&records).unwrap().summary.values;
    let of = |key: &str| values.get(&key.parse().unwrap()).copied();
    assert!(of("max_rate_req_per_s").is_some());
    assert_eq!((of("start_up_s"), of("kv_cache_tokens")), (Some(20.0), Some(4_096.0)));
}

#[test]
fn only_the_first_probe_warms_up_and_a_slow_server_gets_longer_probes() {
    // 10 s a request, any number at once: 1,000 requests at 316 a second would be over in 3 s.
    let mut searcher = Searcher::new(&load(1.0, 100.0)).unwrap().unwrap();
    let (first, probe) = searcher.next_probe().unwrap();
    assert_eq!((first.warmup, first.requests, first.search), (8, 1_000, None));
    assert_eq!(first.arrivals, Arrivals::ConstantRate(per_second(10.0)));
    let mut samples = serve(&first, probe.at, &|_| 0);
    for sample in &mut samples {
        sample.end_us = sample.intended_us + 40_000;
    }
    let at = probe.at;
    assert_eq!(searcher.take(at, &record(&first, probe, samples)), ProbeVerdict::Sustained);
    let (second, probe) = searcher.next_probe().unwrap();
    assert_eq!((second.warmup, probe.number), (0, 2));
    searcher.e2e_s = 10.0;
    let (longer, probe) = searcher.next_probe().unwrap();
    assert!(f64::from(longer.requests) >= probe.at * 100.0, "{}", longer.requests);
}

#[test]
fn a_search_without_an_answer_is_a_fault_and_has_no_figure() {
    let records = search(&load(1.0, 50.0), &|_| SERVICE_US);
    let found = SearchAnalysis::of(&records).unwrap();
    assert!(found.summary.values.is_empty());
    assert!(matches!(found.answer, Answer::Unresolved { why: Unresolved::TooLow, .. }));
    assert_eq!(
        found.faults[0].message,
        "max rate is unresolved, at least 50 req/s: even the highest load meets the objectives; search up to a higher one"
    );
}

#[test]
fn requests_that_fail_miss_the_objectives_and_a_probe_that_is_cut_off_is_a_fault() {
    let load = load(1.0, 1_000.0);
    let mut records = search(&load, &|_| SERVICE_US);
    records.pop();
    let first = &mut records[0];
    for sample in first.samples.iter_mut().filter(|sample| sample.index % 10 == 3) {
        let detail = "reset".to_owned();
        sample.outcome = Outcome::Failed { kind: FailureKind::Reset, detail };
    }
    first.end = None;
    let found = SearchAnalysis::of(&records).unwrap();
    assert!((found.probes[0].share.unwrap().value - 0.9).abs() < 0.001);
    assert_eq!(found.probes[0].verdict, ProbeVerdict::NotSustained);
    assert!(found.remarks[0].message.ends_with("100 of 1000 requests failed: connection reset"));
    assert!(
        found.faults[0].message.starts_with("probe 1 ")
            && found.faults[0].message.ends_with("incomplete")
    );
    assert_eq!(SearchAnalysis::of(&[]), None);
}

#[test]
fn a_ramp_is_not_judged_and_blocks_are_of_one_size() {
    let load = load(1.0, 100.0);
    // The first 150 requests of 1,007 are slow.
    let slow_start = |index: u64| if index < 150 { 60_000 } else { 100 };
    let load = Load { requests: 1_007, ..load };
    let samples = serve(&load, 1.0, &slow_start);
    let (probe, _) = probe(1.0, &samples, &load.objectives, load.arrivals, 0.99);
    assert_eq!(probe.blocks.len(), BLOCKS);
    assert!(probe.blocks.iter().all(|block| (block.requests, block.met) == (40, 40)), "{probe:?}");
}
