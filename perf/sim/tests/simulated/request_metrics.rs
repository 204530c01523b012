//! With `--enable-per-request-metrics` an answer carries the times of its request, as vLLM 0.32.0
//! writes them.

use perf_clock::run_virtual;
use serde_json::Value;

use crate::support::{post, text, tiny};

const FLAG: &str = "--enable-per-request-metrics";
const STREAM: &str = r#"{"prompt":[9,8,7],"max_tokens":8,"ignore_eos":true,"stream":true,"temperature":0,
    "stream_options":{"include_usage":true}}"#;
const WHOLE: &str = r#"{"prompt":[9,8,7],"max_tokens":8,"ignore_eos":true}"#;
const CHAT: &str =
    r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":1,"ignore_eos":true}"#;
const TWO: &str = r#"{"prompt":[[9,8,7],[6]],"max_tokens":8,"ignore_eos":true}"#;

fn ask(args: &str, path: &str, body: &str) -> String {
    run_virtual(|clock| async move {
        let server = tiny(args, "", clock).await;
        text(post(server.router(), path, body).await).await
    })
}

/// The metrics of an answer, and its keys in their order.
fn metrics(answer: &str) -> (Value, Vec<String>) {
    let whole: Value = serde_json::from_str(answer).unwrap();
    let written =
        answer.split_once("\"metrics\":{").map_or("", |(_, rest)| rest.split('}').next().unwrap());
    let keys = written
        .split(',')
        .filter_map(|pair| Some(pair.split_once(':')?.0.trim_matches('"').to_owned()));
    (whole["metrics"].clone(), keys.collect())
}

#[test]
fn the_usage_chunk_of_a_stream_carries_the_times() {
    let stream = ask(FLAG, "/v1/completions", STREAM);
    let events: Vec<&str> =
        stream.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert!(events[..events.len() - 2].iter().all(|event| !event.contains("metrics")), "{stream}");
    let (times, keys) = metrics(events[events.len() - 2]);
    let expected = [
        "time_to_first_token_ms",
        "generation_time_ms",
        "queue_time_ms",
        "mean_itl_ms",
        "tokens_per_second",
    ];
    assert_eq!(keys, expected);
    let number = |name: &str| times[name].as_f64().unwrap();
    assert!(
        number("time_to_first_token_ms") > 0.0 && number("generation_time_ms") > 0.0,
        "{times}"
    );
    assert!((number("mean_itl_ms") - number("generation_time_ms") / 7.0).abs() < 1e-9, "{times}");
    assert!(events[events.len() - 2].ends_with("}}"), "the times are the chunk's last field");
}

#[test]
fn a_whole_answer_carries_the_times_and_null_for_what_it_has_not() {
    let (times, keys) = metrics(&ask(FLAG, "/v1/completions", WHOLE));
    assert_eq!(
        (keys.len(), keys[5].as_str(), &times["speculative_decoding"]),
        (6, "speculative_decoding", &Value::Null)
    );
    let (times, _) = metrics(&ask(FLAG, "/v1/chat/completions", CHAT));
    assert_eq!(
        (&times["mean_itl_ms"], times["tokens_per_second"].is_number()),
        (&Value::Null, true)
    );
}

#[test]
fn answers_to_several_prompts_and_without_the_flag_carry_none() {
    assert_eq!(metrics(&ask(FLAG, "/v1/completions", TWO)).0, Value::Null);
    assert_eq!(metrics(&ask("", "/v1/completions", WHOLE)).0, Value::Null);
    assert!(!ask("", "/v1/completions", STREAM).contains("metrics"));
}
