//! One run of a load: [`measure`].

use std::ops::ControlFlow;
use std::time::Duration;

use perf_clock::{Clock, Stamp};
use perf_model::record::client_load::ClientUse;
use perf_model::record::counter_source::CounterSource;
use perf_model::record::file::{CacheReset, End, ServerCounts};
use perf_model::record::left_out::LeftOut;
use perf_model::record::sample::{Outcome, Sample};
use perf_model::record::skipped_entries::SkippedEntries;
use perf_model::spec::load::{Arrivals, Load};

use crate::http::endpoint::Endpoint;
use crate::openai::call::Call;
use crate::openai::request::Part;
use crate::run::client_monitor::ClientMonitor;
use crate::run::open_files;
use crate::run::plan::{Plan, may_be_a_field};
use crate::run::scheduler::Scheduler;
use crate::server::kv_cache::KvCacheUse;
use crate::server::metrics::MetricsReader;
use crate::server::prefix_cache;
use crate::server::tokenize;
use crate::workload::conversation;
use crate::workload::draw::draw;
use crate::workload::error::LoadError;
use crate::workload::model_mix;
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
    /// The fields that were not sent, because the server refused them or the load leaves them out.
    pub left_out: Vec<LeftOut>,
    /// Where the counters come from, where that is not the one server.
    pub counters: Option<CounterSource>,
    /// Entries of the file of prompts that could not be used.
    pub skipped_entries: Option<SkippedEntries>,
    /// Whether the certificate of the server was not checked.
    pub unchecked_certificate: bool,
}

impl Measured {
    /// The end of a record that is complete.
    pub fn end(self) -> End {
        End {
            complete: true,
            reason: None,
            server: self.server,
            client: self.client,
            cache_reset: self.cache_reset,
            left_out: self.left_out,
            counters: self.counters,
            skipped_entries: self.skipped_entries,
            unchecked_certificate: self.unchecked_certificate,
            gpu_clock_us: None,
            neighbours: Vec::new(),
        }
    }
}

/// Puts `load` on the server at `endpoint` and hands every measured request to `observe` as it
/// ends.
///
/// Prompts and schedule follow from `seed` alone and are drawn before anything is sent. (In real
/// time the salt that keeps them apart in the prefix cache is another in each run.) The warm-up is
/// a closed loop as wide as the arrivals, with prompts (where they are random) and a prefix cache
/// of its own; a request that fails there ends the run. (Fields that the server refuses are left out, and the
/// run begins again without them.) Then the server is asked to empty its
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
    let skipped_entries = asks.skipped.take();
    model_mix::assign(&load.model_mix, &mut asks, seed);
    // A pause would warm nothing up.
    if let Some(millis) = load.pause_ms {
        conversation::pause(&mut asks.measured, millis, seed);
    }
    // What an earlier run asked with the same seed may still be in the server's prefix cache.
    let salt = if clock.is_virtual() { seed } else { fresh(seed) };
    let moments = match load.arrivals {
        Arrivals::Recorded { speed } => sped_up(&asks.recorded, speed),
        others => schedule(others, load.requests, seed),
    };
    let mut plan = Plan::new(load, model, salt, asks, endpoint.leave_out());
    let warm_up_calls = plan.calls(Part::WarmUp);
    let mut measured_calls = expected_calls(&plan, load, model, endpoint, clock).await;

    let mut meter = MetricsReader::read(endpoint, clock).await?;
    if !warm_up_calls.is_empty() {
        let mut warmed = warm_up(load, warm_up_calls, endpoint, clock).await;
        if let Err(LoadError::WarmUp { kind, detail, .. }) = &warmed
            && may_be_a_field(*kind, detail, false)
            && Box::pin(plan.give_way(endpoint, clock)).await
        {
            // Only what was tried can have been counted so far.
            meter.growth(0, 1, endpoint, clock).await;
            measured_calls = expected_calls(&plan, load, model, endpoint, clock).await;
            warmed = warm_up(load, plan.calls(Part::WarmUp), endpoint, clock).await;
        }
        let warmed = warmed?;
        // What the warm-up asked must be in the counters before the measurement begins, or it would
        // count for that.
        meter.growth(warmed.output_tokens, warmed.requests, endpoint, clock).await;
        // The bodies hold the prompts as well.
        plan.settle();
    }
    let cache_reset = Some(prefix_cache::reset(endpoint, clock).await);

    loop {
        // Requests do not wait for a connection, because its setup is not part of a response. Those
        // of the warm-up are still open.
        endpoint.open(width).await;
        let calls = std::mem::take(&mut measured_calls);
        let sending = (calls, moments.clone());
        let sent = send_all(load, sending, plan.is_open(), endpoint, clock, observe).await;
        let Ok(Sent { began, tally, client, kv_use }) = sent else {
            if Box::pin(plan.give_way(endpoint, clock)).await {
                meter.growth(0, 1, endpoint, clock).await;
            }
            measured_calls = expected_calls(&plan, load, model, endpoint, clock).await;
            plan.settle();
            continue;
        };
        let (tokens, requests) = (tally.output_tokens, tally.requests);
        let mut server = meter.growth(tokens, requests, endpoint, clock).await;
        if let Some(counts) = &mut server {
            counts.kv_use_max_ppm = kv_use.max_ppm;
            counts.kv_use = kv_use.course;
        }
        return Ok(Measured {
            began,
            server,
            client,
            cache_reset,
            left_out: plan.left_out,
            counters: meter.source(endpoint),
            skipped_entries,
            unchecked_certificate: endpoint.is_unchecked(),
        });
    }
}

