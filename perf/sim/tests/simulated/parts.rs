//! Answers of several parts: reasoning, a call of a tool, typed events, and what speculative decoding
//! did.

use perf_clock::run_virtual;
use serde_json::Value;

use crate::support::{get, post, text, tiny};

fn ask(args: &'static str, path: &'static str, body: &'static str) -> (String, String) {
    run_virtual(|clock| async move {
        let server = tiny(args, "", clock).await;
        let answer = text(post(server.router(), path, body).await).await;
        (answer, text(get(server.router(), "/metrics").await).await)
    })
}

/// The data of the events of a stream.
fn events(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

const CHAT: &str = r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":20,"ignore_eos":true,
    "temperature":0,"stream":true,"tools":[{"type":"function","function":{"name":"lookup"}}],
    "stream_options":{"include_usage":true,"continuous_usage_stats":true}}"#;

#[test]
fn a_chat_thinks_answers_and_calls_a_tool() {
    let flags = "--reasoning-parser qwen3 --enable-auto-tool-choice --tool-call-parser hermes";
    let (stream, _) = ask(flags, "/v1/chat/completions", CHAT);
    let events = events(&stream);
    let kinds: Vec<&str> = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"].as_object())
        .map(|delta| match delta {
            _ if delta.contains_key("reasoning") => "thought",
            _ if delta.contains_key("tool_calls") => "call",
            _ => "text",
        })
        .collect();
    // The role, 12 of 20 tokens of thought, a third of the rest, and the call.
    let changes: Vec<&str> = kinds.chunk_by(|one, next| one == next).map(|same| same[0]).collect();
    assert_eq!(changes, ["text", "thought", "text", "call"]);
    let usage = &events[events.len() - 1]["usage"];
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 12);
    assert_eq!(usage["completion_tokens"], 20);
    let (plain, _) = ask("", "/v1/chat/completions", CHAT);
    assert!(!plain.contains("reasoning") && !plain.contains("tool_calls"), "{plain}");
}

#[test]
fn a_response_is_a_stream_of_typed_events_with_its_counts_at_the_end() {
    const BODY: &str =
        r#"{"input":"hi","max_output_tokens":10,"ignore_eos":true,"temperature":0,"stream":true}"#;
    const WHOLE: &str =
        r#"{"input":[{"role":"user","content":"hi"}],"max_output_tokens":10,"ignore_eos":true}"#;
    let (stream, _) = ask("--reasoning-parser qwen3", "/v1/responses", BODY);
    let events = events(&stream);
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["response.created", "response.in_progress"]);
    assert!(kinds.contains(&"response.reasoning_text.delta"), "{kinds:?}");
    assert!(kinds.contains(&"response.output_text.delta"), "{kinds:?}");
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(last["response"]["usage"]["output_tokens"], 10);
    assert_eq!(last["response"]["usage"]["output_tokens_details"]["reasoning_tokens"], 6);
    assert!(!stream.contains("[DONE]"), "{stream}");
    let (whole, _) = ask("", "/v1/responses", WHOLE);
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(
        (&whole["status"], &whole["output"][0]["type"]),
        (&"incomplete".into(), &"message".into())
    );
}

#[test]
fn what_was_drafted_is_counted_for_the_server_and_for_a_request() {
    const BODY: &str = r#"{"prompt":[9,8,7],"max_tokens":60,"ignore_eos":true,"stream":true,"temperature":0,
        "stream_options":{"include_usage":true,"continuous_usage_stats":true}}"#;
    let flags = "--speculative-config {\"num_speculative_tokens\":3} --enable-per-request-metrics \
                 --per-request-spec-decode-metrics summary";
    let (stream, metrics) = ask(flags, "/v1/completions", BODY);
    let events = events(&stream);
    let last = events.last().unwrap();
    let said = &last["metrics"]["speculative_decoding"];
    let count = |name: &str| said[name].as_u64().unwrap();
    let (steps, accepted) = (count("num_spec_steps"), count("num_accepted_draft_tokens"));
    assert_eq!((1 + steps + accepted, last["usage"]["completion_tokens"].as_u64()), (60, Some(60)));
    assert_eq!(count("num_draft_tokens"), 3 * steps);
    let line = |name: &str| {
        let start = format!("vllm:spec_decode_num_{name}_total{{");
        let line = metrics.lines().find(|line| line.starts_with(&start)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!((line("drafts") - steps as f64).abs() < 0.5, "{metrics}");
    assert!((line("accepted_tokens") - accepted as f64).abs() < 0.5, "{metrics}");
    assert!(!ask("", "/v1/completions", BODY).1.contains("spec_decode"));
}
