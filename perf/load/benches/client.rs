//! What the client costs: a whole run against a server in this process that answers at once, in
//! virtual time.
//!
//! The figure is token events a second of this machine's time, everything included but sockets:
//! bodies, scheduling, SSE, JSON, samples.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http_body_util::Full;
use perf_clock::run_virtual;
use perf_load::Endpoint;
use perf_model::spec::load::{Arrivals, Length, Load, OutputLength, Prompts, Workload};

const TOKENS: u32 = 64;
const REQUESTS: u32 = 256;

/// A stream as vLLM sends it with running usage: an event a token, the final usage, the end.
fn stream() -> Bytes {
    let head = r#"data: {"id":"cmpl-826db7bdb8748356","object":"text_completion","created":1795311184,"model":"tiny","#;
    let usage = |tokens: u32| {
        format!(
            "{{\"prompt_tokens\":8,\"total_tokens\":{},\"completion_tokens\":{tokens}}}",
            8 + tokens
        )
    };
    let token = |number: u32| {
        let finish = if number == TOKENS { "\"length\"" } else { "null" };
        let choice = format!(
            "{{\"index\":0,\"text\":\" token\",\"logprobs\":null,\"finish_reason\":{finish}}}"
        );
        format!("{head}\"choices\":[{choice}],\"usage\":{}}}\n\n", usage(number))
    };
    let mut text: String = (1..=TOKENS).map(token).collect();
    text += format!("{head}\"choices\":[],\"usage\":{}}}\n\n", usage(TOKENS)).as_str();
    text += "data: [DONE]\n\n";
    Bytes::from(text)
}

fn load() -> Load {
    Load {
        name: "bench".to_owned(),
        workload: Workload {
            prompts: Prompts::RandomTokens { length: Length::Fixed(8) },
            output: OutputLength::Exactly(TOKENS),
            ..perf_model::fixtures::load().workload
        },
        arrivals: Arrivals::Concurrency(64),
        requests: REQUESTS,
        warmup: 0,
        objectives: Vec::new(),
        stall_limit: Duration::from_secs(10),
        ..perf_model::fixtures::load()
    }
}

fn whole_client(criterion: &mut Criterion) {
    let stream = stream();
    let mut group = criterion.benchmark_group("client");
    group.throughput(Throughput::Elements(u64::from(TOKENS * REQUESTS)));
    group.bench_function("token events, 64 concurrent", |bencher| {
        bencher.iter(|| {
            let stream = stream.clone();
            let endpoint = Endpoint::in_process(tower::service_fn(
                move |_request: http::Request<Full<Bytes>>| {
                    let stream = stream.clone();
                    async move { Ok::<_, Infallible>(http::Response::new(Full::new(stream))) }
                },
            ));
            run_virtual(|clock| async move {
                let mut succeeded = 0_u32;
                let mut observe = |sample: perf_model::record::sample::Sample| {
                    succeeded += u32::from(sample.succeeded());
                };
                let measured =
                    perf_load::measure(&load(), &endpoint, "tiny", 1, clock, &mut observe).await;
                assert!(measured.is_ok() && succeeded == REQUESTS, "{succeeded} of {REQUESTS}");
                black_box(succeeded)
            })
        });
    });
    group.finish();
}

criterion_group!(benches, whole_client);
criterion_main!(benches);
