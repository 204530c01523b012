//! The routes that generate nothing (health, models, metrics, tokens): one function for each.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use super::ask::check_model;
use super::errors::ApiError;
use super::fields::Fields;
use super::wire::Null;
use super::{Api, chat};
use crate::metrics::render;

#[derive(Serialize)]
struct Models<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

#[derive(Serialize)]
#[allow(clippy::struct_field_names, reason = "the API's own names")]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    root: &'a str,
    parent: Null,
    max_model_len: usize,
    permission: [Permission; 1],
}

#[derive(Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "the API's own fields")]
struct Permission {
    id: String,
    object: &'static str,
    created: u64,
    allow_create_engine: bool,
    allow_sampling: bool,
    allow_logprobs: bool,
    allow_search_indices: bool,
    allow_view: bool,
    allow_fine_tuning: bool,
    organization: &'static str,
    group: Null,
    is_blocking: bool,
}

#[derive(Serialize)]
#[allow(clippy::struct_field_names, reason = "the API's own names")]
struct Tokens {
    count: usize,
    max_model_len: usize,
    tokens: Vec<u32>,
    token_strs: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Detokenized {
    prompt: String,
}

/// 503 once the engine has died.
pub(super) async fn health(State(api): State<Api>) -> StatusCode {
    if api.is_dead() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

pub(super) async fn version() -> Response {
    json_text("{\"version\":\"0.32.0\"}".into())
}

pub(super) async fn load(State(api): State<Api>) -> Response {
    let requests = if api.settings().load_tracking {
        let metrics = api.shared.engine.metrics();
        metrics.iter().map(|of_replica| of_replica.running + of_replica.waiting).sum()
    } else {
        0
    };
    json_text(format!("{{\"server_load\":{requests}}}"))
}

pub(super) async fn models(State(api): State<Api>) -> Response {
    let settings = api.settings();
    let created = api.wall_time().as_secs();
    let model = |(number, name)| Model {
        id: name,
        object: "model",
        created,
        owned_by: "vllm",
        root: &settings.model,
        parent: None,
        max_model_len: settings.max_model_len,
        permission: [Permission {
            id: format!("modelperm-{}", api.id(u64::MAX - number)),
            object: "model_permission",
            created,
            allow_create_engine: false,
            allow_sampling: true,
            allow_logprobs: true,
            allow_search_indices: false,
            allow_view: true,
            allow_fine_tuning: false,
            organization: "*",
            group: None,
            is_blocking: false,
        }],
    };
    let data = (0_u64..).zip(settings.names.iter().map(String::as_str)).map(model).collect();
    json(&Models { object: "list", data })
}

pub(super) async fn metrics(State(api): State<Api>) -> Response {
    let settings = api.settings();
    let name = settings.names.first().map_or("", String::as_str);
    let page = render(&api.shared.engine.metrics(), &settings.cache, name);
    ([(header::CONTENT_TYPE, "text/plain; version=1.0.0; charset=utf-8")], page).into_response()
}

pub(super) async fn tokenize(State(api): State<Api>, body: Bytes) -> Response {
    respond(tokens_of(&api, &body))
}

fn tokens_of(api: &Api, body: &[u8]) -> Result<Tokens, ApiError> {
    let fields = Fields::parse(body)?;
    check_model(&fields, api)?;
    let settings = api.settings();
    let tokens = match fields.text("prompt")? {
        Some(text) => settings.tokenizer.encode(text),
        None if fields.get("messages").is_some() => chat::prompt(&fields, api)?,
        None => return Err(fields.missing("prompt")),
    };
    let texts = || tokens.iter().map(|id| settings.tokenizer.decode(&[*id])).collect();
    let token_strs = fields.truth("return_token_strs")?.then(texts);
    Ok(Tokens { count: tokens.len(), max_model_len: settings.max_model_len, tokens, token_strs })
}

pub(super) async fn detokenize(State(api): State<Api>, body: Bytes) -> Response {
    respond(text_of(&api, &body))
}

fn text_of(api: &Api, body: &[u8]) -> Result<Detokenized, ApiError> {
    let fields = Fields::parse(body)?;
    check_model(&fields, api)?;
    let tokens = match fields.get("tokens") {
        None => return Err(fields.missing("tokens")),
        Some(Value::Array(items)) => items,
        Some(other) => {
            return Err(fields.wrong("tokens", "list_type", "Input should be a valid list", other));
        }
    };
    let mut ids = Vec::new();
    for token in tokens {
        let Some(id) = token.as_u64().and_then(|id| u32::try_from(id).ok()) else {
            return Err(fields.wrong(
                "tokens",
                "int_type",
                "Input should be a valid integer",
                token,
            ));
        };
        ids.push(id);
    }
    Ok(Detokenized { prompt: api.settings().tokenizer.decode(&ids) })
}

/// Empties the prefix cache, unless a request holds blocks.
pub(super) async fn reset_prefix_cache(State(api): State<Api>) -> Response {
    match api.replicas().reset_prefix_cache().await {
        Some(success) => json_text(format!("{{\"success\":{success}}}")),
        None => ApiError::engine_dead().into_response(),
    }
}

fn respond(answer: Result<impl Serialize, ApiError>) -> Response {
    match answer {
        Ok(answer) => json(&answer),
        Err(error) => error.into_response(),
    }
}

fn json(answer: &impl Serialize) -> Response {
    json_text(serde_json::to_string(answer).unwrap_or_default())
}

fn json_text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
