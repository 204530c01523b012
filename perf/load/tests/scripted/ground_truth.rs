//! Ten thousand streams, and two thousand answers in one piece, of which the truth is known: every
//! token's time to the microsecond, every failure by its kind, none missed and none invented.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use perf_model::record::sample::{FailureKind, Outcome, Sample};
use perf_model::spec::load::{Api, Arrivals, Length, Load, OutputLength, Prompts};
use perf_model::spec::units::per_second;
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;

use crate::server::{Ran, Server, chunks, load, run};
use crate::truth::{Expected, Truth, World};

/// Runs of loads that stream, and of loads that do not.
const STREAMED_RUNS: u64 = 100;
const WHOLE_RUNS: u64 = 20;
const REQUESTS: u32 = 100;

fn draw_load(rng: &mut ChaCha8Rng, streamed: bool) -> (Load, World) {
    let api = *[Api::Completions, Api::Completions, Api::Chat].choose(rng).unwrap();
    let limit = *[1, 2, 5, 12, 40].choose(rng).unwrap();
    let output = if rng.random_bool(0.7) {
        OutputLength::Exactly(limit)
    } else {
        OutputLength::AtMost(limit)
    };
    let prompt_ids =
        (api == Api::Completions && rng.random_bool(0.7)).then(|| rng.random_range(3..200));
    let arrivals = [
        Arrivals::OneAtATime,
        Arrivals::Concurrency(7),
        Arrivals::Waves(10),
        Arrivals::ConstantRate(per_second(37.0)),
        Arrivals::Poisson(per_second(500.0)),
    ];
    let mut load = load(*arrivals.choose(rng).unwrap(), REQUESTS);
    load.workload.api = api;
    load.workload.stream = streamed;
    load.workload.output = output;
    if let Some(length) = prompt_ids {
        load.workload.prompts = Prompts::RandomTokens { length: Length::Fixed(length) };
    }
    load.stall_limit = *[Duration::from_millis(500), Duration::from_secs(2)].choose(rng).unwrap();
    let world = World { api, streamed, output, prompt_ids, stall_limit: load.stall_limit };
    (load, world)
}

/// What a sample says, in microseconds since it was sent.
fn seen(sample: &Sample) -> Expected {
    Expected {
        failure: match &sample.outcome {
            Outcome::Succeeded => None,
            Outcome::Failed { kind, .. } => Some(*kind),
        },
        chunks: chunks(sample)
            .into_iter()
            .map(|(at, tokens)| (at - sample.sent_us, tokens))
            .collect(),
        end_us: sample.end_us - sample.sent_us,
        prompt_tokens: sample.prompt_tokens,
        output_tokens: sample.output_tokens,
        finish_reason: sample.finish_reason.clone(),
    }
}

/// How often each outcome is the true one.
type Kinds = BTreeMap<Option<FailureKind>, u32>;

fn measure_and_compare(seed: u64, streamed: bool, kinds: &mut Kinds) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (load, world) = draw_load(&mut rng, streamed);
    let truths: Arc<Vec<Truth>> =
        Arc::new((0..REQUESTS).map(|_| Truth::draw(&mut rng, &world)).collect());
    let replies = Arc::clone(&truths);
    let ran = run(&load, |clock| Server::new(clock, move |index| replies[index].reply.clone()));
    assert_eq!(ran.samples.len(), truths.len());
    assert_sends(&load, &ran);
    for sample in &ran.samples {
        let Truth { fault, reply, expected } = &truths[sample.index as usize];
        let request = sample.index;
        assert_eq!(
            &seen(sample),
            expected,
            "request {request} of run {seed}: {fault:?}\n{sample:?}\n{reply:#?}"
        );
        *kinds.entry(expected.failure).or_default() += 1;
    }
}

#[test]
fn ten_thousand_streams_are_measured_as_they_were() {
    let mut kinds = Kinds::new();
    for seed in 0..STREAMED_RUNS {
        measure_and_compare(seed, true, &mut kinds);
    }
    assert_eq!(kinds.values().sum::<u32>(), 10_000);
    assert_all_kinds(&kinds, 15);
}

#[test]
fn whole_answers_are_measured_as_they_were() {
    let mut kinds = Kinds::new();
    for seed in 0..WHOLE_RUNS {
        measure_and_compare(seed, false, &mut kinds);
    }
    assert_all_kinds(&kinds, 14);
}

/// That success and every kind of failure were drawn often; a connection cannot be missing inside a
/// process.
fn assert_all_kinds(kinds: &Kinds, outcomes: usize) {
    assert_eq!(kinds.len(), outcomes, "{kinds:?}");
    // One refusal in twelve is a redirect.
    let least = |kind| if kind == Some(FailureKind::Redirected) { 10 } else { 25 };
    assert!(kinds.iter().all(|(kind, count)| *count >= least(*kind)), "{kinds:?}");
}

/// That requests were sent when the samples say, and in an open loop when they were due.
fn assert_sends(load: &Load, ran: &Ran) {
    for sample in &ran.samples {
        assert_eq!(ran.log.asked[sample.index as usize].at_us, sample.sent_us);
        assert!(load.arrivals.is_closed_loop() || sample.sent_us == sample.intended_us);
    }
}
