//! `perf-load` against the simulated vLLM on a port of this machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod search;
mod server;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use perf_model::record::file::{CacheReset, Record};
use serde_json::Value;

/// A server on loopback that answers so many completions with a token each, and then
/// refuses every connection.
fn mortal(completions: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let left = Arc::new(AtomicUsize::new(completions));
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let left = Arc::clone(&left);
            std::thread::spawn(move || answer(socket.unwrap(), &left));
        }
    });
    url
}

/// Answers one request and hangs up.
fn answer(socket: TcpStream, left: &AtomicUsize) -> Option<()> {
    let mut socket = BufReader::new(socket);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if socket.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    std::io::copy(
        &mut socket.by_ref().take(length.map_or(0, |length| length.parse().unwrap())),
        &mut std::io::sink(),
    )
    .ok()?;
    let (status, body) = if head.starts_with("POST /v1/completions ") {
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).ok()?;
        let chunk = r#"{"choices":[{"text":"x","finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
        ("200 OK", format!("data: {chunk}\n\ndata: [DONE]\n\n"))
    } else {
        ("404 Not Found", String::new())
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}"
    );
    socket.get_mut().write_all(head.as_bytes()).ok()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs `perf-load` with options parted by spaces. However busy this machine is, the client is not
/// called the limit.
fn load(url: &str, options: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perf-load"));
    command
        .args(["--url", url, "--lateness-limit", "60000"])
        .args(options.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn loads_of_every_kind_are_measured_recorded_and_reported() {
    let server = server::start();
    let folder = tempfile::tempdir().unwrap();
    let shown = folder.path().display();
    let trace = folder.path().join("trace.jsonl");
    std::fs::write(
        &trace,
        "{\"timestamp\":0,\"input_length\":9,\"output_length\":3}\n{\"timestamp\":5,\"input_length\":4,\"output_length\":2}\n",
    )
    .unwrap();

    let json = load(
        &server.url,
        &format!(
            "--prompts random:8..24 --output exactly:2..6 --arrivals concurrent:3 --requests 9 --objective ttft=60000 \
             --seed 5 --format json --records {shown} --name mixed"
        ),
    );
    assert_eq!(code(&json), 0, "{}", text(&json.stderr));
    let result: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&result["model"], &result["seed"], &result["complete"]),
        (&"tiny".into(), &5.into(), &true.into())
    );
    assert_eq!(result["summary"]["output_tokens"], result["server"]["output_tokens"]);
    assert_eq!(result["server"]["prefix_hits"], 0);
    let record = std::fs::read_to_string(folder.path().join("load/start-1/mixed.jsonl")).unwrap();
    let record = Record::parse(&record).unwrap();
    assert!(record.is_complete());
    assert_eq!((record.samples.len(), record.header.seed), (9, 5));

    for options in [
        "--chat --prompts conversation:2,5 --output at-most:4 --arrivals concurrent:2 --requests 4"
            .to_owned(),
        "--prompts prefix:2,32,8 --output exactly:3 --arrivals gamma:200,0.5 --requests 4"
            .to_owned(),
        "--prompts verse:1,2 --output exactly:3 --arrivals ramp:100,300 --requests 4".to_owned(),
        format!("--prompts trace:{} --arrivals recorded --requests 2", trace.display()),
        "--chat --not-streamed --output exactly:3 --arrivals waves:2 --requests 4".to_owned(),
    ] {
        let output = load(&server.url, &options);
        assert_eq!(code(&output), 0, "{options}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains("output throughput [tok/s]"), "{options}");
    }

    let sweep = load(&server.url, "--sweep concurrency=1,2 --output exactly:3 --requests 4");
    let table = text(&sweep.stdout);
    assert!(
        code(&sweep) == 0 && table.contains("1 concurrent") && table.contains("2 concurrent"),
        "{table}"
    );

    // A second run with the seed of the first asks the same, and finds none of it cached: its salt
    // is another.
    let long = "--prompts random:64 --output exactly:2 --requests 3 --seed 11";
    assert_eq!(code(&load(&server.url, long)), 0);
    let again = load(&server.url, long);
    assert_eq!(code(&again), 0, "{}", text(&again.stderr));
}

#[test]
fn the_client_the_servers_own_times_and_its_cache_are_in_the_record() {
    let server =
        server::start_with(&["--enable-per-request-metrics"], &[("VLLM_SERVER_DEV_MODE", "1")]);
    let folder = tempfile::tempdir().unwrap();
    let options = format!(
        "--output exactly:3 --arrivals poisson:200 --requests 20 --format json --records {}",
        folder.path().display()
    );
    let output = load(&server.url, &options);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let record = std::fs::read_to_string(folder.path().join("load/start-1/load.jsonl")).unwrap();
    let record = Record::parse(&record).unwrap();
    let calibration = record.header.calibration.unwrap();
    assert!(calibration.events_per_second > 0, "{calibration:?}");
    let end = record.end.unwrap();
    assert_eq!(end.cache_reset, Some(CacheReset::Done));
    let client = end.client.unwrap();
    assert!(client.wall_us > 0 && client.cpu_us > 0 && client.threads > 0, "{client:?}");
    for sample in &record.samples {
        let times = sample.server.unwrap();
        let seen_ms = (sample.last_token_us() - sample.sent_us) as f64 / 1_000.0;
        // Both run on one machine's clock, and the server's time lies inside the client's.
        assert!(times.e2e_ms().unwrap() <= seen_ms, "{sample:?}");
    }
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&result["cache_reset"], &result["client"]["threads"]),
        (&"done".into(), &client.threads.into())
    );
    assert!(result["calibration"]["lateness_p99_us"].is_u64(), "{result}");

    let shown = load(&server.url, "--output exactly:3 --arrivals poisson:200 --requests 20");
    let table = text(&shown.stdout);
    for line in [
        "sends late P99 [ms]",
        "client [cores]",
        "calibration of the load generator",
        "the prefix cache was reset",
    ] {
        assert!(table.contains(line), "{line}: {table}");
    }
}

