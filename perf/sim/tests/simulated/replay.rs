//! What a real vLLM 0.32 answered, the simulated one answers too: same status, same headers, same
//! JSON but for its values.
//!
//! `captures/` holds pairs of NAME.request (method, path, body) and NAME.response (as it came over
//! the wire).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use perf_clock::run_virtual;
use serde_json::Value;

use crate::support::{call, text, tiny};

const ARGS: &str = "--served-model-name tiny --max-model-len 2048";

struct Captured {
    status: u16,
    content_type: String,
    headers: BTreeSet<String>,
    body: String,
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name))
        .unwrap()
}

fn captured(name: &str) -> Captured {
    let response = read(&format!("{name}.response"));
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(&str, &str)> = lines.map(|line| line.split_once(": ").unwrap()).collect();
    let content_type =
        headers.iter().find(|(name, _)| *name == "content-type").map_or("", |(_, value)| value);
    Captured {
        status,
        content_type: content_type.into(),
        // A call in process has no connection, so it has no framing.
        headers: headers
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .filter(|name| name != "transfer-encoding" && name != "content-length")
            .collect(),
        body: body.into(),
    }
}

/// Keys and types of a value: these have to be equal; the values may differ.
fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(items) => {
            let shapes: BTreeSet<String> = items.iter().map(shape).collect();
            format!("[{}]", shapes.into_iter().collect::<Vec<_>>().join(" or "))
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| match key.as_str() {
                // Its keys are tokens.
                "top_logprobs" => "top_logprobs: …".into(),
                _ => format!("{key}: {}", shape(value)),
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

fn events(body: &str) -> Vec<&str> {
    body.split_terminator("\n\n")
        .map(|event| event.strip_prefix("data: ").expect("only data events"))
        .collect()
}

/// The shapes of a stream's events: those of all, in no order since choices overtake each other,
/// and the last two.
fn stream_shape(body: &str) -> (BTreeSet<String>, Vec<String>) {
    let shapes: Vec<String> = events(body)
        .iter()
        .map(|event| {
            serde_json::from_str(event).map_or_else(|_| (*event).to_owned(), |value| shape(&value))
        })
        .collect();
    let ending = shapes[shapes.len() - 2..].to_vec();
    (shapes.into_iter().collect(), ending)
}

fn usage_of(body: &str) -> Option<Value> {
    let last = events(body)
        .into_iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok())
        .next_back()?;
    Some(last["usage"].clone())
}

/// Replays a request and compares the answer.
fn replay(name: &str, method: &str, path: &str, body: &str, args: &str) {
    let wanted = captured(name);
    let response = run_virtual(|clock| async move {
        let server = tiny(args, "", clock).await;
        let response = call(server.router(), method, path, body).await;
        let headers = response.headers().clone();
        (response.status().as_u16(), headers, text(response).await)
    });
    let (status, headers, answer) = response;
    assert_eq!(status, wanted.status, "{name}: {answer}");
    let content_type = headers.get("content-type").map_or("", |value| value.to_str().unwrap());
    assert_eq!(content_type, wanted.content_type, "{name}");
    let names: BTreeSet<String> = headers
        .keys()
        .map(|name| name.as_str().to_owned())
        .filter(|name| name != "content-length")
        .collect();
    assert_eq!(names, wanted.headers, "{name}");
    if content_type.starts_with("text/event-stream") {
        assert_eq!(stream_shape(&answer), stream_shape(&wanted.body), "{name}");
        // Chat prompts are cut into other tokens than a real tokenizer's.
        if !name.starts_with("chat") {
            assert_eq!(usage_of(&answer), usage_of(&wanted.body), "{name}");
        }
    } else if content_type == "application/json" {
        let values: Vec<Value> = [&answer, &wanted.body]
            .iter()
            .map(|body| serde_json::from_str(body.trim()).unwrap())
            .collect();
        assert_eq!(shape(&values[0]), shape(&values[1]), "{name}");
        if status != 200 && name != "error-malformed-json" {
            assert_eq!(values[0], values[1], "{name}");
        }
        if status == 200 {
            let key_order = |text: &str| -> Vec<String> {
                text.split('"')
                    .filter(|part| wanted.body.contains(&format!("\"{part}\":")))
                    .map(String::from)
                    .collect()
            };
            assert_eq!(
                key_order(&answer),
                key_order(&wanted.body),
                "{name}: fields in another order"
            );
        }
    } else {
        assert_eq!(answer, wanted.body, "{name}");
    }
}

#[test]
fn every_captured_request_is_answered_alike() {
    let mut names: Vec<String> =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures"))
            .unwrap()
            .filter_map(|entry| {
                entry.unwrap().file_name().to_str()?.strip_suffix(".request").map(String::from)
            })
            .collect();
    names.sort();
    assert!(names.len() > 25);
    for name in names {
        let request = read(&format!("{name}.request"));
        let (line, body) = request.split_once('\n').unwrap();
        let (method, path) = line.trim().split_once(' ').unwrap();
        // There the real server was late, and sent three tokens in one chunk.
        let late = if name == "completion-stream-logprobs" { " --stream-interval 3" } else { "" };
        replay(&name, method, path, body, &format!("{ARGS}{late}"));
    }
}

#[test]
fn routes_without_a_body_are_answered_alike() {
    for (name, method, path) in [
        ("health", "GET", "/health"),
        ("ping", "GET", "/ping"),
        ("version", "GET", "/version"),
        ("models", "GET", "/v1/models"),
        ("load", "GET", "/load"),
        ("error-unknown-route", "GET", "/no/such/route"),
        ("error-unknown-route", "POST", "/reset_prefix_cache"),
        ("error-method-not-allowed", "GET", "/v1/completions"),
    ] {
        replay(name, method, path, "", ARGS);
    }
}

#[test]
fn a_stream_interval_of_ten_sends_the_captured_number_of_tokens_in_each_chunk() {
    let request = read("completion-stream.request").replace("12,\"min_tokens\":12", "24");
    let body = request.split_once('\n').unwrap().1.to_owned();
    let args = format!("{ARGS} --stream-interval 10");
    replay("completion-stream-interval10", "POST", "/v1/completions", &body, &args);
    let answer = run_virtual(|clock| async move {
        let server = tiny(&args, "", clock).await;
        text(call(server.router(), "POST", "/v1/completions", &body).await).await
    });
    let counts = |body: &str| -> Vec<Value> {
        let values =
            events(body).into_iter().filter_map(|event| serde_json::from_str::<Value>(event).ok());
        values.map(|value| value["usage"]["completion_tokens"].clone()).collect()
    };
    assert_eq!(counts(&answer), counts(&captured("completion-stream-interval10").body));
}

#[test]
fn metrics_carry_the_names_types_and_labels_of_a_real_server() {
    let page = run_virtual(|clock| async move {
        let server = tiny(ARGS, "", clock).await;
        let body = r#"{"model":"tiny","prompt":[9,8,7,6],"max_tokens":64,"ignore_eos":true}"#;
        text(call(server.router(), "POST", "/v1/completions", body).await).await;
        text(call(server.router(), "GET", "/metrics", "").await).await
    });
    let keys = |line: &str| -> (String, Vec<String>) {
        let (name, labels) = line.rsplit_once(' ').unwrap().0.split_once('{').unwrap();
        let labels = labels
            .trim_end_matches('}')
            .split(',')
            .map(|label| label.split('=').next().unwrap().to_owned());
        (name.to_owned(), labels.collect())
    };
    let real = read("metrics.names");
    let types: BTreeSet<&str> = real.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let samples: BTreeSet<_> =
        real.lines().filter(|line| line.starts_with("vllm:")).map(keys).collect();
    for line in page.lines() {
        if line.starts_with("# TYPE") {
            assert!(types.contains(line), "{line}");
        } else if line.starts_with("vllm:") && !line.starts_with("vllm:cache_config_info") {
            assert!(samples.contains(&keys(line)), "{line}");
        }
    }
    for sample in [
        "vllm:generation_tokens_total{engine=\"0\",model_name=\"tiny\"} 64.0",
        "vllm:prompt_tokens_total{engine=\"0\",model_name=\"tiny\"} 4.0",
        "vllm:prefix_cache_queries_total{engine=\"0\",model_name=\"tiny\"} 4.0",
        "vllm:request_success_total{engine=\"0\",finished_reason=\"length\",model_name=\"tiny\"} 1.0",
        "vllm:time_to_first_token_seconds_count{engine=\"0\",model_name=\"tiny\"} 1.0",
        "vllm:inter_token_latency_seconds_count{engine=\"0\",model_name=\"tiny\"} 63.0",
        "vllm:num_requests_running{engine=\"0\",model_name=\"tiny\"} 0.0",
    ] {
        assert!(page.lines().any(|line| line == sample), "{sample} is not in:\n{page}");
    }
}