/// What came of the measured requests.
struct Sent {
    began: Stamp,
    tally: Tally,
    client: Option<ClientUse>,
    kv_use: KvCacheUse,
}

/// The first request that landed was refused for a field of it, so that nothing was measured.
struct FieldRefused;

/// Sends the measured requests. Where the run `may_begin_again`, it ends when the first request that
/// lands was refused for a field of it.
async fn send_all(
    load: &Load,
    (calls, moments): (Vec<Call>, Vec<Duration>),
    may_begin_again: bool,
    endpoint: &Endpoint,
    clock: Clock,
    observe: &mut (dyn FnMut(Sample) + Send),
) -> Result<Sent, FieldRefused> {
    let mut tally = Tally::default();
    let mut is_refused = false;
    let mut is_first = true;
    let mut look = |sample: Sample| {
        if let Outcome::Failed { kind, detail } = &sample.outcome
            && may_begin_again
            && is_first
            && may_be_a_field(*kind, detail, true)
        {
            is_refused = true;
        }
        is_first = false;
        if is_refused {
            return ControlFlow::Break(());
        }
        tally.add(&sample);
        observe(sample);
        ControlFlow::Continue(())
    };
    let scheduler = Scheduler::begin(endpoint, clock, &mut look);
    let began = scheduler.origin();
    let watch = ClientMonitor::begin(clock, scheduler.busy_wait());
    let mut kv_use = KvCacheUse::default();
    tokio::select! {
        () = scheduler.run(load.arrivals, calls, moments) => {}
        () = kv_use.sample(endpoint, clock, began), if load.samples_kv_cache => {}
    }
    if is_refused {
        return Err(FieldRefused);
    }
    Ok(Sent { began, tally, client: watch.map(ClientMonitor::end), kv_use })
}

/// The measured requests, with the prompt length that the server's tokenizer gives.
async fn expected_calls(
    plan: &Plan<'_>,
    load: &Load,
    model: &str,
    endpoint: &Endpoint,
    clock: Clock,
) -> Vec<Call> {
    let mut calls = plan.calls(Part::Measured);
    let asks = plan.asks(Part::Measured);
    tokenize::expect(&mut calls, asks, load, model, endpoint, clock).await;
    calls
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
            detail: match endpoint.key_advice(&detail) {
                Some(advice) => format!("{detail}; {advice}"),
                None => detail,
            },
        }),
    }
}
