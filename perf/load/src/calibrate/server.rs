//! The plainest server of streams, for the client to try itself on: [`Server`].

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, oneshot};

/// From one event of a stream to the next.
const GAP: Duration = Duration::from_millis(1);

/// When each request's first event was written.
type Written = Arc<Mutex<HashMap<u32, Instant>>>;

/// A server on loopback with a thread of its own, which ends when this is dropped.
pub(super) struct Server {
    address: SocketAddr,
    written: Written,
    /// Dropped with the server, which its thread waits for.
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// Starts a server that answers each request with `events` events; `together` streams begin
    /// at the same time.
    pub(super) async fn start(together: u32, events: u32) -> Option<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = oneshot::channel();
        let written = Written::default();
        let log = Arc::clone(&written);
        std::thread::Builder::new()
            .name("calibration".to_owned())
            .spawn(move || {
                let Ok(runtime) =
                    tokio::runtime::Builder::new_current_thread().enable_all().build()
                else {
                    return;
                };
                runtime.block_on(async {
                    tokio::select! {
                        _ = serve(ready, together, events, log) => {}
                        _ = stopped => {}
                    }
                });
            })
            .ok()?;
        Some(Self { address: address.await.ok()?, written, _stop: stop })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// When the first event of each request was written, by the request's number.
    pub(super) fn written(&self) -> HashMap<u32, Instant> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(
    ready: oneshot::Sender<SocketAddr>,
    together: u32,
    events: u32,
    written: Written,
) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    // If this fails, the caller has gone, which ends the server.
    let _ = ready.send(listener.local_addr()?);
    let gate = Arc::new(Barrier::new(together as usize));
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (written, gate) = (Arc::clone(&written), Arc::clone(&gate));
        tokio::spawn(async move {
            // A client that goes away ends its connection, and nothing else.
            let _ = converse(socket, events, &written, &gate).await;
        });
    }
}

async fn converse(
    mut socket: TcpStream,
    events: u32,
    written: &Written,
    gate: &Barrier,
) -> io::Result<()> {
    let mut read = Vec::new();
    while let Some(request) = next_request(&mut socket, &mut read).await? {
        gate.wait().await;
        let begun = tokio::time::Instant::now();
        for event in 1..=events {
            let piece = piece(event, events);
            if event == 1 {
                written
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(request, Instant::now());
            } else {
                tokio::time::sleep_until(begun + GAP * (event - 1)).await;
            }
            socket.write_all(piece.as_bytes()).await?;
        }
    }
    Ok(())
}

/// What is written for an event: its chunk of the transfer, after the head for the first and
/// before the end for the last.
fn piece(event: u32, events: u32) -> String {
    let reason = if event == events { "\"length\"" } else { "null" };
    // As long as an event of vLLM is.
    let data = format!(
        "data: {{\"id\":\"cmpl-0000000000000000\",\"object\":\"text_completion\",\"created\":1700000000,\"model\":\"none\",\
         \"choices\":[{{\"index\":0,\"text\":\" word\",\"logprobs\":null,\"finish_reason\":{reason},\"stop_reason\":null}}],\
         \"usage\":{{\"prompt_tokens\":1,\"total_tokens\":{},\"completion_tokens\":{event}}}}}\n\n",
        event + 1
    );
    let head = if event == 1 {
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    } else {
        ""
    };
    let done = "data: [DONE]\n\n";
    let end = if event == events {
        format!("{:x}\r\n{done}\r\n0\r\n\r\n", done.len())
    } else {
        String::new()
    };
    format!("{head}{:x}\r\n{data}\r\n{end}", data.len())
}

/// Reads a request whose body is its number; `None` at the connection's end.
async fn next_request(socket: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<Option<u32>> {
    loop {
        if let Some((request, length)) = request_in(read) {
            read.drain(..length);
            return Ok(Some(request));
        }
        if socket.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
}

/// The number of a request that has been read whole, and its length.
fn request_in(read: &[u8]) -> Option<(u32, usize)> {
    let body = memchr::memmem::find(read, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&read[..body]).ok()?.to_ascii_lowercase();
    let length: usize =
        head.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse().ok()?;
    let number = std::str::from_utf8(read.get(body..body + length)?).ok()?;
    Some((number.parse().ok()?, body + length))
}
