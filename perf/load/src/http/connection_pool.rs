//! The connections to one server, over which HTTP/1.1 is spoken: [`ConnectionPool`].
//!
//! A connection has no task of its own. The task that reads a response reads its connection,
//! so that a piece goes from the socket to its stamp without waking a second task in between:
//! that hop costs processor time, and delay where many streams are due at once. One read takes all
//! that has arrived, and is one system call: a read that did not fill its buffer has emptied the
//! socket and is not tried again before the kernel says that there is more.
//!
//! A request is sent once, with one exception. A server may close a connection that was kept for
//! the next request in the moment when that request is on its way; nothing of it is known to have
//! been read then. A request that went out on a kept connection which ended without one byte of a
//! response is therefore sent once more, on a new one, and [`PooledResponse::resent`] says so. On a
//! new connection nothing is ever sent again.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use http::Method;
use perf_model::spec::access::Access;
use perf_model::spec::server_url::ServerUrl;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::http::error::ConnectionError;
use crate::http::headers::SentHeaders;
use crate::http::http1::{self, Head};
use crate::http::socket::Socket;
#[cfg(feature = "tls")]
use crate::http::tls::Tls;

/// An idle connection is closed before the server does: uvicorn closes after 5 s, and a request
/// written into a closing connection fails.
const IDLE_CONNECTION: Duration = Duration::from_secs(3);

/// How many connections are opened at a time: fewer than any server lets wait to be accepted.
const AT_ONCE: usize = 64;

/// How much is read at once. It lies on the stack, so that a thousand connections hold no thousand
/// buffers.
const READ: usize = 32 * 1024;

/// A response whose head has come. It keeps its connection until its body has ended.
#[derive(Debug)]
pub(crate) struct PooledResponse {
    pub(crate) head: Head,
    /// Whether the request was sent a second time, because the server had closed the kept
    /// connection of the first.
    pub(crate) resent: bool,
    /// What came with the head.
    early: Vec<u8>,
    /// `None` once the body has ended.
    connection: Option<Connection>,
    /// What was wrong with the framing after the piece that came last.
    broken: Option<&'static str>,
    pool: ConnectionPool,
}

/// The connections to one server. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionPool {
    /// Host and port, as a connection wants them.
    address: Arc<str>,
    /// The same as a request names them.
    host: Arc<str>,
    /// What goes with every request.
    headers: SentHeaders,
    #[cfg(feature = "tls")]
    tls: Option<Arc<Tls>>,
    idle: Arc<Mutex<Vec<Idle>>>,
}

/// One connection.
#[derive(Debug)]
struct Connection {
    socket: Socket,
    unsent: Unsent,
}

/// What of a request has not been sent.
#[derive(Clone, Debug, Default)]
struct Unsent {
    head: Bytes,
    body: Bytes,
}

/// A connection that ended before the head of a response was whole.
struct NoResponse {
    /// Whether not one byte of a response had come.
    is_silent: bool,
    what: ConnectionError,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl ConnectionPool {
    /// To the server at this address.
    ///
    /// # Errors
    /// When the address is encrypted, and TLS cannot be set up.
    pub(crate) fn to(
        url: &ServerUrl,
        headers: SentHeaders,
        access: &Access,
    ) -> Result<Self, String> {
        #[cfg(feature = "tls")]
        let tls =
            url.is_encrypted().then(|| Tls::new(url.host(), access).map(Arc::new)).transpose()?;
        #[cfg(not(feature = "tls"))]
        if url.is_encrypted() {
            let _ = access;
            return Err("this program was built without TLS; build it with `--features tls`, as `cargo xtask perf` does \
                        for an address that begins with https://"
                .to_owned());
        }
        let (host, port) = (url.host(), url.port());
        let is_usual = port == if url.is_encrypted() { 443 } else { 80 };
        let name = if is_usual { host.to_owned() } else { format!("{host}:{port}") };
        Ok(Self {
            address: format!("{host}:{port}").into(),
            host: name.into(),
            headers,
            #[cfg(feature = "tls")]
            tls,
            idle: Arc::default(),
        })
    }

    /// Opens connections until this number of them are idle. One that cannot be opened fails the
    /// request that will need it.
    pub(crate) async fn open(&self, count: usize) {
        let there = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            // What has been idle for too long would not be used.
            idle.retain(|idle| idle.since.elapsed() < IDLE_CONNECTION);
            idle.len()
        };
        let missing = (there..count).map(|_| async {
            if let Ok(connection) = self.connect().await {
                self.put_back(connection);
            }
        });
        let mut opening = futures_util::stream::iter(missing).buffer_unordered(AT_ONCE);
        while opening.next().await.is_some() {}
    }

