//! Several servers behind one address: their counters are recognised, left out, or added up.

#![expect(clippy::unwrap_used, reason = "a helper that unwraps fails the test that calls it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use perf_clock::Clock;
use perf_load::{Endpoint, LoadError, Measured, measure};
use perf_model::record::cache_reset::CacheReset;
use perf_model::record::counter_source::CounterSource;
use perf_model::spec::load::{Arrivals, Load, OutputLength, Prompts, Workload};

/// One server: its output tokens so far, and when it was started.
#[derive(Default)]
struct Replica {
    tokens: AtomicU64,
    started: Option<&'static str>,
    /// How often its prefix cache was reset, where it offers that.
    resets: Option<AtomicU64>,
}

impl Replica {
    fn metrics(&self) -> String {
        let started = self
            .started
            .map_or_else(String::new, |started| format!("process_start_time_seconds {started}\n"));
        let tokens = self.tokens.load(Ordering::SeqCst);
        format!("{started}vllm:generation_tokens_total{{engine=\"0\"}} {tokens}.0\n")
    }
}

fn replica(tokens: u64, started: Option<&'static str>) -> Arc<Replica> {
    Arc::new(Replica { tokens: tokens.into(), started, resets: None })
}

fn resettable() -> Arc<Replica> {
    Arc::new(Replica { resets: Some(AtomicU64::new(0)), ..Replica::default() })
}

/// An address at which these servers answer in turn.
fn address(replicas: &[Arc<Replica>]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (replicas, turn) = (replicas.to_vec(), Arc::new(AtomicUsize::new(0)));
    let sockets = Mutex::new(listener);
    std::thread::spawn(move || {
        for socket in sockets.lock().unwrap().incoming() {
            let (replicas, turn) = (replicas.clone(), Arc::clone(&turn));
            std::thread::spawn(move || {
                let mut socket = socket.unwrap();
                while let Some(head) = read_request(&mut socket) {
                    let replica = &replicas[turn.fetch_add(1, Ordering::SeqCst) % replicas.len()];
                    socket.write_all(answer(&head, replica).as_bytes()).unwrap();
                }
            });
        }
    });
    url
}

fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if socket.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    socket.read_exact(&mut vec![0; length.parse().unwrap()]).ok()?;
    Some(head)
}

fn answer(head: &str, replica: &Replica) -> String {
    let (status, body) = if head.starts_with("GET /metrics ") {
        ("200 OK", replica.metrics())
    } else if head.contains("/v1/completions") {
        replica.tokens.fetch_add(1, Ordering::SeqCst);
        let chunk = r#"{"choices":[{"text":"x","finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
        ("200 OK", format!("data: {chunk}\n\ndata: [DONE]\n\n"))
    } else if head.starts_with("POST /reset_prefix_cache ")
        && let Some(resets) = &replica.resets
    {
        resets.fetch_add(1, Ordering::SeqCst);
        ("200 OK", String::new())
    } else {
        ("404 Not Found", String::new())
    };
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn measured(url: &str, metrics: &[String]) -> Result<Measured, LoadError> {
    let load = Load {
        workload: Workload {
            prompts: Prompts::Text("hi".to_owned()),
            output: OutputLength::Exactly(1),
            ..perf_model::fixtures::load().workload
        },
        arrivals: Arrivals::Concurrency(2),
        requests: 6,
        warmup: 1,
        objectives: Vec::new(),
        ..perf_model::fixtures::load()
    };
    let endpoint = Endpoint::http(url).unwrap().with_metrics_of(metrics).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure(&load, &endpoint, "tiny", 7, Clock::real(), &mut |_| {}))
}

#[test]
fn counters_of_several_servers_are_left_out() {
    for started in [[None, None], [Some("1.79e+09"), Some("1.79000001e+09")]] {
        let url = address(&[replica(1_000, started[0]), replica(50_000, started[1])]);
        let measured = measured(&url, &[]).unwrap();
        assert_eq!(measured.server, None);
        assert!(matches!(measured.counters, Some(CounterSource::Several { .. })), "{measured:?}");
        let remark = measured.counters.and_then(CounterSource::remark).unwrap().message;
        assert!(remark.contains("--metrics-url"), "{remark}");
    }
}

#[test]
fn counters_of_a_list_of_servers_are_added_up() {
    let replicas = [replica(1_000, None), replica(50_000, None)];
    let metrics = [address(&replicas[..1]), format!("{}/metrics", address(&replicas[1..]))];
    let measured = measured(&address(&replicas), &metrics).unwrap();
    let counts = measured.server.unwrap();
    assert_eq!((counts.output_tokens, counts.lost), (Some(6), false));
    assert_eq!(measured.counters, Some(CounterSource::Listed { servers: 2 }));
}

#[test]
fn one_server_is_counted_as_ever() {
    let measured = measured(&address(&[replica(1_000, Some("1.79e+09"))]), &[]).unwrap();
    assert_eq!(measured.server.unwrap().output_tokens, Some(6));
    assert_eq!(measured.counters, None);
}

#[test]
fn metrics_that_are_not_there_are_an_error_with_their_address() {
    let url = address(&[replica(1, None)]);
    let error = measured(&url, &[format!("{url}/none")]).unwrap_err().to_string();
    assert!(
        error.contains(&format!("{url}/none cannot be read: 404 Not Found; correct --metrics-url")),
        "{error}"
    );
}

#[test]
fn the_prefix_cache_of_every_listed_server_is_reset() {
    let replicas = [resettable(), resettable()];
    let metrics = [address(&replicas[..1]), format!("{}/metrics", address(&replicas[1..]))];
    let measured = measured(&address(&replicas), &metrics).unwrap();
    assert_eq!(measured.cache_reset, Some(CacheReset::Done));
    let resets = replicas.map(|replica| replica.resets.as_ref().unwrap().load(Ordering::SeqCst));
    assert_eq!(resets, [1, 1]);
}

#[test]
fn a_listed_server_that_cannot_reset_its_prefix_cache_is_named() {
    let replicas = [resettable(), replica(1, None)];
    let metrics = [address(&replicas[..1]), address(&replicas[1..])];
    let measured = measured(&address(&replicas), &metrics).unwrap();
    let said = format!("1 of 2 did not: {} does not offer it", metrics[1]);
    assert_eq!(measured.cache_reset, Some(CacheReset::Refused(said)));
}
