//! A server for benches over real sockets: [`Server`] answers completions at a known pace, and
//! knows when it wrote what.
//!
//! It is written on the socket itself: a web framework's own cost and buffering would be measured
//! too.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// At what pace a response comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// From the request to the first token.
    pub(crate) first: Duration,
    /// From one write to the next.
    pub(crate) gap: Duration,
    /// Over how long the responses are spread that were asked for together; zero keeps them in
    /// step.
    pub(crate) spread: Duration,
    /// Events in one write.
    pub(crate) events_a_write: u32,
}

/// When a stream's tokens were written: for each request, by the number in its prompt, a moment per
/// token.
pub(crate) type Emissions = Arc<Mutex<Vec<Vec<Instant>>>>;

/// What all connections share.
pub(crate) struct Server {
    pace: Pace,
    /// Absent where it is not asked for.
    emissions: Option<Emissions>,
}

impl Server {
    /// Serves until dropped. Binds nothing itself, so that the caller knows the port.
    pub(crate) async fn serve(listener: TcpListener, pace: Pace, emissions: Option<Emissions>) {
        let server = Arc::new(Self { pace, emissions });
        while let Ok((socket, _)) = listener.accept().await {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                // A client that goes away ends its connection, and nothing else.
                let _ = server.converse(socket).await;
            });
        }
    }

    async fn converse(&self, mut socket: TcpStream) -> std::io::Result<()> {
        socket.set_nodelay(true)?;
        let mut read = Vec::new();
        loop {
            let Some(head) = fill(&mut socket, &mut read, |read| find(read, b"\r\n\r\n")).await?
            else {
                return Ok(());
            };
            let length =
                number_after(&read[..head].to_ascii_lowercase(), b"content-length:").unwrap_or(0);
            let whole = head + 4 + length;
            fill(&mut socket, &mut read, |read| (read.len() >= whole).then_some(())).await?;
            if read.starts_with(b"POST /v1/completions ") {
                self.stream(&mut socket, &read[head + 4..whole]).await?;
            } else {
                socket.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await?;
            }
            read.drain(..whole);
        }
    }

    async fn stream(&self, socket: &mut TcpStream, body: &[u8]) -> std::io::Result<()> {
        let begun = tokio::time::Instant::now();
        let tokens =
            u32::try_from(number_after(body, b"\"max_tokens\":").unwrap_or(1)).unwrap_or(1);
        let number = number_after(body, b"\"prompt\":\"").unwrap_or(0);
        // A prime of steps, so that neighbours lie apart.
        let place = self.pace.spread.mul_f64((number * 379 % 1_000) as f64 / 1_000.0);
        let mut due = begun + self.pace.first + place;
        let mut write = Vec::with_capacity(512 * self.pace.events_a_write as usize);
        write.extend_from_slice(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        let mut moments = Vec::with_capacity(tokens as usize);
        for token in 1..=tokens {
            chunk(&mut write, token, token == tokens);
            if token == tokens {
                end(&mut write, tokens);
            }
            if token % self.pace.events_a_write == 0 || token == tokens {
                if due > tokio::time::Instant::now() {
                    tokio::time::sleep_until(due).await;
                }
                due += self.pace.gap;
                if self.emissions.is_some() {
                    let now = Instant::now();
                    stamp(&mut write, now);
                    moments.resize(token as usize, now);
                }
                socket.write_all(&write).await?;
                write.clear();
            }
        }
        if let Some(emissions) = &self.emissions
            && let Some(slot) = emissions.lock().ok().as_mut().and_then(|all| all.get_mut(number))
        {
            *slot = moments;
        }
        Ok(())
    }
}

/// Where the moment of a write goes in its first event's text.
const PLACE: &[u8] = b"00000000000000000000";

/// An event as vLLM writes it, as a chunk of the transfer.
fn chunk(write: &mut Vec<u8>, token: u32, is_last: bool) {
    let reason = if is_last { "\"length\"" } else { "null" };
    let event = format!(
        "data: {{\"id\":\"cmpl-826db7bdb8748356\",\"object\":\"text_completion\",\"created\":1795311184,\"model\":\"tiny\",\
         \"choices\":[{{\"index\":0,\"text\":\"{}\",\"logprobs\":null,\"finish_reason\":{reason},\"stop_reason\":null}}],\
         \"usage\":{{\"prompt_tokens\":8,\"total_tokens\":{},\"completion_tokens\":{token}}}}}\n\n",
        std::str::from_utf8(PLACE).unwrap_or_default(),
        token + 8
    );
    transfer(write, &event);
}

fn end(write: &mut Vec<u8>, tokens: u32) {
    let total = tokens + 8;
    let usage =
        format!("{{\"prompt_tokens\":8,\"total_tokens\":{total},\"completion_tokens\":{tokens}}}");
    transfer(
        write,
        &format!("data: {{\"id\":\"cmpl-826db7bdb8748356\",\"choices\":[],\"usage\":{usage}}}\n\n"),
    );
    transfer(write, "data: [DONE]\n\n");
    write.extend_from_slice(b"0\r\n\r\n");
}

fn transfer(write: &mut Vec<u8>, event: &str) {
    write.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
}

/// Writes the moment into the stream itself, so that it can be seen on the wire too.
fn stamp(write: &mut [u8], now: Instant) {
    static ORIGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let nanos = now.saturating_duration_since(*ORIGIN.get_or_init(|| now)).as_nanos();
    if let Some(at) = find(write, PLACE) {
        write[at..at + PLACE.len()].copy_from_slice(format!("{nanos:020}").as_bytes());
    }
}

/// Reads until `whole` finds what it looks for; `None` at the connection's end.
async fn fill<T>(
    socket: &mut TcpStream,
    read: &mut Vec<u8>,
    whole: impl Fn(&[u8]) -> Option<T>,
) -> std::io::Result<Option<T>> {
    loop {
        if let Some(found) = whole(read) {
            return Ok(Some(found));
        }
        if socket.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, what)
}

fn number_after(bytes: &[u8], name: &[u8]) -> Option<usize> {
    let rest = bytes[find(bytes, name)? + name.len()..].trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}
