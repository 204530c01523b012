//! What a server over HTTP says about itself, and the wait until it says that it is ready. Main
//! type: [`Probe`].

use std::time::Duration;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use perf_clock::Clock;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::supervisor::{ExitNotice, ServerExit};

/// Between two looks at `/health`.
const INTERVAL: Duration = Duration::from_millis(200);

/// How long one answer may take. A server that is busy starting may accept a connection and not
/// answer it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a body may be. That of `/v1/models` has a few hundred bytes for each model.
const MOST_BYTES: usize = 1024 * 1024;

/// Between two words about how the start is going.
const REPORT: Duration = Duration::from_secs(10);

/// Why a server did not become ready.
#[derive(Debug)]
pub(crate) enum NotReady {
    /// It ended.
    Died(ServerExit),
    /// It takes too long.
    TimedOut,
}

/// Asks a server about itself. Past any proxy, and on a new connection each time.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    /// Host and port.
    authority: String,
    /// What comes before `/health`; empty, or a path without a slash at its end.
    prefix: String,
}

impl Probe {
    /// A probe of the server at this address, which has no slash at its end.
    pub(crate) fn new(url: &str) -> Self {
        let rest = url.strip_prefix("http://").unwrap_or(url);
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = if path.is_empty() { String::new() } else { format!("/{path}") };
        Self { authority: authority.to_owned(), prefix }
    }

    /// The status of `/health`.
    pub(crate) async fn health(&self) -> Result<u16, String> {
        let (status, _) = self.get("/health").await?;
        Ok(status.as_u16())
    }

    /// What `/version` says.
    pub(crate) async fn version(&self) -> Option<String> {
        self.json("/version").await.ok()?.get("version")?.as_str().map(str::to_owned)
    }

    /// The names of the models that `/v1/models` lists.
    pub(crate) async fn models(&self) -> Result<Vec<String>, String> {
        let body = self.json("/v1/models").await?;
        let models =
            body.get("data").and_then(Value::as_array).ok_or("/v1/models lists no models")?;
        Ok(models.iter().filter_map(|model| model.get("id")?.as_str().map(str::to_owned)).collect())
    }

    /// Waits until the server answers `/health` with 200. ServerExit is noticed as it happens.
    pub(crate) async fn wait_until_ready(
        &self,
        death: &mut ExitNotice,
        limit: Duration,
        clock: Clock,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), NotReady> {
        let begun = clock.now();
        let healthy = async {
            let mut reported = begun;
            loop {
                if self.health().await == Ok(200) {
                    return;
                }
                let passed = clock.now().saturating_sub(begun);
                if clock.now().saturating_sub(reported) >= REPORT {
                    reported = clock.now();
                    progress(&format!(
                        "waiting for the server: {} s of at most {} s",
                        passed.as_secs(),
                        limit.as_secs()
                    ));
                }
                clock.sleep(INTERVAL).await;
            }
        };
        tokio::select! {
            // Another process may answer on the port of a server that has died.
            biased;
            death = death.wait() => Err(NotReady::Died(death)),
            () = healthy => Ok(()),
            () = clock.sleep(limit) => Err(NotReady::TimedOut),
        }
    }

    async fn json(&self, path: &str) -> Result<Value, String> {
        let (status, body) = self.get(path).await?;
        if !status.is_success() {
            return Err(format!("{path} answered {status}"));
        }
        serde_json::from_slice(&body).map_err(|error| format!("{path} answered no JSON: {error}"))
    }

    async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), String> {
        tokio::time::timeout(PATIENCE, self.exchange(path))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
    }

    async fn exchange(&self, path: &str) -> Result<(StatusCode, Bytes), String> {
        let has_port =
            self.authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let address =
            if has_port { self.authority.clone() } else { format!("{}:80", self.authority) };
        let stream = TcpStream::connect(&address).await.map_err(|error| chain(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| chain(&error))?;
        let request = Request::get(format!("{}{path}", self.prefix))
            .header(HOST, &self.authority)
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| chain(&error))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|error| chain(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
            let body = body.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    return format!("the body of {path} is longer than {MOST_BYTES} bytes");
                }
                chain(&*error)
            })?;
            Ok((status, body.to_bytes()))
        };
        // The connection has to be driven for as long as the exchange goes on.
        let drive = async {
            let _ = connection.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = exchange => answer,
            () = drive => Err("the connection ended".to_owned()),
        }
    }
}

/// An error with its causes: the outermost text of an HTTP client only says that something went
/// wrong.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;

    use super::*;

    #[test]
    fn a_probe_knows_host_and_path_of_an_address() {
        let parts = |url| {
            let Probe { authority, prefix } = Probe::new(url);
            (authority, prefix)
        };
        assert_eq!(parts("http://[::1]:8000"), ("[::1]:8000".into(), String::new()));
        assert_eq!(parts("http://gateway/team-a"), ("gateway".into(), "/team-a".into()));
    }

    #[test]
    fn an_endless_body_is_given_up_at_its_limit() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let endless = || async {
                let piece = Bytes::from_static(&[b' '; 65536]);
                let pieces = futures_util::stream::repeat(Ok::<_, std::convert::Infallible>(piece));
                Body::from_stream(pieces)
            };
            let router = Router::new()
                .route("/v1/models", get(endless))
                .route("/version", get(endless))
                .route("/health", get(endless));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let probe = Probe::new(&format!("http://{}", listener.local_addr().unwrap()));
            tokio::spawn(async move { axum::serve(listener, router).await });
            let error = probe.models().await.unwrap_err();
            assert_eq!(error, "the body of /v1/models is longer than 1048576 bytes");
            assert_eq!(probe.version().await, None);
            assert!(probe.health().await.unwrap_err().contains("/health is longer than"));
        });
    }
}
