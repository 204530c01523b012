//! What a server says of itself: whether it [`is_healthy`], its [`version`], its [`configuration`] and its [`models`], or
//! why it does not say.

use http::StatusCode;
use perf_clock::Clock;
use perf_model::interop::server_info::{SERVER_INFO, reported_configuration};
use perf_model::record::effective::EffectiveConfiguration;
use serde::Deserialize;
use serde_json::Value;

use crate::http::endpoint::{Endpoint, GetResponse};
use crate::openai::error_message::{excerpt, is_error, server_message};

/// Why a server did not say which models it has, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// There is no connection to it, or it does not answer on it.
    #[error(
        "{0}; is the server up, are host and port right, and does it speak http or https there as the address says?"
    )]
    NoConnection(String),
    /// It cannot be reached over TLS, and what to do.
    #[error("{0}")]
    Tls(String),
    /// It speaks HTTP over TLS.
    #[error("it speaks https there; write the address with https://")]
    Encrypted,
    /// It does not accept the API key, or wants one.
    #[error("it requires an API key ({status}): {advice}")]
    Key {
        /// What it answered.
        status: StatusCode,
        /// What to do.
        advice: String,
    },
    /// It has no list of models there.
    #[error(
        "there is nothing at /v1/models ({0}); give the address of the server itself, as http://127.0.0.1:8000"
    )]
    NotFound(StatusCode),
    /// It answers with a redirect.
    #[error("it answers {0}; give the address that it points to")]
    Redirect(String),
    /// Anything else than a list.
    #[error("/v1/models is not a list of models: {0}; look at the server's log")]
    NoList(String),
}

/// Whether the server says at `/health` that it is well.
pub async fn is_healthy(endpoint: &Endpoint, clock: Clock) -> bool {
    endpoint.get_text("/health", clock).await.is_some()
}

/// The status that the server answers at `/health`, or why there is none.
pub async fn health(endpoint: &Endpoint, clock: Clock) -> Result<u16, String> {
    let GetResponse { status, .. } = endpoint.get("/health", false, clock).await?;
    Ok(status.as_u16())
}

/// The version that the server gives itself at `/version`.
pub async fn version(endpoint: &Endpoint, clock: Clock) -> Option<String> {
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    let text = endpoint.get_text("/version", clock).await?;
    serde_json::from_str(&text).ok().map(|Version { version }| version)
}

/// What the server reports of its configuration.
pub async fn configuration(endpoint: &Endpoint, clock: Clock) -> EffectiveConfiguration {
    let metrics = endpoint.get_text("/metrics", clock).await;
    let info = endpoint.get_text(SERVER_INFO, clock).await;
    reported_configuration(metrics.as_deref(), info.as_deref())
}

/// The names of the models that the server lists at `/v1/models`.
pub async fn models(endpoint: &Endpoint, clock: Clock) -> Result<Vec<String>, Unanswered> {
    let GetResponse { status, said, body } =
        endpoint.get("/v1/models", false, clock).await.map_err(|what| match what {
            what if endpoint.is_encrypted() && what.contains("certificate of") => {
                Unanswered::Tls(what)
            }
            what if endpoint.is_encrypted() && what.contains("TLS") => Unanswered::Tls(what),
            // A TLS alert is not HTTP.
            what if what.contains("TLS") => Unanswered::Encrypted,
            what => Unanswered::NoConnection(what),
        })?;
    match status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => {
            let advice = endpoint.key_advice("401").unwrap_or_default();
            return Err(Unanswered::Key { status, advice });
        }
        StatusCode::NOT_FOUND => return Err(Unanswered::NotFound(status)),
        // As nginx and Go answer a request in plain text.
        StatusCode::BAD_REQUEST if server_message(&body).contains("HTTPS") => {
            return Err(Unanswered::Encrypted);
        }
        other if other.is_redirection() => return Err(Unanswered::Redirect(said)),
        other => {
            let words = server_message(&body);
            let said =
                if words.is_empty() { other.to_string() } else { format!("{other}: {words}") };
            let advice =
                endpoint.key_advice(&said).map_or(String::new(), |what| format!("; {what}"));
            return Err(Unanswered::NoList(format!("{said}{advice}")));
        }
    }
    listed(&body).map_err(Unanswered::NoList)
}