#[test]
fn the_file_of_vllm_bench_is_saved_with_its_keys() {
    let server = server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("result.json");
    let options = format!(
        "--output exactly:4 --arrivals concurrent:2 --requests 4 --format vllm-bench --save {}",
        file.display()
    );
    let output = load(&server.url, &options);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("TTFT P50 [ms]"));
    let saved = std::fs::read_to_string(file).unwrap();
    let value: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!((&value["completed"], &value["total_output_tokens"]), (&4.into(), &16.into()));
    assert_eq!(perf_model::interop::vllm_bench::read(&saved, "r").unwrap().samples.len(), 4);
}

#[test]
fn a_sweep_that_cannot_go_on_tells_and_saves_what_it_has() {
    let server = server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sweep.json");
    // A record that is a folder cannot be written: the second point fails with any
    // server.
    std::fs::create_dir_all(folder.path().join("load/start-1/load-concurrency-2.jsonl")).unwrap();
    let options = format!(
        "--sweep concurrency=1,2,4 --output exactly:3 --requests 8 --format json --save {} --records {}",
        file.display(),
        folder.path().display()
    );
    let output = load(&server.url, &options);
    let said = text(&output.stderr);
    assert_eq!(code(&output), 2, "{said}");
    assert!(said.contains("1 of 3 points were measured; the next could not be"), "{said}");
    assert!(said.contains("load-concurrency-2.jsonl: Is a directory"), "{said}");
    assert!(text(&output.stdout).contains("1 concurrent"), "{}", text(&output.stdout));
    let saved: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let [first] = &saved.as_array().unwrap()[..] else { panic!("{saved}") };
    assert_eq!((&first["load"], &first["complete"]), (&"load-concurrency-1".into(), &true.into()));
}

#[test]
fn a_model_that_the_server_does_not_have_is_reported_with_those_it_has() {
    let server = server::start();
    for (options, code_is) in [("--model tinny", 4), ("--model tinny --warmup 0 --requests 2", 4)] {
        let output = load(&server.url, options);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(code(&output), code_is, "{said}");
        assert!(
            said.contains("the server does not list the model `tinny`; it has `tiny`: take one"),
            "{said}"
        );
    }
}

#[test]
fn a_server_that_dies_between_two_points_leaves_the_first() {
    // Twenty POSTs of the first point and its warm-up are answered; later ones are refused.
    let url = mortal(21);
    let output =
        load(&url, "--model tiny --prompts text:hi --output exactly:1 --sweep concurrency=1,2");
    let said = text(&output.stderr);
    assert_eq!(code(&output), 4, "{said}");
    assert!(said.contains("1 of 2 points were measured; the next could not be"), "{said}");
    // Either of the two may be reported first.
    assert!(
        said.contains(
            " of 2 to warm up the load `load-concurrency-2` failed, so nothing was measured"
        ),
        "{said}"
    );
    assert!(text(&output.stdout).contains("1 concurrent"), "{}", text(&output.stdout));
}

#[test]
fn a_result_that_cannot_be_saved_is_printed_and_reported_with_its_cause() {
    let server = server::start();
    let output = load(&server.url, "--output exactly:3 --requests 4 --save /dev/full");
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(code(&output), 2, "{said}");
    assert!(
        said.contains("the result cannot be saved in /dev/full: No space left on device"),
        "{said}"
    );
    let remarked = said.matches("to see whether the load generator was the bottleneck").count();
    assert_eq!(remarked, 1, "a remark is printed once: {said}");
    assert!(text(&output.stdout).contains("output throughput"), "{}", text(&output.stdout));
    // A record that cannot be written is reported before anything is sent.
    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("load/start-1");
    std::fs::create_dir_all(&records).unwrap();
    std::os::unix::fs::symlink("/dev/full", records.join("load.jsonl")).unwrap();
    let output = load(&server.url, &format!("--requests 4 --records {}", folder.path().display()));
    assert!(code(&output) == 2 && text(&output.stderr).contains("load.jsonl: No space"));
    assert!(output.stdout.is_empty());
}

#[test]
fn what_cannot_be_run_says_why_with_its_exit_code() {
    let url = "http://127.0.0.1:1";
    for (options, exit, why) in [
        (
            "",
            4,
            "http://127.0.0.1:1 was asked for its models: cannot connect: Connection refused (os error 111); is the server",
        ),
        ("--prompts sonnet", 2, "there are no prompts called `sonnet`"),
        ("--sweep rate=1 --format vllm-bench", 2, "with --sweep take --format json"),
        ("--model m --chat --prompts random:8", 2, "chat does not accept"),
        ("--model m --output exactly:2", 4, "cannot connect: Connection refused"),
        (
            "--save no/such/result.json",
            2,
            "cannot write no/such/result.json, so nothing was sent: No such file",
        ),
        ("--arrivals waves:64", 2, "20 requests can never be waves of 64"),
        ("--sweep rate=1,nan", 2, "must be a positive number of requests per second"),
        ("--stall-limit 0", 2, "its stall limit or request limit is zero"),
        (
            "--model m --prompts trace:no/such.jsonl",
            2,
            "the prompts in no/such.jsonl cannot be read",
        ),
    ] {
        let output = load(url, options);
        assert_eq!(code(&output), exit, "{options}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(why), "{options}: {}", text(&output.stderr));
    }
    assert!(text(&load(url, "--help").stdout).contains("conversation:5,40"));
}
