//! A simulated server, and the load whose highest rate is searched for on it.

use perf_clock::{Clock, run_virtual};
use perf_load::Endpoint;
use perf_model::analysis::search::{SearchAnalysis, Searcher};
use perf_model::analysis::summary::summarize;
use perf_model::fixtures;
use perf_model::record::file::{End, Header, Record};
use perf_model::record::search_probe::SearchProbe;
use perf_model::spec::load::{Arrivals, Length, Load, Objective, OutputLength, Prompts, Workload};
use perf_model::spec::load_search::{Axis, LoadSearch};
use perf_model::spec::metric::Quantity;
use perf_model::spec::units::{Percent, millis, per_second, percent};
use perf_sim::{Injection, Options, SimServer, profile};

/// The server of `tests/max_rate.rs`, and a load on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// How requests arrive.
    pub(crate) arrivals: Arrivals,
    /// The share of requests that must meet the objectives.
    pub(crate) share: Percent,
    /// Requests of a probe.
    pub(crate) requests: u32,
}

impl Scenario {
    /// The load of which the highest rate is searched for.
    pub(crate) fn load(self) -> Load {
        let axis = Axis::Rate { from: per_second(8.0), to: per_second(512.0) };
        let objective = |quantity, limit| Objective { quantity, limit: millis(limit) };
        Load {
            workload: Workload {
                prompts: Prompts::RandomTokens { length: Length::Fixed(64) },
                output: OutputLength::Exactly(16),
                ..fixtures::load().workload
            },
            arrivals: self.arrivals,
            requests: self.requests,
            objectives: vec![objective(Quantity::Ttft, 200.0), objective(Quantity::Tpot, 7.0)],
            failures_allowed: percent(100.0),
            search: Some(LoadSearch::along(axis).share(self.share)),
            ..fixtures::load()
        }
    }

    /// The share of requests that meet the objectives at a rate, in a long run.
    pub(crate) fn share_at(self, rate: f64, requests: u32, seed: u64) -> f64 {
        let load = self.load();
        let arrivals = load.search.unwrap().arrivals(load.arrivals, rate).unwrap();
        let load = Load { arrivals, requests, search: None, ..load };
        let record = run_virtual(|clock| async move {
            let (_server, endpoint) = start(seed, clock).await;
            put(&load, None, &endpoint, seed, clock).await
        });
        let values = summarize(&record.samples, &record.header.objectives).values;
        let of = |key: &str| values[&key.parse().unwrap()];
        of("goodput_req_per_s") / of("request_throughput_req_per_s")
    }

    /// The true highest rate: bisection on long runs at fixed rates, to 0.2 %.
    pub(crate) fn truth(self, requests: u32) -> f64 {
        let (mut low, mut high) = (100.0_f64, 300.0_f64);
        while high / low > 1.002 {
            let middle = (low * high).sqrt();
            let share = self.share_at(middle, requests, 1_000_001);
            *(if share >= self.share.fraction() { &mut low } else { &mut high }) = middle;
        }
        (low * high).sqrt()
    }

    /// One search, on a start of its own.
    pub(crate) fn search(self, seed: u64) -> SearchAnalysis {
        let records = run_virtual(|clock| async move {
            let (_server, endpoint) = start(seed, clock).await;
            search(&self.load(), &endpoint, seed, clock).await
        });
        SearchAnalysis::of(&records).unwrap()
    }
}

async fn start(seed: u64, clock: Clock) -> (SimServer, Endpoint) {
    let options = Options {
        profile: profile("qwen2.5-7b-bf16-1xh200").unwrap(),
        args: ["--max-num-seqs=128", "--max-model-len=4096"].map(str::to_owned).to_vec(),
        model: "m".to_owned(),
        seed,
        injection: Injection::default(),
    };
    let server = SimServer::start(options, clock).await.unwrap();
    let endpoint = Endpoint::in_process(server.router());
    (server, endpoint)
}

/// The records of a search, probe after probe, each with a seed of its own.
pub(crate) async fn search(
    load: &Load,
    endpoint: &Endpoint,
    seed: u64,
    clock: Clock,
) -> Vec<Record> {
    let mut searcher = Searcher::new(load).unwrap().unwrap();
    let mut records = Vec::new();
    while let Some((load, probe)) = searcher.next_probe() {
        let at = probe.at;
        let seed = seed * 100 + u64::from(probe.number);
        let record = put(&load, Some(probe), endpoint, seed, clock).await;
        searcher.take(at, &record);
        records.push(record);
    }
    records
}

pub(crate) async fn put(
    load: &Load,
    search: Option<SearchProbe>,
    endpoint: &Endpoint,
    seed: u64,
    clock: Clock,
) -> Record {
    let mut samples = Vec::new();
    let mut observe = |sample| samples.push(sample);
    perf_load::measure(load, endpoint, "m", seed, clock, &mut observe).await.unwrap();
    let header = Header { search, ..Header::of(load, "study", fixtures::fingerprint()) };
    Record::of(header, samples, Some(End { complete: true, ..End::default() }))
}
