//! The counts of the server, next to those of the client.

use perf_model::record::file::{CacheReset, ServerCounts};
use perf_model::record::sample::ServerTimes;
use perf_model::spec::load::Arrivals;

use crate::server::{DONE, Reply, Server, answered, chunk, load, run};

const TOKENS: [(u64, u32); 2] = [(1_000, 2), (1_000, 2)];

fn metrics(tokens: u64, requests: u64) -> String {
    format!(
        "vllm:generation_tokens_total{{engine=\"0\"}} {tokens}.0\nvllm:prompt_tokens_total{{engine=\"0\"}} {}.0\n\
         vllm:request_success_total{{finished_reason=\"length\"}} {requests}.0\n",
        3 * requests
    )
}

#[test]
fn counters_that_lag_are_waited_for_and_the_warm_up_is_not_counted() {
    let mut load = load(Arrivals::OneAtATime, 3);
    load.warmup = 2;
    let ran = run(&load, |clock| {
        let server = Server::new(clock, |_| Reply::tokens(&TOKENS));
        let log = std::sync::Arc::clone(&server.log);
        // Each request appears in the counters 700 ms after it was sent, upon what an earlier load
        // had left.
        server.with_metrics(move |now_us| {
            let counted = log
                .lock()
                .unwrap()
                .asked
                .iter()
                .filter(|asked| asked.at_us + 700_000 <= now_us)
                .count() as u64;
            Some(metrics(1_000 + 4 * counted, 50 + counted))
        })
    });
    let counts = ServerCounts {
        output_tokens: Some(12),
        prompt_tokens: Some(9),
        requests: Some(3),
        ..ServerCounts::default()
    };
    assert_eq!(ran.result.unwrap().server, Some(counts));
}

#[test]
fn counters_that_never_agree_are_reported_as_they_are() {
    let ran = run(&load(Arrivals::OneAtATime, 1), |clock| {
        Server::new(clock, |_| Reply::tokens(&TOKENS))
            .with_metrics(|now_us| Some(metrics(u64::from(now_us > 0), 0)))
    });
    let counts = ran.result.unwrap().server.unwrap();
    assert_eq!(
        (counts.output_tokens, counts.requests, counts.preemptions),
        (Some(1), Some(0), None)
    );
}

#[test]
fn counters_that_started_again_are_unknown() {
    let ran = run(&load(Arrivals::OneAtATime, 1), |clock| {
        Server::new(clock, |_| Reply::tokens(&TOKENS))
            .with_metrics(|now_us| Some(metrics(if now_us == 0 { 900 } else { 4 }, 7)))
    });
    assert_eq!(ran.result.unwrap().server.unwrap().output_tokens, None);
}

#[test]
fn a_server_without_counters_has_no_counts() {
    for text in [None, Some("process_cpu_seconds_total 12.5\n".to_owned())] {
        let ran = run(&load(Arrivals::OneAtATime, 1), |clock| {
            Server::new(clock, |_| Reply::tokens(&TOKENS)).with_metrics(move |_| text.clone())
        });
        assert_eq!(ran.result.unwrap().server, None);
    }
}

#[test]
fn what_the_server_says_of_a_requests_own_time_is_in_its_sample() {
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4},\"metrics\":\
                 {\"time_to_first_token_ms\":1.5,\"generation_time_ms\":7,\"queue_time_ms\":0.25}}\n\n";
    let reply =
        Reply::stream([(2_000, chunk(1, None)), (8_000, chunk(4, Some("length")) + usage + DONE)]);
    let sample = answered(&load(Arrivals::OneAtATime, 1), reply);
    assert!(sample.succeeded(), "{sample:?}");
    let times =
        ServerTimes { queue_us: Some(250), prefill_us: Some(1_500), decode_us: Some(7_000) };
    assert_eq!(sample.server, Some(times));
}

#[test]
fn in_virtual_time_the_client_costs_nothing_and_the_cache_is_asked_for() {
    let ran =
        run(&load(Arrivals::OneAtATime, 1), |clock| Server::new(clock, |_| Reply::tokens(&TOKENS)));
    let measured = ran.result.unwrap();
    assert_eq!((measured.client, measured.cache_reset), (None, Some(CacheReset::NotOffered)));
}