    /// Sends a request, `anew` on a new connection, and waits for the head of the response. The error
    /// says what happened to the connection.
    pub(crate) async fn send(
        &self,
        anew: bool,
        method: &Method,
        path: &str,
        body: Bytes,
    ) -> Result<PooledResponse, ConnectionError> {
        let request = {
            let headers = self.headers.lines();
            let head = http1::request(method, path, &self.host, headers, body.len());
            Unsent { head: head.into(), body }
        };
        if let Some(connection) = if anew { None } else { self.take() } {
            match self.ask(connection, request.clone()).await {
                Ok(response) => return Ok(response),
                Err(NoResponse { is_silent: false, what }) => return Err(what),
                Err(NoResponse { is_silent: true, .. }) => {
                    let again = async {
                        self.ask(self.connect().await?, request).await.map_err(|error| error.what)
                    };
                    let response = again.await.map_err(|what: ConnectionError| {
                        what.and(", when it was sent once more")
                    })?;
                    return Ok(PooledResponse { resent: true, ..response });
                }
            }
        }
        self.ask(self.connect().await?, request).await.map_err(|error| error.what)
    }

    /// Sends a request on this connection and waits for the head of its response.
    async fn ask(
        &self,
        mut connection: Connection,
        request: Unsent,
    ) -> Result<PooledResponse, NoResponse> {
        connection.unsent = request;
        let mut early = Vec::new();
        let head = poll_fn(|cx| connection.poll_head(cx, &mut early)).await;
        let head = head.map_err(|what| NoResponse { is_silent: early.is_empty(), what })?;
        Ok(PooledResponse {
            head,
            resent: false,
            early,
            connection: Some(connection),
            broken: None,
            pool: self.clone(),
        })
    }

