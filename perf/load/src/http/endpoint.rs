//! Where requests go: [`Endpoint`], a URL or a service in this process.
//!
//! Both give the same thing, a status and a stream of byte pieces as they arrive, so that nothing
//! after this module can tell them apart.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use perf_clock::Clock;
use perf_model::spec::access::Access;
use perf_model::spec::server_url::ServerUrl;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use crate::http::connection_pool::{ConnectionPool, PooledResponse};
use crate::http::error::{ConnectionError, EndpointError};
use crate::http::headers::SentHeaders;
use crate::http::http1::escaped;

/// How long an answer about the server may take.
pub(crate) const GET_LIMIT: Duration = Duration::from_secs(10);

/// The longest body that an answer about the server may have: the counters of a large server take
/// less than a hundredth of it. More would be a server that never ends its answer.
const GET_BODY: usize = 16 * 1024 * 1024;

/// The error of a response body, of any type.
pub type BodyError = Box<dyn Error + Send + Sync>;

type Stream = Pin<Box<dyn futures_util::Stream<Item = Result<Bytes, ConnectionError>> + Send>>;
type InProcess = BoxCloneSyncService<Request<Full<Bytes>>, Response<Stream>, Infallible>;

/// Where requests go. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) route: Route,
    /// The servers whose counters are added up, each with the path of its metrics; none for the
    /// server itself.
    pub(crate) metrics: Arc<[(Endpoint, String)]>,
    /// How it is reached.
    pub(crate) access: Arc<Access>,
    pub(crate) headers: SentHeaders,
}

#[derive(Clone)]
pub(crate) enum Route {
    /// The path of the URL comes before every other.
    Http {
        pool: ConnectionPool,
        url: ServerUrl,
    },
    InProcess(InProcess),
}

/// A response whose status has arrived and whose body is on its way.
pub(crate) struct Incoming {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<HeaderValue>,
    /// Where a redirect points to.
    pub(crate) location: Option<HeaderValue>,
    /// Whether the request was sent a second time; see [`ConnectionPool::send`].
    pub(crate) resent: bool,
    pieces: Pieces,
}

/// Where a body comes from.
#[expect(clippy::large_enum_variant, reason = "of a real server it is always the large one")]
enum Pieces {
    Http(PooledResponse),
    InProcess(Stream),
}

impl Incoming {
    /// Appends the next piece of the body, as it arrived, to `into`; `None` at the body's end.
    pub(crate) async fn piece(
        &mut self,
        into: &mut Vec<u8>,
    ) -> Option<Result<(), ConnectionError>> {
        match &mut self.pieces {
            Pieces::Http(response) => poll_fn(|cx| response.poll_piece(cx, into)).await,
            Pieces::InProcess(stream) => {
                stream.next().await.map(|piece| piece.map(|piece| into.extend_from_slice(&piece)))
            }
        }
    }
}

impl Incoming {
    /// The rest of the body, which may be `limit` bytes long.
    pub(crate) async fn body(&mut self, limit: usize) -> Result<Vec<u8>, ConnectionError> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(&mut body).await {
            piece?;
            if body.len() > limit {
                return Err(ConnectionError::malformed(too_long("a body", limit)));
            }
        }
        Ok(body)
    }

    /// The status, and where it points to if it is a redirect, for a message.
    pub(crate) fn status_text(&self) -> String {
        match &self.location {
            Some(target) if self.status.is_redirection() => {
                let target = escaped(target.as_bytes());
                format!("{}: a redirect to {target}, which is not followed", self.status)
            }
            _ => self.status.to_string(),
        }
    }
}

/// A server sent more than the client takes, so that it cannot use up the memory.
pub(crate) fn too_long(what: &str, limit: usize) -> String {
    let (size, unit) = match limit / 1024 {
        kib if kib >= 1024 => (kib / 1024, "MiB"),
        kib => (kib, "KiB"),
    };
    format!("the server sent {what} of more than {size} {unit}; the client reads no further")
}

