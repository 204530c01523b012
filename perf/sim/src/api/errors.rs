//! The errors of the API in vLLM's words: [`ApiError`].

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An error of the client's request or of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    kind: &'static str,
    message: String,
    param: Option<String>,
}

#[derive(Serialize)]
struct Wire<'a> {
    error: WireError<'a>,
}

#[derive(Serialize)]
struct WireError<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: u16,
}

impl ApiError {
    fn bad_request(message: impl Into<String>, param: Option<&str>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "BadRequestError",
            message: message.into(),
            param: param.map(String::from),
        }
    }

    /// An invalid request, without the name of a parameter.
    pub(super) fn plain(message: impl Into<String>) -> Self {
        Self::bad_request(message, None)
    }

    /// An invalid value.
    pub(super) fn value(message: &str, param: &str, value: &str) -> Self {
        Self::bad_request(format!("{message} (parameter={param}, value={value})"), Some(param))
    }

    /// An invalid parameter.
    pub(super) fn parameter(message: &str, param: &str) -> Self {
        Self::bad_request(format!("{message} (parameter={param})"), Some(param))
    }

    /// A body that does not fit the schema. `rest` is what follows the message in Python's
    /// notation.
    pub(super) fn schema(kind: &str, place: &str, message: &str, rest: &str) -> Self {
        let message = format!(
            "1 validation error:\n  {{'type': '{kind}', 'loc': '{place}', 'msg': '{message}', 'input': {rest}}}"
        );
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "Bad Request",
            message,
            param: Some(place.into()),
        }
    }

    pub(super) fn unknown_model(asked: &str, names: &[String]) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            kind: "NotFoundError",
            message: format!(
                "The model `{asked}` does not exist. Valid aliases: {}.",
                names.join(", ")
            ),
            param: Some("model".into()),
        }
    }

    /// The engine has died, or simulates that.
    pub(super) fn engine_dead() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "InternalServerError",
            message: "EngineCore encountered an issue. See stack trace (above) for the root cause."
                .into(),
            param: None,
        }
    }

    /// A request that fails because of an injected fault.
    pub(super) fn injected() -> Self {
        Self { message: "Internal server error".into(), ..Self::engine_dead() }
    }

    pub(super) fn json(&self) -> String {
        let error = WireError {
            message: &self.message,
            r#type: self.kind,
            param: self.param.as_deref(),
            code: self.status.as_u16(),
        };
        serde_json::to_string(&Wire { error }).unwrap_or_default()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, "application/json")], self.json()).into_response()
    }
}
