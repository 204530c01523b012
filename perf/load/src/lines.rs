//! Plain HTTP/1.1 to one server: [`Lines`], the connections to it.
//!
//! A connection has no task of its own. Whoever reads a response drives the connection that it comes on, so that a piece
//! goes from the socket to its stamp without waking a second task in between: that hop costs processor time, and delay
//! where many streams are due at once.
//!
//! A request is sent once, with one exception. A server may close a connection that was kept for the next request in the
//! moment when that request is on its way; nothing of it is known to have been read then. A request that went out on a kept
//! connection which ended without one byte of a response is therefore sent once more, on a new one, and [`Answered::resent`]
//! says so. On a new connection nothing is ever sent again.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Response};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::error::chain;

/// An idle connection is closed before the server does: uvicorn closes after 5 s, and a request written into a closing
/// connection fails.
const IDLE_CONNECTION: Duration = Duration::from_secs(3);

/// The head of a response, and how it came about.
pub(crate) struct Answered {
    pub(crate) response: Response<Pieces>,
    /// Whether the request was sent a second time, because the server had closed the kept connection of the first.
    pub(crate) resent: bool,
}

/// The connections to one server. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    /// Host and port, as a connection wants them.
    address: Arc<str>,
    host: HeaderValue,
    idle: Arc<Mutex<Vec<Idle>>>,
}

type Http = Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// One connection, and what drives it.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    connection: Option<Box<Http>>,
    /// Whether the connection ended with part of a response that was not understood.
    left_bytes: bool,
}

/// A connection that ended before the head of a response was whole.
struct Broken {
    /// Whether not one byte of a response had come.
    is_silent: bool,
    /// What happened, in words.
    what: String,
}

struct Idle {
    line: Line,
    since: Instant,
}

/// The body of a response, which keeps its connection until it has ended.
pub(crate) struct Pieces {
    body: Incoming,
    /// `None` once the body has ended.
    line: Option<Line>,
    lines: Lines,
}

impl Lines {
    /// To a server at this host and port.
    pub(crate) fn to(host: &str, port: u16) -> Option<Self> {
        let name = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
        let address = format!("{host}:{port}").into();
        Some(Self { address, host: HeaderValue::from_str(&name).ok()?, idle: Arc::default() })
    }

    /// Sends a request and waits for the head of the response. The error says in words what happened to the connection.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Answered, String> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.host.clone());
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        if let Some(line) = self.take().await {
            match line.ask(request.clone()).await {
                Ok((response, line)) => return Ok(Answered { response: self.pieces(response, line), resent: false }),
                Err(Broken { is_silent: false, what }) => return Err(what),
                Err(Broken { is_silent: true, .. }) => {
                    let again = async { self.connect().await?.ask(request).await.map_err(|broken| broken.what) };
                    let (response, line) = again.await.map_err(|what| format!("{what}, when it was sent once more"))?;
                    return Ok(Answered { response: self.pieces(response, line), resent: true });
                }
            }
        }
        let (response, line) = self.connect().await?.ask(request).await.map_err(|broken| broken.what)?;
        Ok(Answered { response: self.pieces(response, line), resent: false })
    }

    fn pieces(&self, response: Response<Incoming>, line: Line) -> Response<Pieces> {
        response.map(|body| Pieces { body, line: Some(line), lines: self.clone() })
    }

    /// The connection that was idle for the shortest time, if it still stands.
    async fn take(&self) -> Option<Line> {
        loop {
            let Idle { mut line, since } = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.elapsed() >= IDLE_CONNECTION {
                // Those below have been idle for longer.
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
                return None;
            }
            // Whether the server has closed it shows when it is driven.
            poll_fn(|cx| {
                line.poll(cx);
                Poll::Ready(())
            })
            .await;
            if line.connection.is_some() && line.sender.is_ready() {
                return Some(line);
            }
        }
    }

    async fn connect(&self) -> Result<Line, String> {
        let socket = TcpStream::connect(&*self.address).await.map_err(|error| format!("cannot connect: {error}"))?;
        socket.set_nodelay(true).map_err(|error| error.to_string())?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await.map_err(|error| chain(&error))?;
        Ok(Line { sender, connection: Some(Box::new(connection)), left_bytes: false })
    }

    fn put_back(&self, line: Line) {
        let idle = Idle { line, since: Instant::now() };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
    }
}

impl Line {
    /// Sends a request and waits for the head of its response.
    async fn ask(mut self, request: Request<Full<Bytes>>) -> Result<(Response<Incoming>, Self), Broken> {
        let response = self.sender.send_request(request);
        match self.drive(response).await {
            Ok(response) => Ok((response, self)),
            Err(error) => {
                let is_silent = self.connection.is_none() && !self.left_bytes && !error.is_parse();
                Err(Broken { is_silent, what: chain(&error) })
            }
        }
    }

    /// Lets the connection do what it can. How it ended is told by what waits for a response or a body.
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && Pin::new(&mut **connection).poll(cx).is_ready()
            && let Some(ended) = self.connection.take()
        {
            self.left_bytes = !ended.into_parts().read_buf.is_empty();
        }
    }

    /// Waits for something that comes on this connection.
    async fn drive<F: Future>(&mut self, awaited: F) -> F::Output {
        let mut awaited = pin!(awaited);
        poll_fn(|cx| {
            if let Poll::Ready(output) = awaited.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            self.poll(cx);
            awaited.as_mut().poll(cx)
        })
        .await
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let pieces = &mut *self;
        loop {
            let Some(line) = &mut pieces.line else { return Poll::Ready(None) };
            let mut frame = Pin::new(&mut pieces.body).poll_frame(cx);
            if frame.is_pending() {
                line.poll(cx);
                frame = Pin::new(&mut pieces.body).poll_frame(cx);
            }
            match frame {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are no piece.
                    if let Ok(piece) = frame.into_data() {
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    pieces.line = None;
                    return Poll::Ready(Some(Err(chain(&error))));
                }
                Poll::Ready(None) => {
                    if let Some(line) = pieces.line.take() {
                        pieces.lines.put_back(line);
                    }
                    return Poll::Ready(None);
                }
            }
        }
    }
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idle").field("since", &self.since).finish_non_exhaustive()
    }
}
