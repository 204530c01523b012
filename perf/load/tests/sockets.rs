//! What the client makes of real connections on loopback: that they are kept and used again, and
//! what is sent twice and what never is. Nothing here waits: the clock stands still but for one
//! leap.

#![expect(clippy::unwrap_used, reason = "a helper that unwraps fails the test that calls it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use perf_clock::Clock;
use perf_load::{Endpoint, measure};
use perf_model::record::sample::{FailureKind, Outcome, Sample};
use perf_model::spec::load::{Arrivals, Load, OutputLength, Prompts, Workload};

/// What was asked on each connection, in the order they were made.
type Asked = Arc<Mutex<Vec<usize>>>;

fn load(requests: u32) -> Load {
    Load {
        name: "sockets".to_owned(),
        workload: Workload {
            prompts: Prompts::Text("hi".to_owned()),
            output: OutputLength::Exactly(1),
            ..perf_model::fixtures::load().workload
        },
        arrivals: Arrivals::OneAtATime,
        requests,
        warmup: 0,
        objectives: Vec::new(),
        ..perf_model::fixtures::load()
    }
}

/// A whole answer of one token, with a length or in chunks.
fn answer(chunked: bool, close: bool) -> String {
    let body = "data: {\"choices\":[{\"text\":\"x\",\"finish_reason\":\"length\"}],\
                \"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";
    let close = if close { "connection: close\r\n" } else { "" };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{close}");
    if chunked {
        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    } else {
        format!("{head}content-length: {}\r\n\r\n{body}", body.len())
    }
}

/// Reads one POST; `None` when the client has gone. Other questions are answered with 404.
fn read_post(socket: &mut TcpStream) -> Option<String> {
    loop {
        let mut read = Vec::new();
        let head = loop {
            if let Some(at) = memchr::memmem::find(&read, b"\r\n\r\n") {
                break at;
            }
            let mut byte = [0];
            if socket.read(&mut byte).ok()? == 0 {
                return None;
            }
            read.push(byte[0]);
        };
        let head = String::from_utf8(read[..head].to_vec()).unwrap();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        socket.read_exact(&mut vec![0; length.parse().unwrap()]).ok()?;
        if head.starts_with("POST") && head.contains("/v1/") {
            return Some(head);
        }
        socket.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

/// A server that treats the n-th connection, from 0, by `serve`, which is given what counts its
/// requests.
fn server(
    serve: impl Fn(usize, TcpStream, &mut dyn FnMut()) + Send + Sync + 'static,
) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Asked::default();
    let (log, serve) = (Arc::clone(&asked), Arc::new(serve));
    std::thread::spawn(move || {
        for (number, socket) in listener.incoming().enumerate() {
            log.lock().unwrap().push(0);
            let (log, serve) = (Arc::clone(&log), Arc::clone(&serve));
            std::thread::spawn(move || {
                serve(number, socket.unwrap(), &mut || log.lock().unwrap()[number] += 1);
            });
        }
    });
    (url, asked)
}

fn measured(url: &str, requests: u32) -> Vec<Sample> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(&Endpoint::http(url).unwrap(), requests))
}

async fn run(endpoint: &Endpoint, requests: u32) -> Vec<Sample> {
    let mut samples = Vec::new();
    measure(&load(requests), endpoint, "tiny", 7, Clock::real(), &mut |sample| {
        samples.push(sample);
    })
    .await
    .unwrap();
    samples
}

fn kind(sample: &Sample) -> Option<FailureKind> {
    match &sample.outcome {
        Outcome::Succeeded => None,
        Outcome::Failed { kind, .. } => Some(*kind),
    }
}

fn answering(chunked: bool) -> impl Fn(usize, TcpStream, &mut dyn FnMut()) + Send + Sync {
    move |_, mut socket, count| {
        while read_post(&mut socket).is_some() {
            count();
            socket.write_all(answer(chunked, false).as_bytes()).unwrap();
        }
    }
}

#[test]
fn one_connection_carries_one_request_after_the_other() {
    for chunked in [false, true] {
        let (url, asked) = server(answering(chunked));
        let samples = measured(&url, 20);
        assert!(samples.iter().all(Sample::succeeded), "{samples:?}");
        assert_eq!(*asked.lock().unwrap(), [20]);
    }
}

#[test]
fn a_connection_that_the_server_ends_after_its_answer_is_followed_by_another() {
    let (url, asked) = server(|_, mut socket, count| {
        if read_post(&mut socket).is_some() {
            count();
            socket.write_all(answer(true, true).as_bytes()).unwrap();
        }
    });
    let samples = measured(&url, 5);
    assert!(samples.iter().all(Sample::succeeded), "{samples:?}");
    assert_eq!(asked.lock().unwrap().iter().sum::<usize>(), 5);
}

