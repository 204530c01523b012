//! `perf-sim serve` starts, serves and ends as `vllm serve` does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn perf_sim(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perf-sim"));
    command
        .args(args.split_whitespace())
        .env("PERF_SIM_PROFILE", "tiny-cpu")
        .env("PERF_SIM_STARTUP_MS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn output(args: &str) -> (i32, String) {
    let Output { status, stderr, .. } = perf_sim(args).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

/// A server that is ready, on a port that was free.
fn ready(injection: &str) -> (Child, u16) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = perf_sim(&format!("serve tiny --host 127.0.0.1 --port {port}"))
        .env("PERF_SIM_INJECT", injection)
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let mut lines = log.lines().map(Result::unwrap);
    assert!(
        lines.any(|line| line.contains("Application startup complete.")),
        "it ended before it was ready"
    );
    // A program that writes to a closed pipe is killed: read to the end.
    std::thread::spawn(move || lines.for_each(drop));
    (child, port)
}

fn http(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn stream(port: u16) -> String {
    let body = r#"{"prompt":[9,8,7],"max_tokens":6,"ignore_eos":true,"stream":true}"#;
    let head = "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json";
    http(port, &format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

#[test]
fn an_unknown_flag_ends_with_exit_code_2() {
    let (code, log) = output("serve tiny --port 8399 --no-such-flag 3");
    assert_eq!(code, 2);
    assert!(log.ends_with("vllm: error: unrecognized arguments: --no-such-flag 3\n"), "{log}");
}

#[test]
fn a_model_path_that_does_not_exist_ends_with_exit_code_1() {
    let (code, log) = output("serve /no/such/model --host 127.0.0.1 --port 0");
    assert_eq!(code, 1);
    assert!(log.contains("Repo id must be in the form"), "{log}");
}

#[test]
fn a_taken_port_ends_with_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, log) = output(&format!("serve tiny --host 127.0.0.1 --port {port}"));
    assert_eq!(code, 1);
    assert!(log.contains("OSError: [Errno 98] Address already in use"), "{log}");
}

#[test]
fn a_wrong_setting_is_named() {
    let Output { status, stderr, .. } =
        perf_sim("serve tiny --port 0").env("PERF_SIM_INJECT", "dekode=2").output().unwrap();
    let message = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2));
    assert!(
        message
            .contains("PERF_SIM_INJECT=`dekode=2`: cannot inject `dekode`; did you mean `decode`?"),
        "{message}"
    );
}

#[test]
fn it_streams_over_a_socket_and_ends_with_0_when_it_is_terminated() {
    let (mut child, port) = ready("");
    let answer = stream(port);
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("data: [DONE]"),
        "{answer}"
    );
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn it_ends_with_0_when_its_engine_dies() {
    let (mut child, port) = ready("die-after=0");
    let answer = stream(port);
    assert!(answer.contains("EngineCore encountered an issue"), "{answer}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn help_documents_the_environment() {
    let Output { status, stdout, .. } = perf_sim("--help").output().unwrap();
    let help = String::from_utf8(stdout).unwrap();
    assert!(
        status.success() && help.contains("PERF_SIM_INJECT") && help.contains("Examples:"),
        "{help}"
    );
}
