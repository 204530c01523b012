//! What the client costs over real sockets, in time of its own process, and what the peer costs on the same server.
//!
//!     cargo bench -p perf-load --bench cost
//!     PERF_PEER=/path/to/vllm-rs PERF_TOKENIZER=/path/to/a/model cargo bench -p perf-load --bench cost
//!     PERF_OTHER=/path/to/another/build/of/this/bench cargo bench -p perf-load --bench cost
//!
//! Server and clients are processes of their own, the server on the first core and a client on the second (`taskset`).
//! A client's processor time is all that its process used, start included. Contenders alternate, five repetitions (`PERF_REPETITIONS`).
//! `PERF_PEER` is vLLM's own Rust client, which lies in the wheel of vLLM as `vllm/vllm-rs`; `PERF_OTHER` compares two
//! versions of ours. `PERF_ROWS` picks rows by their names' beginning, separated by commas.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench that prints a table and has nobody to hand errors to"
)]

mod ground;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ground::{Pace, Server};
use perf_clock::Clock;
use perf_load::{Endpoint, measure};
use perf_model::load::{Api, Arrivals, Load, OutputLength, Prompts, Workload};
use perf_model::sample::Sample;
use perf_model::statistics::{quantile, sorted};

/// A load on the ground-truth server.
struct Row {
    name: &'static str,
    requests: u32,
    concurrency: u32,
    tokens: u32,
    first_ms: u64,
    gap_ms: u64,
    events_a_write: u32,
    repetitions: usize,
}

const ROWS: [Row; 5] = [
    Row {
        name: "saturated",
        requests: 4_000,
        concurrency: 64,
        tokens: 256,
        first_ms: 0,
        gap_ms: 0,
        events_a_write: 16,
        repetitions: 5,
    },
    Row {
        name: "paced",
        requests: 1_000,
        concurrency: 1_000,
        tokens: 100,
        first_ms: 50,
        gap_ms: 50,
        events_a_write: 1,
        repetitions: 5,
    },
    Row {
        name: "one token",
        requests: 40_000,
        concurrency: 64,
        tokens: 1,
        first_ms: 0,
        gap_ms: 0,
        events_a_write: 1,
        repetitions: 5,
    },
    Row {
        name: "burst",
        requests: 500,
        concurrency: 500,
        tokens: 1,
        first_ms: 50,
        gap_ms: 0,
        events_a_write: 1,
        repetitions: 5,
    },
    Row {
        name: "memory",
        requests: 100_000,
        concurrency: 64,
        tokens: 256,
        first_ms: 0,
        gap_ms: 0,
        events_a_write: 16,
        repetitions: 1,
    },
];

/// What a client's process came to.
struct Cost {
    cpu_s: f64,
    peak_mb: f64,
    ttft_ms: [f64; 2],
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", row] => serve(find(row)),
        ["load", row, url] => load(find(row), url),
        _ => compare(),
    }
}

fn find(name: &str) -> &'static Row {
    ROWS.iter().find(|row| row.name == name).unwrap()
}

fn serve(row: &Row) {
    let pace = Pace {
        first: Duration::from_millis(row.first_ms),
        gap: Duration::from_millis(row.gap_ms),
        spread: Duration::ZERO,
        events_a_write: row.events_a_write,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // A thousand connections at once do not fit into the usual queue, and would be asked for again a second later.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(4_096).unwrap();
        println!("{}", listener.local_addr().unwrap());
        Server::serve(listener, pace, None).await;
    });
}

