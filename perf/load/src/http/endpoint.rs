//! Where requests go: [`Endpoint`], a URL or a service in this process.
//!
//! Both give the same thing, a status and a stream of byte pieces as they arrive, so that nothing
//! after this module can tell them apart.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::uri::{InvalidUri, Uri};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use perf_clock::Clock;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use crate::http::connection_pool::{ConnectionPool, PooledResponse};
use crate::http::error::ConnectionError;
use crate::http::http1::escaped;

/// A question about the server that takes longer goes error.
pub(crate) const GET_LIMIT: Duration = Duration::from_secs(10);

/// The longest body that an answer about the server may have: the counters of a large server take
/// less than a hundredth of it. More would be a server that never ends its answer.
const GET_BODY: usize = 16 * 1024 * 1024;

/// The error of a response body, of whatever type it is.
pub type BodyError = Box<dyn Error + Send + Sync>;

type Stream = Pin<Box<dyn futures_util::Stream<Item = Result<Bytes, ConnectionError>> + Send>>;
type InProcess = BoxCloneSyncService<Request<Full<Bytes>>, Response<Stream>, Infallible>;

/// Where requests go. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint(Route);

#[derive(Clone)]
enum Route {
    /// `prefix` comes before every path; `base` is for people.
    Http {
        pool: ConnectionPool,
        prefix: String,
        base: String,
    },
    InProcess(InProcess),
}

/// Why a URL is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL.
    #[error("the endpoint {url:?} is no URL: {cause}; write it like http://127.0.0.1:8000")]
    NotAUrl {
        /// What was given.
        url: String,
        /// What the parser says.
        cause: String,
    },
    /// A URL that is not plain HTTP.
    #[error(
        "the endpoint uses {scheme}, and only http is spoken: the time of encryption would be measured too; forward a local port to it and give that as http"
    )]
    Scheme {
        /// The URL's scheme.
        scheme: String,
    },
    /// A user name or password in the URL, which is not repeated here.
    #[error(
        "the endpoint's URL holds a user name or password, which would be written to records; leave it out"
    )]
    Credentials,
    /// A URL of the API instead of the server.
    #[error(
        "the endpoint {url} is the API's address; leave out `/v1` and what follows, because /metrics lies beside it"
    )]
    ApiPath {
        /// What was given.
        url: String,
    },
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
    /// A server at a URL like `http://127.0.0.1:8000`, with a connection pool of its own.
    ///
    /// Plain HTTP/1.1, past any proxy that the environment names, without redirects and time
    /// limits: what may take how long is the load's business. A request is repeated in one case
    /// only: its kept connection was closed by the server before one byte of a response had come.
    pub fn http(base_url: &str) -> Result<Self, EndpointError> {
        let not_a_url = |cause: &str| EndpointError::NotAUrl {
            url: base_url.to_owned(),
            cause: cause.to_owned(),
        };
        // Whoever pasted a password is not to find it in the error, whatever else is wrong with the
        // URL.
        let after_scheme = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
        if after_scheme
            .split(['/', '?', '#'])
            .next()
            .is_some_and(|authority| authority.contains('@'))
        {
            return Err(EndpointError::Credentials);
        }
        let url: Uri =
            base_url.parse().map_err(|cause: InvalidUri| not_a_url(&cause.to_string()))?;
        let scheme = url.scheme_str().ok_or_else(|| not_a_url("it names no scheme"))?;
        if scheme != "http" {
            return Err(EndpointError::Scheme { scheme: scheme.to_owned() });
        }
        if url.query().is_some() {
            return Err(not_a_url("it holds a query"));
        }
        let prefix = url.path().trim_end_matches('/');
        if prefix.ends_with("/v1")
            || ["models", "completions", "chat"]
                .iter()
                .any(|of| prefix.contains(&format!("/v1/{of}")))
        {
            return Err(EndpointError::ApiPath { url: base_url.to_owned() });
        }
        let host = url
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| not_a_url("it names no host"))?;
        let pool = ConnectionPool::to(host, url.port_u16().unwrap_or(80))
            .ok_or_else(|| not_a_url("its host is no name"))?;
        let base = base_url.trim_end_matches('/').to_owned();
        Ok(Self(Route::Http { pool, prefix: prefix.to_owned(), base }))
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
        Self(Route::InProcess(BoxCloneSyncService::new(service)))
    }

    /// Opens connections to the server until so many are idle, so that no request waits for one.
    pub(crate) async fn open(&self, connections: u32) {
        if let Route::Http { pool, .. } = &self.0 {
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
        match &self.0 {
            Route::Http { pool, prefix, .. } => {
                let mut response = if prefix.is_empty() {
                    pool.send(&method, path, body).await?
                } else {
                    pool.send(&method, &format!("{prefix}{path}"), body).await?
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
    /// A GET, answered within [`GET_LIMIT`]; the error says in words what came instead.
    pub(crate) async fn get(&self, path: &str, clock: Clock) -> Result<GetResponse, String> {
        let whole = async {
            let mut incoming = self.send(Method::GET, path, Bytes::new()).await?;
            let body = incoming.body(GET_BODY).await?;
            Ok(GetResponse { status: incoming.status, said: incoming.status_text(), body })
        };
        match clock.timeout(GET_LIMIT, whole).await {
            Ok(got) => got.map_err(|error: ConnectionError| error.what),
            Err(_) => Err(format!("it did not answer within {} s", GET_LIMIT.as_secs())),
        }
    }

    /// The body of a GET that is answered with 200 within [`GET_LIMIT`]; `None` in any other case.
    pub(crate) async fn get_text(&self, path: &str, clock: Clock) -> Option<String> {
        let GetResponse { status, body, .. } = self.get(path, clock).await.ok()?;
        String::from_utf8(body).ok().filter(|_| status == StatusCode::OK)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Route::Http { base, .. } => f.debug_tuple("Endpoint").field(base).finish(),
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
    fn what_is_no_address_of_a_server_is_refused_with_the_next_step() {
        let refused = |url: &str| Endpoint::http(url).unwrap_err().to_string();
        assert!(refused("127.0.0.1:8000").contains("http"), "{}", refused("127.0.0.1:8000"));
        assert!(refused("somewhere").contains("write it like http://127.0.0.1:8000"));
        assert!(refused("https://h/").contains("forward a local port"));
        for api in ["http://h:8000/v1/", "http://h:8000/v1/chat/completions", "http://h:8000/v1/v1"]
        {
            assert!(refused(api).contains("leave out `/v1` and what follows"), "{api}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let error = Endpoint::http("http://me:hunter2@h").unwrap_err();
        assert_eq!(error, EndpointError::Credentials);
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
            endpoint.get("/v1/models", clock).await.err()
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
