//! Which field of a request a server refuses: [`refused`] reads its words.
//!
//! Servers say it in many forms: pydantic's `loc` (as JSON, or as Python prints it), `OpenAI`'s
//! `param`, or a sentence that names the field. Some repeat the whole request, or list what they
//! know, so that of a sentence only the field that is named first counts.

use perf_model::spec::request_field::RequestField;
use serde_json::Value;

/// The fields that a refusal is about, of those that were sent.
pub(crate) fn refused(body: &[u8], sent: &[RequestField]) -> Vec<RequestField> {
    let text = String::from_utf8_lossy(body);
    let value = serde_json::from_slice::<Value>(body).ok();
    let mut paths = Vec::new();
    if let Some(value) = &value {
        collect_paths(value, &mut paths);
    }
    paths.extend(printed_paths(&text));
    let mut fields: Vec<RequestField> =
        paths.iter().filter_map(|path| most_specific(path, sent)).collect();
    if fields.is_empty() {
        let words = value.as_ref().map_or_else(|| text.clone().into_owned(), sentences);
        fields.extend(named_first(&words, sent));
    }
    fields.sort_unstable();
    fields.dedup();
    fields
}

/// `loc` of every fault in pydantic's list, and `param` of an error, as lists of names.
fn collect_paths(value: &Value, paths: &mut Vec<Vec<String>>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_paths(item, paths)),
        Value::Object(object) => {
            for (key, inner) in object {
                match (key.as_str(), inner) {
                    ("loc", Value::Array(names)) => {
                        let names = names.iter().filter_map(Value::as_str);
                        paths.push(names.map(str::to_owned).collect());
                    }
                    ("param", Value::String(path)) => {
                        paths.push(path.split('.').map(str::to_owned).collect());
                    }
                    // What was sent, repeated.
                    ("input" | "body" | "ctx", _) => {}
                    _ => collect_paths(inner, paths),
                }
            }
        }
        _ => {}
    }
}

/// The same as Python prints it: `'loc': ('body', 'cache_salt')`.
fn printed_paths(text: &str) -> Vec<Vec<String>> {
    let after = text.split("'loc': ").skip(1);
    let names = |rest: &str| {
        let end = rest.find([')', ']']).unwrap_or(rest.len());
        rest[..end].split('\'').skip(1).step_by(2).map(str::to_owned).collect()
    };
    after.map(names).collect()
}

/// The last name of a path that is one of a field: `stream_options.continuous_usage_stats` is about
/// the latter.
fn most_specific(path: &[String], sent: &[RequestField]) -> Option<RequestField> {
    path.iter().rev().find_map(|name| sent.iter().copied().find(|field| is_called(*field, name)))
}

/// Whether a name stands for a field; a prompt that is refused was of token ids.
fn is_called(field: RequestField, name: &str) -> bool {
    match field {
        RequestField::TokenIds => matches!(name, "prompt" | "messages" | "content"),
        _ => name == field.name(),
    }
}