fn load(row: &Row, url: &str) {
    let load = Load {
        name: row.name.to_owned(),
        workload: Workload {
            prompts: Prompts::Text("hi".to_owned()),
            output: OutputLength::Exactly(row.tokens),
            api: Api::Completions,
            stream: true,
            temperature: 0.0,
        },
        arrivals: Arrivals::Concurrency(row.concurrency),
        requests: row.requests,
        warmup: 0,
        objectives: Vec::new(),
        stall_limit: Duration::from_mins(1),
        lateness_limit: Duration::from_millis(5),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let samples = runtime.block_on(async {
        let mut samples: Vec<Sample> = Vec::new();
        let endpoint = Endpoint::http(url).unwrap();
        measure(&load, &endpoint, "tiny", 7, Clock::real(), &mut |sample| samples.push(sample)).await.unwrap();
        samples
    });
    let failed = samples.iter().find(|sample| !sample.succeeded());
    assert!(failed.is_none() && samples.len() == row.requests as usize, "{failed:?}");
    let ttft: Vec<f64> = samples.iter().filter_map(Sample::ttft_ms).collect();
    let ttft = sorted(&ttft);
    println!("{} {}", quantile(&ttft, 0.5).unwrap(), quantile(&ttft, 0.99).unwrap());
}

fn compare() {
    let peer = std::env::var("PERF_PEER").ok();
    let other = std::env::var("PERF_OTHER").ok();
    let ours = std::env::current_exe().unwrap().to_string_lossy().into_owned();
    let wanted = std::env::var("PERF_ROWS").unwrap_or_default();
    let repetitions = std::env::var("PERF_REPETITIONS").ok().and_then(|count| count.parse().ok());
    println!("events and requests a second of the client's processor time; TTFT in ms; MB at the peak");
    println!(
        "{:10} {:6} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8} {:>7}   median, and lowest and highest of the first",
        "row", "client", "events/s", "lowest", "highest", "req/s", "TTFT P50", "P99", "MB"
    );
    for row in ROWS.iter().filter(|row| wanted.is_empty() || wanted.split(',').any(|name| row.name.starts_with(name))) {
        let (server, url) = start_server(&ours, row);
        let contenders = [("ours", Some(&ours)), ("other", other.as_ref()), ("peer", peer.as_ref())];
        let contenders: Vec<_> = contenders.into_iter().filter_map(|(name, path)| Some((name, path?))).collect();
        let mut costs: Vec<Vec<Cost>> = contenders.iter().map(|_| Vec::new()).collect();
        for _ in 0..repetitions.unwrap_or(row.repetitions).min(row.repetitions) {
            for ((name, path), costs) in contenders.iter().zip(&mut costs) {
                costs.push(if *name == "peer" { run_peer(path, row, &url) } else { run_ours(path, row, &url) });
            }
        }
        drop(server);
        for ((name, _), costs) in contenders.iter().zip(&costs) {
            show(row, name, costs);
        }
    }
}

fn show(row: &Row, name: &str, costs: &[Cost]) {
    let of = |value: &dyn Fn(&Cost) -> f64, q: f64| {
        let values: Vec<f64> = costs.iter().map(value).collect();
        quantile(&sorted(&values), q).unwrap_or(f64::NAN)
    };
    let requests = |cost: &Cost| f64::from(row.requests) / cost.cpu_s;
    let events = |cost: &Cost| requests(cost) * f64::from(row.tokens);
    println!(
        "{:10} {name:6} {:9.0} {:9.0} {:9.0} {:9.0} {:8.1} {:8.1} {:7.0}",
        row.name,
        of(&events, 0.5),
        of(&events, 0.0),
        of(&events, 1.0),
        of(&requests, 0.5),
        of(&|cost| cost.ttft_ms[0], 0.5),
        of(&|cost| cost.ttft_ms[1], 0.5),
        of(&|cost| cost.peak_mb, 0.5),
    );
}

fn on_core(core: &str, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core, program]);
    command
}

/// A process that ends with its owner, also when that panics.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_server(ours: &str, row: &Row) -> (Owned, String) {
    let mut server = on_core("0", ours).args(["serve", row.name]).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    (Owned(server), format!("http://{}", address.trim()))
}

fn run_ours(path: &str, row: &Row, url: &str) -> Cost {
    let mut command = on_core("1", path);
    command.args(["load", row.name, url]).stdout(Stdio::piped());
    let (said, cpu_s, peak_mb) = watch(command);
    let ttft: Vec<f64> = said.split_whitespace().map(|number| number.parse().unwrap()).collect();
    Cost { cpu_s, peak_mb, ttft_ms: [ttft[0], ttft[1]] }
}

fn run_peer(path: &str, row: &Row, url: &str) -> Cost {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = std::env::var("PERF_TOKENIZER").expect("PERF_TOKENIZER names a folder with a tokenizer.json");
    let command = |dry: bool| {
        let mut command = on_core("1", path);
        command.args(["bench", "serve", "--backend", "openai", "--base-url", url, "--model", "tiny", "--ignore-eos"]);
        command.args(["--tokenizer", &tokenizer, "--disable-tqdm", "--no-steady-state", "--dataset-name", "random"]);
        command.args(["--random-input-len", "8", "--random-output-len", &row.tokens.to_string()]);
        command.args(["--num-prompts", &row.requests.to_string()]);
        command.args(["--max-concurrency", &row.concurrency.to_string(), "--percentile-metrics", "ttft,itl"]);
        command.args(["--metric-percentiles", "50,99", "--save-result", "--result-filename", "r.json"]);
        command.arg("--result-dir").arg(folder.path());
        if dry {
            command.arg("--dry-run");
        }
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        command
    };
    // Drawing prompts with a tokenizer is no part of the comparison.
    let (_, drawing_s, _) = watch(command(true));
    let (said, cpu_s, peak_mb) = watch(command(false));
    let text = std::fs::read_to_string(folder.path().join("r.json")).unwrap_or_else(|error| panic!("{error}: {said}"));
    let result: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(result["completed"].as_u64(), Some(u64::from(row.requests)), "{said}");
    let ttft_ms = ["p50_ttft_ms", "p99_ttft_ms"].map(|key| result[key].as_f64().unwrap_or(f64::NAN));
    Cost { cpu_s: cpu_s - drawing_s, peak_mb, ttft_ms }
}

/// Runs a client to its end: what it printed, its processor seconds, its largest resident set.
fn watch(mut command: Command) -> (String, f64, f64) {
    let before = ended_children_s();
    let mut child = command.spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(stdout).unwrap());
    let status = format!("/proc/{}/status", child.id());
    let mut peak_mb = 0.0;
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_mins(10), "the client does not end");
        let peak = std::fs::read_to_string(&status).ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        });
        peak_mb = peak.map_or(peak_mb, |kilobytes| kilobytes / 1_024.0);
        std::thread::sleep(Duration::from_millis(20));
    }
    (reader.join().unwrap(), ended_children_s() - before, peak_mb)
}

/// Processor time of all children that have ended, from the operating system's ticks of 10 ms.
fn ended_children_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The command's name is in parentheses and may hold spaces; `cutime` and `cstime` are the 16th and 17th fields.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[13..15].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}