    /// The connection that was idle for the shortest time, if it still stands.
    fn take(&self) -> Option<Connection> {
        loop {
            let Idle { mut connection, since } =
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.elapsed() >= IDLE_CONNECTION {
                // Those below have been idle for longer.
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
                return None;
            }
            // One that the server has closed, or on which it sent bytes without a request, is
            // useless.
            if connection.socket.is_quiet() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<Connection, ConnectionError> {
        let socket = TcpStream::connect(&*self.address)
            .await
            .map_err(|error| ConnectionError::by(&error, "cannot connect"))?;
        socket
            .set_nodelay(true)
            .map_err(|error| ConnectionError::by(&error, "cannot set up the connection"))?;
        #[cfg(feature = "tls")]
        let socket = match &self.tls {
            // Boxed, or every request would have room for a handshake.
            Some(tls) => Socket::Tls(Box::new(Box::pin(tls.connect(socket)).await?)),
            None => Socket::Plain(socket),
        };
        #[cfg(not(feature = "tls"))]
        let socket = Socket::Plain(socket);
        Ok(Connection { socket, unsent: Unsent::default() })
    }

    fn put_back(&self, connection: Connection) {
        let idle = Idle { connection, since: Instant::now() };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
    }
}

impl Connection {
    /// Whether nothing of its last request is left to be sent.
    fn is_free(&self) -> bool {
        self.unsent.head.is_empty() && self.unsent.body.is_empty()
    }

    /// Sends what is left of the request, and reads until the head of its response is whole. `read`
    /// keeps what came after it.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        read: &mut Vec<u8>,
    ) -> Poll<Result<Head, ConnectionError>> {
        loop {
            // A server may refuse a request before it has read it whole, so that what it says
            // counts for more than that the rest could not be sent.
            let sent = self.poll_send(cx);
            let what = match (self.poll_read(cx, |bytes| read.extend_from_slice(bytes)), sent) {
                (Poll::Pending, Poll::Ready(Err(error))) => {
                    ConnectionError::by(&error, "the request could not be sent")
                }
                (Poll::Pending, _) => return Poll::Pending,
                (Poll::Ready(Ok(0)), _) if read.is_empty() => {
                    ConnectionError::closed("the connection ended without a response")
                }
                (Poll::Ready(Ok(0)), _) => {
                    ConnectionError::closed("the connection ended inside the head of the response")
                }
                (Poll::Ready(Err(error)), _) => {
                    ConnectionError::by(&error, "the connection broke before a response")
                }
                (Poll::Ready(Ok(_)), _) => match http1::parse_head(read) {
                    Ok(None) => continue,
                    Ok(Some((length, head))) => {
                        read.drain(..length);
                        return Poll::Ready(Ok(head));
                    }
                    Err(what) => ConnectionError::malformed(what),
                },
            };
            return Poll::Ready(Err(what));
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Unsent { head, body } = &mut self.unsent;
        while !head.is_empty() || !body.is_empty() {
            let both = [IoSlice::new(head), IoSlice::new(body)];
            let sent = ready!(self.socket.poll_send(cx, &both))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = sent.min(head.len());
            head.advance(of_head);
            body.advance(sent - of_head);
        }
        self.socket.poll_flush(cx)
    }

    /// Reads once what has arrived, at most [`READ`] bytes of it, and gives how many there were.
    #[expect(
        clippy::large_stack_arrays,
        reason = "nothing is written to it but what arrives, and nothing is called below"
    )]
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let mut space = [MaybeUninit::uninit(); READ];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(self.socket.poll_read(cx, &mut read))?;
        take(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }
}

impl PooledResponse {
    /// Appends the next piece of the body to `into`, all that has arrived; `None` at its end.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
    ) -> Poll<Option<Result<(), ConnectionError>>> {
        let before = into.len();
        loop {
            if let Some(what) = self.broken.take() {
                return self.breaks(ConnectionError::malformed(what));
            }
            let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
            let body = &mut self.head.body;
            let mut taken = Ok(0);
            let read = if self.early.is_empty() && !body.is_done() {
                // What could not be sent shows in what is read.
                let _ = connection.poll_send(cx);
                match ready!(connection.poll_read(cx, |bytes| taken = body.take(bytes, into))) {
                    Ok(0) if body.may_end() => None,
                    Ok(0) => {
                        return self.breaks(ConnectionError::closed(
                            "the connection ended inside the response",
                        ));
                    }
                    Ok(read) => Some(read),
                    Err(error) => {
                        return self.breaks(ConnectionError::by(
                            &error,
                            "the connection broke inside the response",
                        ));
                    }
                }
            } else {
                let early = std::mem::take(&mut self.early);
                taken = body.take(&early, into);
                Some(early.len())
            };
            match taken {
                Err(what) => self.broken = Some(what),
                Ok(taken) if body.is_done() || read.is_none() => {
                    let connection = self.connection.take().filter(Connection::is_free);
                    if let Some(connection) =
                        connection.filter(|_| self.head.stays && read == Some(taken))
                    {
                        self.pool.put_back(connection);
                    }
                }
                Ok(_) => {}
            }
            if into.len() > before {
                return Poll::Ready(Some(Ok(())));
            }
        }
    }

    fn breaks(&mut self, what: ConnectionError) -> Poll<Option<Result<(), ConnectionError>>> {
        self.connection = None;
        Poll::Ready(Some(Err(what)))
    }
}