/// All text in an error, without what was sent.
fn sentences(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(sentences).collect::<Vec<_>>().join(" "),
        Value::Object(object) => {
            let said = object.iter().filter(|(key, _)| !matches!(key.as_str(), "input" | "body"));
            said.map(|(_, inner)| sentences(inner)).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

/// The field that a sentence names first.
fn named_first(text: &str, sent: &[RequestField]) -> Option<RequestField> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c)).filter(|word| !word.is_empty());
    let about = |word: &str| {
        let field = sent.iter().copied().find(|field| is_called(*field, word))?;
        // These have limits as well, and a prompt is spoken of in many errors.
        let is_meant = match field {
            RequestField::TokenIds => ["string", "str", "text"].iter().any(|kind| {
                text.split(|c| !is_part(c)).any(|word| word.eq_ignore_ascii_case(kind))
            }),
            RequestField::MaxTokens => text.contains("max_completion_tokens"),
            _ => true,
        };
        is_meant.then_some(field)
    };
    let first = words.clone().find_map(about)?;
    // `stream_options.continuous_usage_stats` names both.
    let inner = RequestField::ContinuousUsageStats;
    let names_inner = first == RequestField::StreamOptions && sent.contains(&inner);
    Some(if names_inner && words.clone().any(|word| is_called(inner, word)) {
        inner
    } else {
        first
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use RequestField::{
        CacheSalt, ContinuousUsageStats, IgnoreEos, MaxTokens, MinTokens, StreamOptions, TokenIds,
    };

    #[test]
    fn the_field_is_found_in_the_form_of_every_server() {
        for (body, field) in [
            // vLLM before 0.6.5, TensorRT-LLM.
            (
                r#"{"object":"error","message":"[{'type': 'extra_forbidden', 'loc': ('body', 'cache_salt'), 'msg': 'Extra inputs are not permitted', 'input': 'min_tokens'}]","type":"BadRequestError","param":null,"code":400}"#,
                CacheSalt,
            ),
            // FastAPI.
            (
                r#"{"detail":[{"type":"extra_forbidden","loc":["body","stream_options","continuous_usage_stats"],"msg":"Extra inputs are not permitted","input":true}]}"#,
                ContinuousUsageStats,
            ),
            (
                r#"{"detail":[{"type":"string_type","loc":["body","prompt"],"msg":"Input should be a valid string","input":[1,2]}]}"#,
                TokenIds,
            ),
            // OpenAI, Azure.
            (
                r#"{"error":{"message":"Unrecognized request argument supplied: cache_salt","type":"invalid_request_error","param":null,"code":null}}"#,
                CacheSalt,
            ),
            (
                r#"{"error":{"message":"Unknown parameter: 'stream_options.continuous_usage_stats'.","param":"stream_options.continuous_usage_stats"}}"#,
                ContinuousUsageStats,
            ),
            (
                r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","param":"max_tokens"}}"#,
                MaxTokens,
            ),
            // NIM.
            (
                r#"{"type":"urn:inference-service:problem-details:bad-request","title":"Bad Request","status":400,"detail":"[{'type': 'extra_forbidden', 'loc': ('body', 'ignore_eos'), 'msg': 'Extra inputs are not permitted', 'input': True}]"}"#,
                IgnoreEos,
            ),
            // As pydantic prints it.
            (
                "1 validation error for CompletionRequest\ncache_salt\n  Extra inputs are not permitted [type=extra_forbidden, input_value='a', input_type=str]",
                CacheSalt,
            ),
            // serde, Go, protobuf.
            (
                "Failed to deserialize the JSON body: unknown field `min_tokens`, expected one of `model`, `stream_options`",
                MinTokens,
            ),
            ("json: unknown field \"stream_options\"", StreamOptions),
            (
                r#"{"error":{"message":"Invalid JSON payload received. Unknown name \"ignore_eos\": Cannot find field."}}"#,
                IgnoreEos,
            ),
            (
                r#"{"object":"error","message":"['cache_salt']: Extra inputs are not permitted"}"#,
                CacheSalt,
            ),
        ] {
            assert_eq!(refused(body.as_bytes(), &RequestField::ALL), [field], "{body}");
        }
    }

    #[test]
    fn every_fault_of_a_list_is_found() {
        let body = r#"{"detail":[{"loc":["body","cache_salt"],"input":"a"},{"loc":["body","min_tokens"],"input":3}]}"#;
        assert_eq!(refused(body.as_bytes(), &RequestField::ALL), [CacheSalt, MinTokens]);
        assert_eq!(refused(body.as_bytes(), &[MinTokens]), [MinTokens]);
    }

    #[test]
    fn an_error_about_something_else_names_no_field() {
        for body in [
            r#"{"error":{"message":"The model `m` does not exist.","param":"model"}}"#,
            "This model's maximum context length is 2048 tokens, your prompt has 4000. Reduce max_tokens.",
            "",
            "Bad Request",
        ] {
            assert_eq!(refused(body.as_bytes(), &RequestField::ALL), [], "{body}");
        }
    }
}
