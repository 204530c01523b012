//! The message of a server's error: [`server_message`], and an [`excerpt`] of any other text.

use serde_json::Value;

/// The longest text of a server that a failure repeats, in characters.
const EXCERPT: usize = 200;

/// The message of a server's error, at most [`EXCERPT`] characters of it: vLLM's `{"error":
/// {"message": …}}`, older vLLM's `{"message": …}`, `FastAPI`'s `{"detail": …}`, or an
/// excerpt of anything else.
pub(crate) fn server_message(body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return excerpt(body) };
    message_of(value.get("error").filter(|error| is_set(error)).unwrap_or(&value))
}

/// Whether a text is an error in JSON, as servers send it.
pub(crate) fn is_error(text: &[u8]) -> bool {
    serde_json::from_slice::<Value>(text).is_ok_and(|value| {
        let kind = |name: &str| value.get(name).and_then(Value::as_str) == Some("error");
        let says = |name: &str| value.get(name).is_some_and(is_set);
        says("error") || says("errors") || says("detail") || kind("object") || kind("type")
            // As web frameworks write it.
            || says("message") && (says("code") || says("status") || says("statusCode"))
    })
}

/// Whether the value of a field `error` stands for one. Some servers write the field into every
/// message, empty.
pub(crate) fn is_set(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// Fields in which servers say what an error is.
const MESSAGES: [&str; 4] = ["message", "detail", "errors", "msg"];

/// The message in a value that stands for an error.
pub(crate) fn message_of(error: &Value) -> String {
    let first = |value: &Value| match value {
        Value::Array(items) if items.len() == 1 => items.first().cloned(),
        _ => None,
    };
    if let Some(only) = first(error) {
        return message_of(&only);
    }
    let inner = MESSAGES.iter().find_map(|name| error.get(name)).unwrap_or(error);
    if let Some(only) = first(inner) {
        return message_of(&only);
    }
    match inner.as_str() {
        Some(text) => excerpt(text.as_bytes()),
        None => excerpt(inner.to_string().as_bytes()),
    }
}

/// The beginning of a text, on one line.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(8 * EXCERPT)]);
    let mut line: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(EXCERPT + 1)
        .collect();
    if let Some((cut, _)) = line.char_indices().nth(EXCERPT) {
        let (keep, _) = line.char_indices().nth(EXCERPT - 1).unwrap_or((cut, ' '));
        line.truncate(keep);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_an_error_is_found_in_every_servers_form() {
        for body in [
            "{\"error\":{\"message\":\"no\",\"code\":400}}",
            "{\"error\":\"no\"}",
            "{\"object\":\"error\",\"message\":\"no\"}",
            "{\"detail\":\"no\"}",
            "{\"errors\":[{\"message\":\"no\"}]}",
            "{\"error\":[\"no\"]}",
            "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"no\"}]}",
            " no\n",
        ] {
            assert_eq!(server_message(body.as_bytes()), "no", "{body}");
        }
    }

    #[test]
    fn an_error_is_distinguished_from_other_messages() {
        for error in [
            "{\"error\":\"no\"}",
            "{\"errors\":[{\"message\":\"no\"}]}",
            "{\"detail\":\"no\"}",
            "{\"type\":\"error\",\"message\":\"no\"}",
            "{\"code\":500,\"message\":\"no\"}",
        ] {
            assert!(is_error(error.as_bytes()), "{error}");
        }
        for other in ["{}", "{\"error\":null,\"message\":\"hello\"}", "{\"error\":{}}", "[]", "no"]
        {
            assert!(!is_error(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_long_text_is_repeated_in_part() {
        let text = excerpt("é\n".repeat(500).as_bytes());
        assert_eq!(text.chars().count(), EXCERPT);
        assert!(text.starts_with("é é ") && text.ends_with('…'), "{text}");
        assert_eq!(excerpt(&[b'a'; EXCERPT]).len(), EXCERPT);
    }
}