impl Endpoint {
    /// A server at a URL like `http://127.0.0.1:8000`, with a connection pool of its own and without
    /// a key.
    pub fn http(url: &str) -> Result<Self, EndpointError> {
        Self::connect(url, &Access::none())
    }

    /// The same, reached as `access` says: with its headers and key, its certificates, and the
    /// metrics of the servers behind it. Values come from this process's environment.
    ///
    /// HTTP/1.1, past any proxy that the environment names, without redirects and time
    /// limits: what may take how long is the load's business. A request is repeated in one case
    /// only: its kept connection was closed by the server before one byte of a response had come.
    pub fn connect(url: &str, access: &Access) -> Result<Self, EndpointError> {
        let url = ServerUrl::parse(url)?;
        access.check().map_err(EndpointError::Access)?;
        let variable = |name: &str| std::env::var(name).ok();
        let headers = SentHeaders::read(access, &variable).map_err(EndpointError::Access)?;
        let pool = ConnectionPool::to(&url, headers.clone(), access);
        let pool = pool.map_err(EndpointError::Access)?;
        let route = Route::Http { pool, url };
        let metrics = access.metrics_urls.clone();
        let access = Arc::new(Access { metrics_urls: Vec::new(), ..access.clone() });
        let endpoint = Self { route, metrics: Arc::new([]), access, headers };
        endpoint.with_metrics_of(&metrics)
    }

    /// A service in this process: an `axum::Router`, or any other tower service.
    pub fn in_process<S, B>(service: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let service =
            service.map_response(|response: Response<B>| {
                response.map(|body| -> Stream {
                    let stream = body.into_data_stream();
                    Box::pin(stream.map(|piece| {
                        piece.map_err(|error| ConnectionError::of_body(&*error.into()))
                    }))
                })
            });
        let route = Route::InProcess(BoxCloneSyncService::new(service));
        let headers = SentHeaders::default();
        Self { route, metrics: Arc::new([]), access: Arc::default(), headers }
    }

    /// Opens connections to the server until this number of them are idle, so that no request waits
    /// for one.
    pub(crate) async fn open(&self, connections: u32) {
        if let Route::Http { pool, .. } = &self.route {
            pool.open(connections as usize).await;
        }
    }

    /// Sends a request and waits for the response's status. The error says what happened to the
    /// connection.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Incoming, ConnectionError> {
        self.send_on(false, method, path, body).await
    }

    /// The same, `anew` on a new connection.
    async fn send_on(
        &self,
        anew: bool,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Incoming, ConnectionError> {
        match &self.route {
            Route::Http { pool, url } => {
                let prefix = url.path();
                let mut response = if prefix.is_empty() {
                    pool.send(anew, &method, path, body).await?
                } else {
                    pool.send(anew, &method, &format!("{prefix}{path}"), body).await?
                };
                let (status, resent) = (response.head.status, response.resent);
                let (content_type, location) =
                    (response.head.content_type.take(), response.head.location.take());
                Ok(Incoming {
                    status,
                    content_type,
                    location,
                    resent,
                    pieces: Pieces::Http(response),
                })
            }
            Route::InProcess(service) => {
                let request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                    .body(Full::new(body))
                    .map_err(|error| ConnectionError::closed(error.to_string()))?;
                let response = match service.clone().oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                let (parts, pieces) = response.into_parts();
                let content_type = parts.headers.get(CONTENT_TYPE).cloned();
                let location = parts.headers.get(LOCATION).cloned();
                let pieces = Pieces::InProcess(pieces);
                Ok(Incoming { status: parts.status, content_type, location, resent: false, pieces })
            }
        }
    }
}

/// The whole answer to a GET.
pub(crate) struct GetResponse {
    pub(crate) status: StatusCode,
    /// The status for a message.
    pub(crate) said: String,
    pub(crate) body: Vec<u8>,
}

