//! The floor: the least that any client could do. [`burst`] looks at the first bytes of an answer;
//! [`streams`] reads every byte of it and stamps every read, and looks at nothing else.
//!
//! What it measures above the server's own delay is the server, the kernel and the machine; what it
//! costs is what the same bytes cost any client that waits for each of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends so many requests at once, each on a connection that has answered before, and gives each
/// one's time to the first bytes of its answer, in milliseconds from the moment at which all were
/// due.
pub(crate) async fn burst(address: &str, requests: u32) -> Vec<f64> {
    let mut sockets = Vec::new();
    for _ in 0..requests {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        sockets.push(socket);
    }
    let (sockets, _) = once(sockets).await;
    once(sockets).await.1
}

/// Sends so many requests, `concurrency` at a time on a connection each, reads their answers to the
/// end and keeps a stamp of every read. Gives each one's time to the first bytes, in milliseconds.
pub(crate) async fn streams(
    address: &str,
    requests: u32,
    concurrency: u32,
    tokens: u32,
) -> Vec<f64> {
    let left = Arc::new(AtomicU32::new(requests));
    let request: Arc<str> = request(tokens).into();
    let due = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..concurrency {
        let (address, request, left) =
            (address.to_owned(), Arc::clone(&request), Arc::clone(&left));
        tasks.push(tokio::spawn(async move {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.set_nodelay(true).unwrap();
            let mut answers = Vec::new();
            let mut begun = due;
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
            {
                socket.write_all(request.as_bytes()).await.unwrap();
                answers.push((begun, stamps(&mut socket).await));
                begun = Instant::now();
            }
            answers
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        let answers = task.await.unwrap();
        times.extend(answers.iter().map(|(begun, stamps)| {
            stamps[0].saturating_duration_since(*begun).as_secs_f64() * 1_000.0
        }));
    }
    times
}

/// How a response in chunks ends.
const END: &[u8] = b"\r\n0\r\n\r\n";

/// Reads one response to its end: when each of its pieces came.
async fn stamps(socket: &mut TcpStream) -> Vec<Instant> {
    let mut stamps = Vec::new();
    let mut buffer = vec![0; 16_384];
    // The end of what came before, for an end that two reads share.
    let mut held = 0;
    loop {
        let read = socket.read(&mut buffer[held..]).await.unwrap();
        assert!(read > 0, "the server closed the connection");
        stamps.push(Instant::now());
        let all = held + read;
        if buffer[..all].ends_with(END) {
            return stamps;
        }
        let kept = all.min(END.len());
        buffer.copy_within(all - kept..all, 0);
        held = kept;
    }
}

fn request(tokens: u32) -> String {
    let body = format!(r#"{{"model":"tiny","prompt":"hi","max_tokens":{tokens},"stream":true}}"#);
    let length = body.len();
    format!("POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
}

async fn once(sockets: Vec<TcpStream>) -> (Vec<TcpStream>, Vec<f64>) {
    let request: Arc<str> = request(1).into();
    let due = Instant::now();
    let exchange = |mut socket: TcpStream| {
        let request = Arc::clone(&request);
        tokio::spawn(async move {
            socket.write_all(request.as_bytes()).await.unwrap();
            // One token's answer is one write.
            let mut answer = [0; 4_096];
            assert!(socket.read(&mut answer).await.unwrap() > 0);
            (socket, due.elapsed().as_secs_f64() * 1_000.0)
        })
    };
    let tasks: Vec<_> = sockets.into_iter().map(exchange).collect();
    let (mut sockets, mut times) = (Vec::new(), Vec::new());
    for task in tasks {
        let (socket, time) = task.await.unwrap();
        sockets.push(socket);
        times.push(time);
    }
    (sockets, times)
}