#[test]
fn a_request_whose_kept_connection_ends_without_an_answer_is_sent_once_more_and_says_so() {
    let (url, asked) = server(|number, mut socket, count| {
        for request in 0.. {
            if read_post(&mut socket).is_none() {
                return;
            }
            count();
            // The first connection ends under its second request.
            if number == 0 && request == 1 {
                return;
            }
            socket.write_all(answer(false, false).as_bytes()).unwrap();
        }
    });
    let samples = measured(&url, 3);
    assert!(samples.iter().all(Sample::succeeded), "{samples:?}");
    assert_eq!(
        samples.iter().map(|sample| sample.resent).collect::<Vec<_>>(),
        [false, true, false]
    );
    assert_eq!(*asked.lock().unwrap(), [2, 2]);
}

#[test]
fn a_request_whose_answer_had_begun_is_never_sent_again() {
    for begun in
        ["H", "HTTP/1.1 200 OK\r\ncontent-", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"]
    {
        let (url, asked) = server(move |_, mut socket, count| {
            for request in 0.. {
                if read_post(&mut socket).is_none() {
                    return;
                }
                count();
                let whole = answer(false, false);
                socket.write_all(if request == 0 { &whole } else { begun }.as_bytes()).unwrap();
                if request == 1 {
                    return;
                }
            }
        });
        let samples = measured(&url, 2);
        assert!(samples[0].succeeded() && !samples[1].succeeded(), "{samples:?}");
        assert_eq!(*asked.lock().unwrap(), [2], "after {begun:?}");
    }
}

#[test]
fn a_request_on_a_new_connection_is_never_sent_again_nor_any_a_third_time() {
    let (url, asked) = server(|_, mut socket, count| {
        if read_post(&mut socket).is_some() {
            count();
        }
    });
    let samples = measured(&url, 3);
    assert!(
        samples.iter().all(|sample| kind(sample) == Some(FailureKind::Connection)),
        "{samples:?}"
    );
    // The connection of the first had carried the questions before the load.
    let again = |sample: &Sample| matches!(&sample.outcome, Outcome::Failed { detail, .. } if detail.ends_with("once more"));
    assert_eq!(samples.iter().map(again).collect::<Vec<_>>(), [true, false, false], "{samples:?}");
    assert_eq!(*asked.lock().unwrap(), [1, 1, 1, 1]);
}

#[test]
fn a_body_that_stops_midway_is_cut_short_and_its_connection_is_not_used_again() {
    for chunked in [false, true] {
        let (url, asked) = server(move |_, mut socket, count| {
            if read_post(&mut socket).is_some() {
                count();
                let whole = answer(chunked, false);
                socket.write_all(&whole.as_bytes()[..whole.len() - 30]).unwrap();
            }
        });
        let samples = measured(&url, 2);
        assert!(
            samples.iter().all(|sample| kind(sample) == Some(FailureKind::CutShort)),
            "{samples:?}"
        );
        assert_eq!(*asked.lock().unwrap(), [1, 1]);
    }
}

#[test]
fn bytes_that_are_not_http_are_shown_and_a_redirect_is_named_and_not_followed() {
    let replying = |text: &'static str| {
        let (url, asked) = server(move |_, mut socket, count| {
            while read_post(&mut socket).is_some() {
                count();
                socket.write_all(text.as_bytes()).unwrap();
            }
        });
        let samples = measured(&url, 1);
        assert_eq!(asked.lock().unwrap().iter().sum::<usize>(), 1);
        match &samples[0].outcome {
            Outcome::Failed { kind, detail } => (*kind, detail.clone()),
            Outcome::Succeeded => panic!("{samples:?}"),
        }
    };
    let (kind, detail) = replying("220 mail.example ESMTP\r\n\r\n");
    assert_eq!(kind, FailureKind::Malformed);
    assert!(detail.ends_with("it begins with \"220 mail.example ESMTP\\r\\n\\r\\n\""), "{detail}");
    let (kind, detail) =
        replying("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n");
    assert_eq!(kind, FailureKind::Malformed);
    assert_eq!(detail, "the response has two different content lengths: 5 and 6");
    let redirect =
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
    let words = "307 Temporary Redirect: a redirect to /elsewhere, which is not followed";
    assert_eq!(replying(redirect), (FailureKind::Redirected, words.to_owned()));
}

#[test]
fn a_connection_that_was_idle_for_long_is_not_used_again() {
    let (url, asked) = server(answering(true));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::http(&url).unwrap();
        run(&endpoint, 2).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_millis(2_900)).await;
        tokio::time::resume();
        run(&endpoint, 1).await;
        assert_eq!(*asked.lock().unwrap(), [3]);
        tokio::time::pause();
        tokio::time::advance(Duration::from_millis(3_100)).await;
        tokio::time::resume();
        run(&endpoint, 1).await;
    });
    assert_eq!(*asked.lock().unwrap(), [3, 1]);
}

#[test]
fn a_path_before_the_api_is_kept_and_the_host_is_named() {
    let (url, _) = server(|_, mut socket, _| {
        while let Some(head) = read_post(&mut socket) {
            let port = socket.local_addr().unwrap().port();
            assert!(head.starts_with("POST /vllm/v1/completions HTTP/1.1\r\n"), "{head}");
            assert!(head.contains(&format!("host: 127.0.0.1:{port}")), "{head}");
            socket.write_all(answer(true, false).as_bytes()).unwrap();
        }
    });
    assert!(measured(&format!("{url}vllm/"), 1)[0].succeeded());
}
