//! The least that any client could see of a burst: [`burst`] writes prepared bytes and looks at
//! nothing.
//!
//! What it measures above the server's own delay is the server, the kernel and the machine.

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

async fn once(sockets: Vec<TcpStream>) -> (Vec<TcpStream>, Vec<f64>) {
    let body = r#"{"model":"tiny","prompt":"hi","max_tokens":1,"stream":true}"#;
    let length = body.len();
    let request: std::sync::Arc<str> = format!(
        "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into();
    let due = Instant::now();
    let exchange = |mut socket: TcpStream| {
        let request = std::sync::Arc::clone(&request);
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