impl Endpoint {
    /// A GET, answered within [`GET_LIMIT`], `anew` on a new connection; the error describes what came
    /// instead.
    pub(crate) async fn get(
        &self,
        path: &str,
        anew: bool,
        clock: Clock,
    ) -> Result<GetResponse, String> {
        let whole = async {
            let mut incoming = self.send_on(anew, Method::GET, path, Bytes::new()).await?;
            let body = incoming.body(GET_BODY).await?;
            let said = self.masked(incoming.status_text());
            Ok(GetResponse { status: incoming.status, said, body: self.masked_bytes(body) })
        };
        match clock.timeout(GET_LIMIT, whole).await {
            Ok(got) => got.map_err(|error: ConnectionError| self.masked(error.what)),
            Err(_) => Err(format!("it did not answer within {} s", GET_LIMIT.as_secs())),
        }
    }

    fn masked_bytes(&self, body: Vec<u8>) -> Vec<u8> {
        match std::str::from_utf8(&body) {
            Ok(text) if !self.redactor().is_empty() => self.redactor().redact(text).into_bytes(),
            _ => body,
        }
    }

    /// The body of a GET that is answered with 200 within [`GET_LIMIT`]; `None` in any other case.
    pub(crate) async fn get_text(&self, path: &str, clock: Clock) -> Option<String> {
        self.get_text_anew(path, false, clock).await
    }

    /// The same, `anew` on a new connection.
    pub(crate) async fn get_text_anew(
        &self,
        path: &str,
        anew: bool,
        clock: Clock,
    ) -> Option<String> {
        let GetResponse { status, body, .. } = self.get(path, anew, clock).await.ok()?;
        String::from_utf8(body).ok().filter(|_| status == StatusCode::OK)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.route {
            Route::Http { url, .. } => f.debug_tuple("Endpoint").field(&url.to_string()).finish(),
            Route::InProcess(_) => f.debug_tuple("Endpoint").field(&"in process").finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_a_server_is_an_endpoint() {
        for url in ["http://127.0.0.1:8000", "http://127.0.0.1:8000/", "http://gateway/vllm/"] {
            assert!(Endpoint::http(url).is_ok(), "{url}");
        }
        assert_eq!(
            format!("{:?}", Endpoint::http("http://h:1/").unwrap()),
            "Endpoint(\"http://h:1\")"
        );
    }

    #[test]
    fn an_address_is_an_endpoint_where_the_rule_for_addresses_accepts_it() {
        for url in ["http://h:8000/v1/", "http://h/gateway/v1", "http://[::1]:8000"] {
            assert!(Endpoint::http(url).is_ok(), "{url}");
        }
        for url in ["127.0.0.1:8000", "http://h/v1/chat/completions", "http://h/?a"] {
            let why = ServerUrl::parse(url).err().map(EndpointError::Url);
            assert_eq!(Endpoint::http(url).err(), why, "{url}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let error = Endpoint::http("http://me:hunter2@h").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn an_answer_without_an_end_is_refused_with_the_bound() {
        let piece = Bytes::from(vec![b'x'; 1024 * 1024]);
        let endless = futures_util::stream::repeat(Ok::<_, Infallible>(piece));
        let body = move || axum::body::Body::from_stream(endless.clone());
        let router =
            axum::Router::new().fallback(move || std::future::ready(Response::new(body())));
        let endpoint = Endpoint::in_process(router);
        let got = perf_clock::run_virtual(|clock| async move {
            endpoint.get("/v1/models", false, clock).await.err()
        });
        assert_eq!(
            got.unwrap(),
            "the server sent a body of more than 16 MiB; the client reads no further"
        );
    }

    #[test]
    fn a_router_in_this_process_is_an_endpoint() {
        let router = axum::Router::new()
            .route("/version", axum::routing::get(|| async { "{\"version\":\"1.2.3\"}" }));
        let endpoint = Endpoint::in_process(router);
        let asked = perf_clock::run_virtual(|clock| async move {
            (crate::version(&endpoint, clock).await, endpoint.get_text("/metrics", clock).await)
        });
        assert_eq!(asked, (Some("1.2.3".to_owned()), None));
    }
}
