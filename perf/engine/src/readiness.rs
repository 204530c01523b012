//! What a server over HTTP says about itself, and the wait until it says that it is ready. Main
//! type: [`Probe`].

use std::time::Duration;

use perf_clock::Clock;
use serde_json::Value;

use crate::supervisor::{ExitNotice, ServerExit};

/// Between two looks at `/health`.
const INTERVAL: Duration = Duration::from_millis(200);

/// How long one answer may take. A server that is busy starting may accept a connection and not
/// answer it.
const PATIENCE: Duration = Duration::from_secs(2);

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
    url: String,
    client: reqwest::Client,
}

impl Probe {
    /// A probe of the server at this address, which has no slash at its end.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .pool_max_idle_per_host(0)
            .timeout(PATIENCE)
            .build()
            .map_err(|error| chain(&error))?;
        Ok(Self { url: url.to_owned(), client })
    }

    /// The status of `/health`.
    pub(crate) async fn health(&self) -> Result<u16, String> {
        let answer = self.client.get(format!("{}/health", self.url)).send().await;
        answer.map(|answer| answer.status().as_u16()).map_err(|error| chain(&error.without_url()))
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
            // A server that has died may still be answered for by whoever took its port.
            biased;
            death = death.wait() => Err(NotReady::Died(death)),
            () = healthy => Ok(()),
            () = clock.sleep(limit) => Err(NotReady::TimedOut),
        }
    }

    async fn json(&self, path: &str) -> Result<Value, String> {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await;
        let answer = answer.map_err(|error| chain(&error.without_url()))?;
        if !answer.status().is_success() {
            return Err(format!("{path} answered {}", answer.status()));
        }
        let text = answer.text().await.map_err(|error| chain(&error.without_url()))?;
        serde_json::from_str(&text).map_err(|error| format!("{path} answered no JSON: {error}"))
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
