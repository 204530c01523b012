//! The HTTP API: [`Api`], with its routes and what they share.

mod ask;
mod chat;
mod completions;
mod errors;
mod fields;
mod generation;
mod responses;
mod stream;
mod system;
mod wire;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use perf_clock::Clock;

use chat::Chat;
use completions::Completion;
use responses::Responses;

use crate::draw::{Stream, mix, seed_for};
use crate::engine::EngineState;
use crate::injection::Injection;
use crate::lengths::NaturalLengths;
use crate::metrics::CacheConfig;
use crate::profile::NaturalLength;
use crate::replicas::Replicas;
use crate::tokenizer::Tokenizer;

/// What the API needs to know about its server.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "the command line's own switches")]
pub(crate) struct ApiSettings {
    /// The model's names; the first is the one that answers carry.
    pub(crate) names: Vec<String>,
    pub(crate) model: String,
    pub(crate) max_model_len: usize,
    pub(crate) tokenizer: Tokenizer,
    /// What the model's chat template adds to a conversation without a system message.
    pub(crate) system_message: Option<String>,
    pub(crate) seed: u64,
    pub(crate) injection: Injection,
    pub(crate) stream_interval: usize,
    pub(crate) load_tracking: bool,
    pub(crate) per_request_metrics: bool,
    pub(crate) per_request_drafts: bool,
    /// Whether chat answers begin with reasoning.
    pub(crate) reasoning: bool,
    /// Whether a chat that brings tools is answered by a call of one.
    pub(crate) tool_calls: bool,
    pub(crate) dev_mode: bool,
    pub(crate) admission: Duration,
    pub(crate) merged_chunk_share: f64,
    pub(crate) natural_length: NaturalLength,
    /// Wall-clock time at the clock's origin.
    pub(crate) epoch: Duration,
    pub(crate) cache: CacheConfig,
}

/// The state that every handler shares. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: ApiSettings,
    clock: Clock,
    engine: Arc<EngineState>,
    replicas: Replicas,
    /// Generation requests so far.
    requests: AtomicU64,
    /// Sequences sent to the engine so far.
    sequences: AtomicU64,
    lengths: Mutex<NaturalLengths>,
}

impl Api {
    pub(crate) fn new(
        settings: ApiSettings,
        clock: Clock,
        engine: Arc<EngineState>,
        replicas: Replicas,
    ) -> Self {
        let lengths =
            Mutex::new(NaturalLengths::new(&settings.natural_length.quantiles, settings.seed));
        let (requests, sequences) = (AtomicU64::new(0), AtomicU64::new(0));
        Self {
            shared: Arc::new(Shared {
                settings,
                clock,
                engine,
                replicas,
                requests,
                sequences,
                lengths,
            }),
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.shared.engine.is_dead()
    }

    pub(crate) async fn died(&self) {
        self.shared.engine.died().await;
    }

    fn settings(&self) -> &ApiSettings {
        &self.shared.settings
    }

    fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// Wall-clock time since 1970.
    fn wall_time(&self) -> Duration {
        self.settings().epoch + self.clock().now()
    }

    fn replicas(&self) -> &Replicas {
        &self.shared.replicas
    }

    fn next_request(&self) -> u64 {
        self.shared.requests.fetch_add(1, Ordering::SeqCst)
    }

    fn next_sequence(&self) -> u64 {
        self.shared.sequences.fetch_add(1, Ordering::SeqCst)
    }

    fn natural_length(&self) -> usize {
        self.shared.lengths.lock().unwrap_or_else(PoisonError::into_inner).draw()
    }

    /// Sixteen hexadecimal digits for an id, the same in every run.
    fn id(&self, number: u64) -> String {
        format!("{:016x}", mix(seed_for(self.settings().seed, Stream::RequestId), number))
    }
}

/// All routes.
pub(crate) fn router(api: Api) -> Router {
    let mut router = Router::new()
        .route("/v1/completions", post(stream::handle::<Completion>))
        .route("/v1/chat/completions", post(stream::handle::<Chat>))
        .route("/v1/responses", post(stream::handle::<Responses>))
        .route("/v1/models", get(system::models))
        .route("/health", get(system::health))
        .route("/ping", get(system::health).post(system::health))
        .route("/version", get(system::version))
        .route("/load", get(system::load))
        .route("/metrics", get(system::metrics))
        .route("/tokenize", post(system::tokenize))
        .route("/detokenize", post(system::detokenize));
    if api.settings().dev_mode {
        router = router.route("/reset_prefix_cache", post(system::reset_prefix_cache));
    }
    router
        .fallback(|| async { detail(StatusCode::NOT_FOUND, "Not Found") })
        .method_not_allowed_fallback(|| async {
            detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::map_response_with_state(api.clone(), add_common_headers))
        .with_state(api)
}

/// An error of the web framework rather than of vLLM.
fn detail(status: StatusCode, text: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{{\"detail\":\"{text}\"}}"))
        .into_response()
}

async fn add_common_headers(State(api): State<Api>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(UNIX_EPOCH + api.wall_time()))
    {
        headers.insert(header::DATE, date);
    }
    headers.insert(header::SERVER, HeaderValue::from_static("uvicorn"));
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    response
}
