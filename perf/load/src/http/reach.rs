//! How an endpoint is reached: its key, its certificate, what to say about both, and the servers
//! behind it whose counters are added up.

use perf_clock::Clock;
use perf_model::spec::redactor::Redactor;
use perf_model::spec::request_field::RequestField;
use perf_model::spec::server_url::ServerUrl;

use crate::http::endpoint::{Endpoint, Route};
use crate::http::error::EndpointError;

impl Endpoint {
    /// What a user should know about it before anything is sent, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let Route::Http { url, .. } = &self.route else { return warnings };
        let host = url.host();
        let is_local = host == "localhost" || host == "[::1]" || host.starts_with("127.");
        for from in self.headers.from() {
            let open = if url.is_encrypted() || is_local {
                ""
            } else {
                ", unencrypted: every machine on the way can read it; take https:// if the server has it"
            };
            warnings.push(format!("{from} goes with every request{open}"));
        }
        if self.is_unchecked() {
            warnings.push(
                "INSECURE: the server's certificate is not checked; any server that answers is measured and gets the key"
                    .to_owned(),
            );
        }
        warnings
    }

    /// Whether an encrypted server is believed to be the one that was meant.
    pub(crate) fn is_unchecked(&self) -> bool {
        self.access.insecure && self.is_encrypted()
    }

    /// Whether connections to it are encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(&self.route, Route::Http { url, .. } if url.is_encrypted())
    }

    /// Fields that the server does not know.
    pub(crate) fn leave_out(&self) -> &[RequestField] {
        &self.access.leave_out
    }

    /// What masks the key wherever the server repeats it.
    pub(crate) fn redactor(&self) -> &Redactor {
        self.headers.redactor()
    }

    /// A text of the server without the key.
    pub(crate) fn masked(&self, text: String) -> String {
        if self.redactor().is_empty() { text } else { self.redactor().redact_excerpt(&text) }
    }

    /// What to do about a refusal that begins with the status 401 or 403.
    pub(crate) fn key_advice(&self, said: &str) -> Option<String> {
        let from = self.headers.from();
        let is_unknown = said.starts_with("401");
        match from.first() {
            _ if !(is_unknown || said.starts_with("403")) => None,
            None => Some(
                "no API key was sent; set it in the environment as VLLM_API_KEY or OPENAI_API_KEY, or name another variable: \
                 --header 'Authorization: env:VARIABLE'"
                    .to_owned(),
            ),
            Some(from) if is_unknown => Some(format!(
                "{from} was sent, and the server does not accept it; check its value, and whether the server wants another \
                 header (--header 'X-Api-Key: env:VARIABLE')"
            )),
            Some(from) => Some(format!(
                "{from} was sent, and may not do this; ask for the right, or take another key"
            )),
        }
    }

    /// The same, with the counters of these servers in place of its own: for several servers behind
    /// one address. Each URL is that of a server, or of its metrics.
    pub fn with_metrics_of(self, urls: &[String]) -> Result<Self, EndpointError> {
        let source = |url: &String| {
            let (server, path) = ServerUrl::parse_with_path(url)?;
            let path = if path.is_empty() { "/metrics".to_owned() } else { path };
            Ok((Self::connect(&server, &self.access)?, path))
        };
        let metrics = urls.iter().map(source).collect::<Result<Vec<_>, EndpointError>>()?;
        Ok(Self { metrics: metrics.into(), ..self })
    }

    /// The servers whose counters are added up, each with the path of its metrics.
    pub(crate) fn metrics(&self) -> &[(Self, String)] {
        &self.metrics
    }

    /// The address of a path, for a message.
    pub(crate) fn shown(&self, path: &str) -> String {
        match &self.route {
            Route::Http { url, .. } => format!("{url}{path}"),
            Route::InProcess(_) => path.to_owned(),
        }
    }

    /// The metrics of every server whose counters are added up, of those that answer.
    pub(crate) async fn metrics_texts(&self, clock: Clock) -> Vec<String> {
        let mut texts = Vec::new();
        for (server, path) in self.metrics.iter() {
            texts.extend(server.get_text(path, clock).await);
        }
        if self.metrics.is_empty() {
            texts.extend(self.get_text("/metrics", clock).await);
        }
        texts
    }
}
