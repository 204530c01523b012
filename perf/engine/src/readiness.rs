//! What a server over HTTP says about itself, and the wait until it says that it is ready. Main
//! type: [`Probe`].

use std::time::Duration;

use perf_clock::Clock;
use perf_model::interop::server_info::{SERVER_INFO, reported_configuration};
use perf_model::record::effective::EffectiveConfiguration;
use reqwest::StatusCode;
use serde_json::Value;

use crate::supervisor::{ExitNotice, ServerExit};

/// Between two looks at `/health`.
const INTERVAL: Duration = Duration::from_millis(200);

/// How long one answer may take. A server that is busy starting may accept a connection and not
/// answer it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a server in development mode may take to describe itself: it runs programs for that.
const DESCRIPTION_PATIENCE: Duration = Duration::from_secs(30);

/// How long a body may be. That of `/v1/models` has a few hundred bytes for each model.
const MOST_BYTES: usize = 1024 * 1024;

/// Between two looks at what the log says that the server does.
const LOOK: Duration = Duration::from_secs(2);

/// Between two words about a start that does the same all the time.
const REPORT: Duration = Duration::from_mins(1);

/// Why a server did not become ready.
#[derive(Debug)]
pub(crate) enum NotReady {
    /// It ended.
    Died(ServerExit),
    /// It takes too long.
    TimedOut,
}

/// Asks a server about itself. Uses no proxy, follows no redirect, and opens a new connection each
/// time.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    url: String,
    client: reqwest::Client,
}

impl Probe {
    /// A probe of the server at this address, which has no slash at its end.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| chain(&error))?;
        Ok(Self { url: url.to_owned(), client })
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

    /// What the server reports of its configuration.
    pub(crate) async fn configuration(&self) -> EffectiveConfiguration {
        let metrics = self.text("/metrics", PATIENCE).await;
        let info = self.text(SERVER_INFO, DESCRIPTION_PATIENCE).await;
        reported_configuration(metrics.as_deref(), info.as_deref())
    }

    /// Whether the server says at `/health` that it is ready, or lists its models where it has no such
    /// path, as some servers have none.
    async fn is_ready(&self) -> bool {
        match self.health().await {
            Ok(200) => true,
            Ok(404 | 405 | 501) => self.models().await.is_ok(),
            _ => false,
        }
    }

    /// Waits until the server is ready, and says meanwhile what it is `doing`. `ServerExit` is noticed as it
    /// happens.
    pub(crate) async fn wait_until_ready(
        &self,
        death: &mut ExitNotice,
        limit: Duration,
        clock: Clock,
        doing: &dyn Fn() -> Option<&'static str>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), NotReady> {
        let begun = clock.now();
        let healthy = async {
            let (mut looked, mut reported, mut last) = (begun, begun, "");
            loop {
                if self.is_ready().await {
                    return;
                }
                let now = clock.now();
                if now.saturating_sub(looked) >= LOOK {
                    looked = now;
                    let what = doing().unwrap_or("waiting for the server");
                    if what != last {
                        (reported, last) = (now, what);
                        progress(what);
                    }
                }
                if now.saturating_sub(reported) >= REPORT {
                    reported = now;
                    let (passed, most) = (now.saturating_sub(begun).as_secs(), limit.as_secs());
                    progress(&format!("{last}: {passed} s of at most {most} s"));
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

    /// The text of a path, where the server has it.
    async fn text(&self, path: &str, patience: Duration) -> Option<String> {
        let (status, body) = self.get_within(path, patience).await.ok()?;
        String::from_utf8(body).ok().filter(|_| status.is_success())
    }

    async fn json(&self, path: &str) -> Result<Value, String> {
        let (status, body) = self.get(path).await?;
        if !status.is_success() {
            return Err(format!("{path} answered {status}"));
        }
        serde_json::from_slice(&body).map_err(|error| format!("{path} answered no JSON: {error}"))
    }

    /// The status and the body of a path, with the body bounded.
    async fn get(&self, path: &str) -> Result<(StatusCode, Vec<u8>), String> {
        self.get_within(path, PATIENCE).await
    }

    /// The same, of a server that may take so long.
    async fn get_within(
        &self,
        path: &str,
        patience: Duration,
    ) -> Result<(StatusCode, Vec<u8>), String> {
        let failed = |error: reqwest::Error| chain(&error.without_url());
        let request = self.client.get(format!("{}{path}", self.url)).timeout(patience);
        let mut answer = request.send().await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            if body.len() + piece.len() > MOST_BYTES {
                return Err(format!("the body of {path} is longer than {MOST_BYTES} bytes"));
            }
            body.extend_from_slice(&piece);
        }
        Ok((answer.status(), body))
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
    fn an_endless_body_is_given_up_at_its_limit() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let endless = || async {
                let piece = axum::body::Bytes::from(vec![b' '; 65536]);
                let pieces = futures_util::stream::repeat(Ok::<_, std::convert::Infallible>(piece));
                Body::from_stream(pieces)
            };
            let router = Router::new()
                .route("/v1/models", get(endless))
                .route("/version", get(endless))
                .route("/health", get(endless));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let probe = Probe::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
            tokio::spawn(async move { axum::serve(listener, router).await });
            let error = probe.models().await.unwrap_err();
            assert_eq!(error, "the body of /v1/models is longer than 1048576 bytes");
            assert_eq!(probe.version().await, None);
            assert!(probe.health().await.unwrap_err().contains("/health is longer than"));
        });
    }
}
