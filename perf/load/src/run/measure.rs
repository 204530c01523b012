//! One run of a load: [`measure`].

use std::ops::ControlFlow;

use perf_clock::{Clock, Stamp};
use perf_model::record::client_load::ClientUse;
use perf_model::record::file::{CacheReset, ServerCounts};
use perf_model::record::sample::{Outcome, Sample};
use perf_model::spec::load::{Arrivals, Load};

use crate::http::endpoint::Endpoint;
use crate::openai::call::{Call, Limits};
use crate::openai::request::{Part, calls};
use crate::run::client_monitor::ClientMonitor;
use crate::run::open_files;
use crate::run::scheduler::Scheduler;
use crate::server::kv_cache::KvCacheUse;
use crate::server::metrics::MetricsReader;
use crate::server::prefix_cache;
use crate::server::tokenize;
use crate::workload::conversation;
use crate::workload::draw::draw;
use crate::workload::error::LoadError;
use crate::workload::schedule::{schedule, sped_up};
use crate::workload::seed::fresh;
use crate::workload::validate::check;

/// What a run left besides its samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// When the first measured request was due, on the clock that was given: samples count from
    /// here.
    pub began: Stamp,
    /// What the server counted from the first measured send to the last response; absent when it
    /// has no `/metrics`.
    pub server: Option<ServerCounts>,
    /// What the client itself used of the machine; absent in virtual time, where it costs nothing.
    pub client: Option<ClientUse>,
    /// What became of the server's prefix cache before the first send.
    pub cache_reset: Option<CacheReset>,
}

/// Puts `load` on the server at `endpoint` and hands every measured request to `observe` as it
/// ends.
///
/// Prompts and schedule follow from `seed` alone and are drawn before anything is sent. (In real
/// time the salt that keeps them apart in the prefix cache is another in each run.) The warm-up is
/// a closed loop as wide as the arrivals, with prompts (where they are random) and a prefix cache
/// of its own; a request that fails there ends the run. Then the server is asked to empty its
/// prefix cache, where it offers that. A measured request that fails is a sample like any other.
/// Times in the samples count from the moment the first measured request was due.
///
/// Dropping the future stops every request; samples that had ended by then have been handed over.
///
/// # Panics
/// Outside a tokio runtime with its time enabled.
pub async fn measure(
    load: &Load,
    endpoint: &Endpoint,
    model: &str,
    seed: u64,
    clock: Clock,
    observe: &mut (dyn FnMut(Sample) + Send),
) -> Result<Measured, LoadError> {
    check(load)?;
    let width = load.arrivals.width().min(load.requests);
    if !clock.is_virtual() {
        open_files::allow(width)
            .map_err(|reason| LoadError::Declaration { load: load.name.clone(), reason })?;
    }
    let workload = &load.workload;
    let mut asks = draw(workload, load.requests, load.warmup, seed)?;
    // A pause would warm nothing up.
    if let Some(millis) = load.pause_ms {
        conversation::pause(&mut asks.measured, millis, seed);
    }
    let limits = Limits { stall: load.stall_limit, request: load.request_limit };
    // What an earlier run asked with the same seed may still be in the server's prefix cache.
    let salt = if clock.is_virtual() { seed } else { fresh(seed) };
    let ready = |part, asks: &[_]| calls(part, asks, workload, model, salt, limits);
    let (warm_up_calls, mut measured_calls) =
        (ready(Part::WarmUp, &asks.warm_up), ready(Part::Measured, &asks.measured));
    let moments = match load.arrivals {
        Arrivals::Recorded { speed } => sped_up(&asks.recorded, speed),
        others => schedule(others, load.requests, seed),
    };
    tokenize::expect(&mut measured_calls, &asks.measured, workload.api, model, endpoint, clock)
        .await;
    // The bodies hold the prompts as well.
    drop(asks);

    let mut meter = MetricsReader::read(endpoint, clock).await;
    if !warm_up_calls.is_empty() {
        let warmed = warm_up(load, warm_up_calls, endpoint, clock).await?;
        // What the warm-up asked must be in the counters before the measurement begins, or it would
        // count for that.
        meter.growth(warmed.output_tokens, warmed.requests, endpoint, clock).await;
    }
    let cache_reset = Some(prefix_cache::reset(endpoint, clock).await);

    // Requests do not wait for a connection, because its setup is not part of a response. Those of
    // the warm-up are still open.
    endpoint.open(width).await;
    let mut tally = Tally::default();
    let mut look = |sample: Sample| {
        tally.add(&sample);
        observe(sample);
        ControlFlow::Continue(())
    };
    let scheduler = Scheduler::begin(endpoint, clock, &mut look);
    let began = scheduler.origin();
    let watch = ClientMonitor::begin(clock, scheduler.busy_wait());
    let mut kv_use = KvCacheUse::default();
    tokio::select! {
        () = scheduler.run(load.arrivals, measured_calls, moments) => {}
        () = kv_use.sample(endpoint, clock), if load.samples_kv_cache => {}
    }
    let client = watch.map(ClientMonitor::end);

    let mut server = meter.growth(tally.output_tokens, tally.requests, endpoint, clock).await;
    if let Some(counts) = &mut server {
        counts.kv_use_max_ppm = kv_use.max_ppm;
    }
    Ok(Measured { began, server, client, cache_reset })
}

/// What the client saw, to hold against the server's counters.
#[derive(Default)]
struct Tally {
    output_tokens: u64,
    requests: u64,
}

impl Tally {
    fn add(&mut self, sample: &Sample) {
        let counted = || sample.chunks.iter().map(|chunk| u64::from(chunk.tokens)).sum();
        self.output_tokens += sample.output_tokens.map_or_else(counted, u64::from);
        self.requests += u64::from(sample.succeeded());
    }
}

async fn warm_up(
    load: &Load,
    calls: Vec<Call>,
    endpoint: &Endpoint,
    clock: Clock,
) -> Result<Tally, LoadError> {
    let mut tally = Tally::default();
    let mut failure = None;
    let mut look = |sample: Sample| {
        tally.add(&sample);
        match sample.outcome {
            Outcome::Succeeded => ControlFlow::Continue(()),
            Outcome::Failed { kind, detail } => {
                failure.get_or_insert((sample.index, kind, detail));
                ControlFlow::Break(())
            }
        }
    };
    let arrivals = Arrivals::Concurrency(load.arrivals.width());
    Scheduler::begin(endpoint, clock, &mut look).run(arrivals, calls, Vec::new()).await;
    match failure {
        None => Ok(tally),
        Some((index, kind, detail)) => Err(LoadError::WarmUp {
            load: load.name.clone(),
            number: index + 1,
            total: load.warmup,
            kind,
            detail,
        }),
    }
}
