//! The API key reaches the server and nothing else, even where the server repeats it everywhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const CANARY: &str = "canary-5f0c/4e\"2";

/// Where a server repeats the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeats {
    Nowhere,
    Refusal,
    LongRefusal,
    Redirect,
    Models,
    Stream,
    Foreign,
    FinishReason,
    Garbage,
    CacheReset,
    RefusedField,
}

/// A server on loopback that demands the key, and counts the requests that have it.
fn server(repeats: Repeats) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let keyed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&keyed);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let counter = Arc::clone(&counter);
            std::thread::spawn(move || answer(socket.unwrap(), repeats, &counter));
        }
    });
    (url, keyed)
}

/// Answers one request and hangs up.
fn answer(socket: TcpStream, repeats: Repeats, keyed: &AtomicUsize) -> Option<()> {
    let mut socket = BufReader::new(socket);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if socket.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    socket.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    let key = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
    let Some(key) = key else {
        let refused = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return socket.get_mut().write_all(refused.as_bytes()).ok();
    };
    keyed.fetch_add(1, Ordering::SeqCst);
    let quoted = serde_json::Value::from(key).to_string();
    let chunk = |reason: &str| {
        format!(
            "data: {{\"choices\":[{{\"text\":\"x\",\"finish_reason\":{reason}}}],\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":1}}}}\n\n"
        )
    };
    let done = "data: [DONE]\n\n";
    let is_load = head.starts_with("POST /v1/completions ");
    let (status, more, body) = match repeats {
        _ if head.starts_with("GET /v1/models ") => {
            let name = if repeats == Repeats::Models { quoted.as_str() } else { "\"m\"" };
            ("200 OK", String::new(), format!("{{\"data\":[{{\"id\":{name}}}]}}"))
        }
        Repeats::Models if head.starts_with("GET /version ") => {
            ("200 OK", String::new(), format!("{{\"version\":{quoted}}}"))
        }
        Repeats::CacheReset if head.starts_with("POST /reset") => {
            ("503 Busy", String::new(), format!("{{\"error\":\"{} {quoted}\"", "x".repeat(180)))
        }
        _ if !is_load => ("404 Not Found", String::new(), String::new()),
        Repeats::Refusal => {
            ("403 Forbidden", String::new(), format!("{{\"error\":{{\"message\":{quoted}}}}}"))
        }
        Repeats::LongRefusal => {
            ("403 Forbidden", String::new(), format!("{} {key}", "x".repeat(188)))
        }
        Repeats::Redirect => {
            ("307 Temporary Redirect", format!("location: /?key={key}\r\n"), String::new())
        }
        Repeats::Stream => (
            "200 OK",
            String::new(),
            format!("data: {{\"error\":{{\"message\":{quoted}}}}}\n\n{done}"),
        ),
        Repeats::Foreign => {
            ("200 OK", String::new(), format!("{key}\n{}{done}", chunk("\"length\"")))
        }
        Repeats::FinishReason => ("200 OK", String::new(), chunk(&quoted) + done),
        Repeats::Garbage => {
            let _ = socket.get_mut().write_all(format!("{key} and so on\r\n\r\n").as_bytes());
            return None;
        }
        Repeats::RefusedField if body.contains("cache_salt") => {
            ("400 Bad Request", String::new(), format!("cache_salt is unknown to {key}"))
        }
        _ => ("200 OK", String::new(), chunk("\"length\"") + done),
    };
    let head = format!("HTTP/1.1 {status}\r\n{more}connection: close\r\n\r\n{body}");
    socket.get_mut().write_all(head.as_bytes()).ok()
}

fn load(url: &str, key: Option<&str>, folder: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perf-load"));
    command.env_remove("OPENAI_API_KEY").env_remove("VLLM_API_KEY");
    if let Some(key) = key {
        command.env("VLLM_API_KEY", key);
    }
    command
        .args(["--url", url, "--lateness-limit", "60000", "--requests", "2"])
        .args(["--output", "exactly:1", "--prompts", "text:hi", "--records"])
        .arg(folder)
        .args(options)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// All that was printed and written.
fn said(output: &Output, folder: &Path) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

/// That no part of the key that would help anybody is in a text.
fn assert_clean(text: &str, what: &str) {
    for part in ["canary-5f0c", "5f0c/4e"] {
        assert!(!text.contains(part), "{what}: {text}");
    }
}

#[test]
fn the_key_is_in_no_record_and_no_message_where_the_server_repeats_it() {
    for repeats in [
        Repeats::Nowhere,
        Repeats::Refusal,
        Repeats::LongRefusal,
        Repeats::Redirect,
        Repeats::Models,
        Repeats::Stream,
        Repeats::Foreign,
        Repeats::FinishReason,
        Repeats::Garbage,
        Repeats::CacheReset,
        Repeats::RefusedField,
    ] {
        let (url, keyed) = server(repeats);
        for options in [&[][..], &["--warmup", "0"], &["--format", "json", "--warmup", "0"]] {
            let folder = tempfile::tempdir().unwrap();
            let output = load(&url, Some(CANARY), folder.path(), options);
            let text = said(&output, folder.path());
            assert_clean(&text, &format!("{repeats:?}"));
            assert!(text.contains("the API key of VLLM_API_KEY goes with every request"), "{text}");
        }
        assert!(keyed.load(Ordering::SeqCst) > 3, "{repeats:?}");
    }
}

#[test]
fn a_key_that_is_missing_or_refused_is_said_with_what_to_do() {
    let (url, _) = server(Repeats::Nowhere);
    let folder = tempfile::tempdir().unwrap();
    let without = load(&url, None, folder.path(), &[]);
    let text = said(&without, folder.path());
    assert_eq!(without.status.code(), Some(4), "{text}");
    assert!(
        text.contains("no API key was sent; set it in the environment as VLLM_API_KEY"),
        "{text}"
    );
    let (url, _) = server(Repeats::Refusal);
    let refused = said(&load(&url, Some(CANARY), folder.path(), &[]), folder.path());
    assert!(
        refused.contains("the API key of VLLM_API_KEY was sent, and may not do this"),
        "{refused}"
    );
}

#[test]
fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
    let (url, keyed) = server(Repeats::Nowhere);
    let folder = tempfile::tempdir().unwrap();
    let bearer = format!("Authorization: Bearer {CANARY}");
    for header in [bearer.as_str(), "X-Api-Key: canary-5f0c", "canary-5f0c"] {
        let output = load(&url, None, folder.path(), &["--header", header]);
        let text = said(&output, folder.path());
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert_clean(&text, header);
        assert!(text.contains("env:VARIABLE"), "{text}");
    }
    assert_eq!(keyed.load(Ordering::SeqCst), 0);
    // perf.toml names a variable as well.
    std::fs::write(folder.path().join("perf.toml"), "[remote]\napi_key_env = \"NO_SUCH_KEY\"\n")
        .unwrap();
    let text = said(&load(&url, Some(CANARY), folder.path(), &[]), folder.path());
    assert!(text.contains("the environment variable NO_SUCH_KEY"), "{text}");
}