/// The names in a list of models; the error says what came instead.
fn listed(body: &[u8]) -> Result<Vec<String>, String> {
    let what = excerpt(body);
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return Err(match what.chars().next() {
            None => "the answer is empty".to_owned(),
            Some('<') => format!("it is a web page: {what}"),
            Some(_) => format!("it is not JSON: {what}"),
        });
    };
    if is_error(body) {
        return Err(format!("the server answered with an error: {}", server_message(body)));
    }
    let list = match (&value, value.get("data")) {
        // Some gateways leave the object around the list out.
        (Value::Array(list), _) | (_, Some(Value::Array(list))) => list,
        // As Ollama without models.
        (_, Some(Value::Null)) => return Ok(Vec::new()),
        _ => return Err(format!("it has no list `data`: {what}")),
    };
    let name = |model: &Value| model.get("id").and_then(Value::as_str).map(str::to_owned);
    let names: Vec<String> = list.iter().filter_map(name).collect();
    if names.is_empty() && (!list.is_empty() || value.is_array()) {
        return Err(format!("its models have no `id`: {what}"));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// The result for a server on loopback that answers with these bytes.
    fn asked(answer: &'static [u8]) -> Result<Vec<String>, Unanswered> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint =
            Endpoint::http(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = std::thread::spawn(move || {
            let mut socket = listener.accept().unwrap().0;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                socket.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            socket.write_all(answer).unwrap();
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let said = runtime.block_on(models(&endpoint, Clock::real()));
        server.join().unwrap();
        said
    }

    #[test]
    fn a_list_of_models_is_read() {
        let said = asked(b"HTTP/1.1 200 OK\r\ncontent-length: 32\r\n\r\n{\"data\":[{\"id\":\"a\"},{\"id\":\"b\"}]}");
        assert_eq!(said, Ok(vec!["a".to_owned(), "b".to_owned()]));
        // As Ollama without models.
        let said = asked(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"data\":null}");
        assert_eq!(said, Ok(vec![]));
    }

    #[test]
    fn what_comes_in_place_of_a_list_of_models_is_named() {
        let names = |body: &str| listed(body.as_bytes());
        assert_eq!(names(r#"[{"id":"a"}]"#), Ok(vec!["a".to_owned()]));
        assert_eq!(names(r#"{"data":[{"id":"a"},{"id":null}]}"#), Ok(vec!["a".to_owned()]));
        assert_eq!(names(r#"{"data":[]}"#), Ok(vec![]));
        for (body, why) in [
            ("", "the answer is empty"),
            ("OK", "it is not JSON: OK"),
            ("<html>", "it is a web page: <html>"),
            (r#"{"error":{"message":"busy"}}"#, "the server answered with an error: busy"),
            (r#"{"status":"ok"}"#, "it has no list `data`: {\"status\":\"ok\"}"),
            (r#"{"data":{"id":"a"}}"#, "it has no list `data`: {\"data\":{\"id\":\"a\"}}"),
            (r#"{"data":["a"]}"#, "its models have no `id`: {\"data\":[\"a\"]}"),
            ("[]", "its models have no `id`: []"),
        ] {
            assert_eq!(names(body), Err(why.to_owned()), "{body}");
        }
    }

    #[test]
    fn each_reason_for_a_missing_list_of_models_names_the_next_step() {
        for (answer, why) in [
            (&b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"[..], "set it in the environment as VLLM_API_KEY"),
            (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "give the address of the server itself"),
            (b"\x15\x03\x03\x00\x02\x02\x46", "it speaks https there"),
            (
                b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
                "it speaks https there",
            ),
            (b"", "does it speak http or https there as the address says?"),
            (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy", "503 Service Unavailable: busy"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]", "/v1/models is not a list of models"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>", "it is a web page: <html>"),
            (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 7\r\n\r\nblocked", "403 Forbidden: blocked"),
        ] {
            let error = asked(answer).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_port_without_a_server_is_no_connection() {
        let endpoint = Endpoint::http("http://127.0.0.1:1").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(models(&endpoint, Clock::real())).unwrap_err();
        assert!(
            error.to_string().contains("Connection refused (os error 111); is the server up"),
            "{error}"
        );
    }
}
