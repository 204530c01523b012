//! The fields of a request body, read one by one: [`Fields`]. Its errors have pydantic's words.

use serde_json::{Map, Value};

use super::errors::ApiError;

/// The fields of a JSON object. Null counts as absent; unknown fields are ignored.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    place: String,
    map: Map<String, Value>,
}

impl Fields {
    /// Reads a body.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self { place: "body".into(), map }),
            Ok(other) => {
                let message = "Input should be a valid dictionary or object to extract fields from";
                Err(ApiError::schema("model_attributes_type", "body", message, &repr(&other)))
            }
            Err(error) => {
                let place = format!("body.{}", offset(body, &error));
                let rest = format!(
                    "'<dict of 0 items>', 'ctx': {{'error': '{}'}}",
                    python_json_error(&error)
                );
                Err(ApiError::schema("json_invalid", &place, "JSON decode error", &rest))
            }
        }
    }

    /// A value as it came.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// The fields of an object within.
    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => {
                Ok(Some(Self { place: format!("{}.{name}", self.place), map: map.clone() }))
            }
            Some(other) => {
                let message = "Input should be a valid dictionary or instance";
                Err(self.wrong(name, "model_attributes_type", message, other))
            }
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => {
                Err(self.wrong(name, "string_type", "Input should be a valid string", other))
            }
        }
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let wrong = |kind, message| Err(self.wrong(name, kind, message, value));
        match value {
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Ok(Some(whole)),
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "far below 2^53, and without a fraction"
                )]
                (None, Some(float)) if float.fract() == 0.0 && float.abs() < 1e15 => {
                    Ok(Some(float as i64))
                }
                _ => wrong(
                    "int_from_float",
                    "Input should be a valid integer, got a number with a fractional part",
                ),
            },
            Value::String(text) => match text.trim().parse() {
                Ok(whole) => Ok(Some(whole)),
                Err(_) => wrong(
                    "int_parsing",
                    "Input should be a valid integer, unable to parse string as an integer",
                ),
            },
            Value::Bool(truth) => Ok(Some(i64::from(*truth))),
            _ => wrong("int_type", "Input should be a valid integer"),
        }
    }

    pub(super) fn float(&self, name: &str) -> Result<Option<f64>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let wrong = |kind, message| Err(self.wrong(name, kind, message, value));
        match value {
            Value::Number(number) => Ok(number.as_f64()),
            Value::String(text) => match text.trim().parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => wrong(
                    "float_parsing",
                    "Input should be a valid number, unable to parse string as a number",
                ),
            },
            _ => wrong("float_type", "Input should be a valid number"),
        }
    }

    /// A truth value; absent is false.
    pub(super) fn truth(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(other) => {
                Err(self.wrong(name, "bool_type", "Input should be a valid boolean", other))
            }
        }
    }

    /// The error for an absent field.
    pub(super) fn missing(&self, name: &str) -> ApiError {
        let input = format!("'<dict of {} items>'", self.map.len());
        ApiError::schema("missing", &format!("{}.{name}", self.place), "Field required", &input)
    }

    /// The error for a field of the wrong type.
    pub(super) fn wrong(&self, name: &str, kind: &str, message: &str, value: &Value) -> ApiError {
        ApiError::schema(kind, &format!("{}.{name}", self.place), message, &repr(value))
    }
}

/// A value in Python's notation, as far as the error messages show it.
fn repr(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Null => "None".into(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => format!("'<list of {} items>'", items.len()),
        Value::Object(fields) => format!("'<dict of {} items>'", fields.len()),
    }
}

/// Where in the body reading stopped.
fn offset(body: &[u8], error: &serde_json::Error) -> usize {
    let lines: usize =
        body.split_inclusive(|byte| *byte == b'\n').take(error.line() - 1).map(<[u8]>::len).sum();
    lines + error.column()
}

/// Roughly the message of Python's json module.
fn python_json_error(error: &serde_json::Error) -> &'static str {
    let text = error.to_string();
    if text.contains("object")
        || text.contains("key must be")
        || text.contains("EOF while parsing a value")
    {
        "Expecting property name enclosed in double quotes"
    } else if text.contains("string") {
        "Unterminated string starting at"
    } else if text.contains("list") {
        "Expecting ',' delimiter"
    } else {
        "Expecting value"
    }
}
