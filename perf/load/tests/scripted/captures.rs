//! What vLLM 0.32.0 really answered, played back to the client.

use bytes::Bytes;
use http::StatusCode;
use perf_model::record::sample::{FailureKind, Sample};
use perf_model::spec::load::{Api, Arrivals, Load, OutputLength};

use crate::server::{Reply, answered, failure, load};

/// A captured response, of which a byte comes each microsecond, or all at once.
fn capture(name: &str, bytewise: bool) -> Reply {
    let path = format!("{}/tests/captures/{name}.response", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let head_end = memchr::memmem::find(&bytes, b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&bytes[..head_end]).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse::<StatusCode>().unwrap();
    let content_type =
        head.lines().find_map(|line| line.strip_prefix("content-type: ")).map(str::to_owned);
    let body = Bytes::copy_from_slice(&bytes[head_end + 4..]);
    let piece = if bytewise { 1 } else { body.len() };
    let pieces: Vec<(u64, Bytes)> =
        body.chunks(piece).map(|piece| (1, Bytes::copy_from_slice(piece))).collect();
    Reply { status, content_type, ..Reply::stream(pieces) }
}

fn asking(api: Api, stream: bool, output: OutputLength) -> Load {
    let mut load = load(Arrivals::OneAtATime, 1);
    load.workload.api = api;
    load.workload.stream = stream;
    load.workload.output = output;
    load
}

/// A sample's tokens: each chunk's, the server's total, the prompt's.
fn tokens(sample: &Sample) -> (Vec<u32>, Option<u32>, Option<u32>) {
    (
        sample.chunks.iter().map(|chunk| chunk.tokens).collect(),
        sample.output_tokens,
        sample.prompt_tokens,
    )
}

#[test]
fn streams_are_counted_token_for_token_however_they_are_cut() {
    for bytewise in [false, true] {
        let play = |name, api, length| {
            let sample = answered(
                &asking(api, true, OutputLength::Exactly(length)),
                capture(name, bytewise),
            );
            assert!(sample.succeeded(), "{name}: {sample:?}");
            tokens(&sample)
        };
        // Even a stream with an interval of one token glues two of them together where the server
        // fell behind.
        let glued = vec![1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1];
        assert_eq!(play("completion-stream", Api::Completions, 12), (glued, Some(12), Some(12)));
        assert_eq!(play("chat-stream", Api::Chat, 12), (vec![1; 12], Some(12), Some(19)));
        let interval10 = play("completion-stream-interval10", Api::Completions, 24);
        assert_eq!(interval10, (vec![1, 10, 10, 3], Some(24), Some(12)));
        assert_eq!(
            play("completion-stream-usage-only", Api::Completions, 8),
            (vec![1; 8], Some(8), Some(12))
        );
    }
}

#[test]
fn the_stamps_of_a_stream_are_those_of_the_first_bytes() {
    let reply = capture("completion-stream", true);
    let stream: Vec<u8> = reply.pieces.iter().flat_map(|piece| piece.1.to_vec()).collect();
    let firsts: Vec<u64> =
        memchr::memmem::find_iter(&stream, b"data: ").take(11).map(|at| at as u64 + 1).collect();
    let sample = answered(&asking(Api::Completions, true, OutputLength::Exactly(12)), reply);
    assert_eq!(sample.chunks.iter().map(|chunk| chunk.at_us).collect::<Vec<_>>(), firsts);
    assert_eq!(sample.end_us, stream.len() as u64);
}

#[test]
fn whole_answers_are_counted() {
    for (name, api, prompt) in
        [("completion-nonstream", Api::Completions, 12), ("chat-nonstream", Api::Chat, 19)]
    {
        let sample = answered(&asking(api, false, OutputLength::Exactly(12)), capture(name, false));
        assert!(sample.succeeded(), "{name}: {sample:?}");
        assert_eq!(tokens(&sample), (vec![], Some(12), Some(prompt)));
    }
}

#[test]
fn a_stream_without_the_counts_that_were_asked_for_is_a_failure() {
    let sample = answered(
        &asking(Api::Completions, true, OutputLength::Exactly(8)),
        capture("completion-stream-plain", false),
    );
    assert_eq!(failure(&sample).0, FailureKind::MissingUsage);
}

#[test]
fn an_engine_that_dies_midway_looks_like_success_and_is_none() {
    let load = asking(Api::Completions, true, OutputLength::Exactly(2_000));
    let sample = answered(&load, capture("stream-when-engine-killed", false));
    let (kind, detail) = failure(&sample);
    assert_eq!(kind, FailureKind::ErrorInBand);
    assert!(detail.starts_with("EngineCore encountered an issue"), "{detail}");
    assert_eq!(sample.output_tokens, Some(634));
    assert_eq!(sample.chunks.iter().map(|chunk| chunk.tokens).sum::<u32>(), 634);
}

#[test]
fn refusals_say_what_the_server_said() {
    for (name, words) in [
        (
            "error-unknown-model",
            "404 Not Found: The model `nope` does not exist. Valid aliases: tiny.",
        ),
        ("error-unknown-route", "404 Not Found: Not Found"),
        (
            "error-prompt-too-long-stream",
            "400 Bad Request: This model's maximum context length is 2048 tokens.",
        ),
        (
            "completion-after-engine-killed",
            "500 Internal Server Error: EngineCore encountered an issue.",
        ),
    ] {
        let sample = answered(
            &asking(Api::Completions, true, OutputLength::Exactly(8)),
            capture(name, false),
        );
        let (kind, detail) = failure(&sample);
        assert_eq!(kind == FailureKind::ServerError, words.starts_with('5'), "{kind:?}");
        assert_eq!(kind == FailureKind::Refused, words.starts_with('4'), "{kind:?}");
        assert!(detail.starts_with(words), "{detail}");
    }
}
