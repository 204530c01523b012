//! The route `/v1/responses`: [`Responses`]. Its stream is of typed events, without `[DONE]`, and the
//! token counts come once, at the end.

use serde::Serialize;
use serde_json::{Value, json};

use super::Api;
use super::ask::Ask;
use super::errors::ApiError;
use super::fields::Fields;
use super::generation::Generation;
use super::stream::{Piece, Style};
use crate::metrics::FinishReason;

/// The tokens of the request's input: a text, or messages.
fn prompt(fields: &Fields, api: &Api) -> Result<Vec<u32>, ApiError> {
    let message = |item: &Value| {
        let role = item.get("role").and_then(Value::as_str).unwrap_or("user").to_owned();
        let content = match item.get("content") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => {
                parts.iter().filter_map(|part| part.get("text")?.as_str()).collect()
            }
            _ => String::new(),
        };
        (role, content)
    };
    let mut said: Vec<(String, String)> = match fields.get("input") {
        None => return Err(fields.missing("input")),
        Some(Value::String(text)) => vec![("user".to_owned(), text.clone())],
        Some(Value::Array(items)) => items.iter().map(message).collect(),
        Some(other) => {
            let message = "Input should be a valid string";
            return Err(fields.wrong("input", "string_type", message, other));
        }
    };
    if let Some(text) = api.settings().system_message.clone() {
        said.insert(0, ("system".to_owned(), text));
    }
    let said = said.iter().map(|(role, content)| (role.as_str(), content.as_str()));
    Ok(api.settings().tokenizer.encode_chat(said))
}

/// One typed event.
fn typed(kind: &str, place: usize, mut fields: Value) -> String {
    fields["type"] = kind.into();
    fields["sequence_number"] = place.into();
    format!("event: {kind}\ndata: {fields}\n\n")
}

/// The response as an object; whole when it has ended.
fn response(generation: &Generation) -> Value {
    let choice = &generation.choices[0];
    let finished = choice.finished;
    let (thought, text) = generation.parts(0);
    let all = 0..choice.target;
    let mut output = Vec::new();
    if let Some(text) = generation.text(0, &all, 0..thought) {
        output.push(json!({
            "type": "reasoning", "summary": [],
            "content": [{ "type": "reasoning_text", "text": text }],
        }));
    }
    if let Some(text) = generation.text(0, &all, thought..text) {
        output.push(json!({
            "type": "message", "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }],
        }));
    }
    if let Some(arguments) = generation.text(0, &all, text..choice.target) {
        output.push(json!({
            "type": "function_call", "name": "lookup", "call_id": "call-1", "arguments": arguments,
        }));
    }
    let is_cut = finished == Some(FinishReason::Length);
    let status = match finished {
        None => "in_progress",
        Some(_) if is_cut => "incomplete",
        Some(_) => "completed",
    };
    let (input, written) = (generation.prompt_tokens(), choice.target);
    json!({
        "id": generation.id,
        "object": "response",
        "created_at": generation.created,
        "model": generation.envelope("").model,
        "status": status,
        "incomplete_details": is_cut.then(|| json!({ "reason": "max_output_tokens" })),
        "error": null,
        "output": if finished.is_some() { output } else { Vec::new() },
        "usage": finished.map(|_| json!({
            "input_tokens": input,
            "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": written,
            "output_tokens_details": { "reasoning_tokens": thought },
            "total_tokens": input + written,
        })),
    })
}

/// How a request for a response is read and answered.
pub(super) struct Responses;

impl Style for Responses {
    const ID_PREFIX: &'static str = "resp";
    const CHUNK_OBJECT: &'static str = "response";

    fn read(fields: &Fields, api: &Api) -> Result<Ask, ApiError> {
        let mut ask = Ask::read(fields, &["max_output_tokens"], api)?;
        ask.take_prompt(prompt(fields, api)?, api)?;
        Ok(ask)
    }

    fn whole(generation: &Generation) -> impl Serialize {
        response(generation)
    }

    fn opening(generation: &Generation) -> Vec<String> {
        let fields = json!({ "response": response(generation) });
        vec![typed("response.created", 0, fields.clone()), typed("response.in_progress", 1, fields)]
    }

    fn chunk(generation: &Generation, piece: &Piece) -> String {
        let (thought, text) = generation.parts(piece.choice);
        let parts = [
            ("response.reasoning_text.delta", 0..thought),
            ("response.output_text.delta", thought..text),
            (
                "response.function_call_arguments.delta",
                text..generation.choices[piece.choice].target,
            ),
        ];
        let mut events = String::new();
        for (kind, part) in parts {
            if let Some(delta) = generation.text(piece.choice, &piece.places, part) {
                let fields = json!({ "item_id": "item-1", "output_index": 0, "delta": delta });
                events += &typed(kind, 2 + piece.places.start, fields);
            }
        }
        events
    }

    fn closing(generation: &Generation) -> Vec<String> {
        let choice = &generation.choices[0];
        let kind = match choice.finished {
            Some(FinishReason::Length) => "response.incomplete",
            _ => "response.completed",
        };
        let fields = json!({ "response": response(generation) });
        vec![typed(kind, 2 + choice.target, fields)]
    }
}
