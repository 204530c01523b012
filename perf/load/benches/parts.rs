//! What the parts of a measurement cost by themselves: splitting a stream into events, keeping a
//! sample and its line in the record, the figures of a run, and a schedule.

#![expect(clippy::unwrap_used, reason = "a bench cannot return errors")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use perf_load::benching::{read, split};
use perf_load::schedule;
use perf_model::analysis::summary::summarize;
use perf_model::record::chunks::Chunk;
use perf_model::record::chunks::Chunks;
use perf_model::record::file::{Line, line};
use perf_model::record::sample::Sample;
use perf_model::spec::load::Arrivals;
use perf_model::spec::units::per_second;

const TOKENS: u32 = 256;

fn sample(index: u32) -> Sample {
    let start = u64::from(index) * 10_000;
    // Gaps of 20 ms and a little, never twice the same.
    let chunks: Chunks = (1..=u64::from(TOKENS))
        .map(|token| Chunk { at_us: start + token * 20_000 + token * token % 977, tokens: 1 })
        .collect();
    Sample {
        index,
        intended_us: start,
        sent_us: start + 30,
        end_us: chunks.last_us().unwrap() + 100,
        chunks,
        prompt_tokens: Some(512),
        output_tokens: Some(TOKENS),
        finish_reason: Some("length".to_owned()),
        ..perf_model::fixtures::sample()
    }
}

/// An event as vLLM sends it, with the running count of tokens.
fn event(token: u32) -> String {
    format!(
        "data: {{\"id\":\"cmpl-826db7bdb8748356\",\"object\":\"text_completion\",\"created\":1795311184,\"model\":\"tiny\",\
         \"choices\":[{{\"index\":0,\"text\":\" token\",\"logprobs\":null,\"finish_reason\":null,\"stop_reason\":null}}],\
         \"usage\":{{\"prompt_tokens\":8,\"total_tokens\":{},\"completion_tokens\":{token}}}}}\n\n",
        token + 8
    )
}

fn parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parts");

    let stream: String = (1..=TOKENS).map(event).collect();
    group.throughput(Throughput::Elements(u64::from(TOKENS)));
    group.bench_function("a stream split into events", |bencher| {
        bencher.iter(|| split(black_box(stream.as_bytes())));
    });
    group.bench_function("a stream read as an answer", |bencher| {
        bencher.iter(|| read(black_box(stream.as_bytes())));
    });
    assert_eq!(
        (split(stream.as_bytes()), read(stream.as_bytes())),
        (TOKENS as usize, TOKENS as usize)
    );

    let one = sample(0);
    let pairs: Vec<Chunk> = one.chunks.iter().collect();
    group.bench_function("the chunks of a sample kept", |bencher| {
        bencher.iter(|| black_box(&pairs).iter().copied().collect::<Chunks>());
    });
    group.bench_function("the line of a sample in the record", |bencher| {
        bencher.iter(|| line(Line::Sample(black_box(&one))));
    });

    let samples: Vec<Sample> = (0..1_000).map(sample).collect();
    group.throughput(Throughput::Elements(1_000 * u64::from(TOKENS)));
    group.bench_function("the figures of 1,000 samples", |bencher| {
        bencher.iter(|| summarize(black_box(&samples), &[]));
    });

    group.throughput(Throughput::Elements(10_000));
    group.bench_function("a Poisson schedule of 10,000", |bencher| {
        bencher.iter(|| schedule(Arrivals::Poisson(per_second(50.0)), 10_000, black_box(7)));
    });
    group.finish();
}

criterion_group!(benches, parts);
criterion_main!(benches);
