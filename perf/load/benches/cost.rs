//! What the client costs over real sockets, in time of its own process, and what the peer costs on
//! the same server.
//!
//!     cargo bench -p vllm-perf-load --bench cost
//!     PERF_PEER=/path/to/vllm-rs PERF_TOKENIZER=/path/to/a/model cargo bench -p vllm-perf-load --bench cost
//!     PERF_OTHER=/path/to/another/build/of/this/bench cargo bench -p vllm-perf-load --bench cost
//!
//! Server and clients are processes of their own, the server on the first core and a client on the
//! second (`taskset`). A client's processor time is all that its process used, start included.
//! Contenders alternate, five repetitions (`PERF_REPETITIONS`). `PERF_PEER` takes the options of
//! `vllm-rs bench serve`, vLLM's own Rust client, which lies in the wheel of vLLM as
//! `vllm/vllm-rs`; `PERF_PYTHON_PEER` is a `vllm`, whose client is given 10,000 requests at most;
//! `PERF_OTHER` compares two versions of ours. `PERF_ROWS` picks rows by their names' beginning,
//! separated by commas. `cargo xtask bench-client` sets all of these.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench that prints a table cannot return errors"
)]

mod contest;
mod ground;

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use contest::bare;
use contest::peer::{Cost, Peer, Task};
use contest::process::{Owned, on_core, watch};
use ground::{Pace, Server};
use perf_clock::Clock;
use perf_load::{Endpoint, measure};
use perf_model::analysis::statistics::{quantile, sorted};
use perf_model::record::sample::Sample;
use perf_model::spec::load::{Arrivals, Load, OutputLength, Prompts, Workload};

/// A load on the ground-truth server.
struct Row {
    name: &'static str,
    requests: u32,
    warmup: u32,
    concurrency: u32,
    tokens: u32,
    first_ms: u64,
    gap_ms: u64,
    events_a_write: u32,
    repetitions: usize,
}

impl Row {
    /// Whether all requests are sent at once and answered with one token each.
    fn is_burst(&self) -> bool {
        self.requests == self.concurrency && self.tokens == 1
    }
}

const ROWS: [Row; 6] = [
    Row {
        name: "saturated",
        requests: 4_000,
        warmup: 0,
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
        warmup: 0,
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
        warmup: 0,
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
        warmup: 0,
        concurrency: 500,
        tokens: 1,
        first_ms: 50,
        gap_ms: 0,
        events_a_write: 1,
        repetitions: 5,
    },
    Row {
        name: "burst warm",
        requests: 500,
        warmup: 500,
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
        warmup: 0,
        concurrency: 64,
        tokens: 256,
        first_ms: 0,
        gap_ms: 0,
        events_a_write: 16,
        repetitions: 1,
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", row] => serve(find(row)),
        ["load", row, url] => load(find(row), url),
        ["bare", row, url] => bare(find(row), url),
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
        // A thousand connections at once do not fit into the usual queue, and would be asked for
        // again a second later.
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
            ..perf_model::fixtures::load().workload
        },
        arrivals: Arrivals::Concurrency(row.concurrency),
        requests: row.requests,
        warmup: row.warmup,
        objectives: Vec::new(),
        ..perf_model::fixtures::load()
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let samples = runtime.block_on(async {
        let mut samples: Vec<Sample> = Vec::new();
        let endpoint = Endpoint::http(url).unwrap();
        measure(&load, &endpoint, "tiny", 7, Clock::real(), &mut |sample| samples.push(sample))
            .await
            .unwrap();
        samples
    });
    let failed = samples.iter().find(|sample| !sample.succeeded());
    assert!(failed.is_none() && samples.len() == row.requests as usize, "{failed:?}");
    say(&samples.iter().filter_map(Sample::ttft_ms).collect::<Vec<f64>>());
}

fn bare(row: &Row, url: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let address = url.trim_start_matches("http://");
    say(&if row.is_burst() {
        runtime.block_on(bare::burst(address, row.requests))
    } else {
        runtime.block_on(bare::streams(address, row.requests, row.concurrency, row.tokens))
    });
}

/// Two numbers of TTFT, for the process that started this one.
fn say(ttft: &[f64]) {
    let ttft = sorted(ttft);
    println!("{} {}", quantile(&ttft, 0.5).unwrap(), quantile(&ttft, 0.99).unwrap());
}

/// Who is measured.
enum Contender {
    /// This client, or another build of it.
    Ours(String),
    /// The least a client could do.
    Bare(String),
    Peer(Peer),
}

impl Contender {
    fn run(&self, row: &Row, url: &str) -> Cost {
        let task = Task {
            url,
            requests: row.requests,
            warmup: row.warmup,
            concurrency: row.concurrency,
            tokens: row.tokens,
        };
        let (path, word) = match self {
            Self::Peer(peer) => return peer.run(&task),
            Self::Ours(path) => (path, "load"),
            Self::Bare(path) => (path, "bare"),
        };
        let mut command = on_core("1", path);
        command.args([word, row.name, url]).stdout(Stdio::piped());
        let (said, cpu_s, peak_mb) = watch(command);
        let ttft: Vec<f64> =
            said.split_whitespace().map(|number| number.parse().unwrap()).collect();
        Cost { requests: row.requests + row.warmup, cpu_s, peak_mb, ttft_ms: [ttft[0], ttft[1]] }
    }
}

/// Who is asked for, with what the table calls them.
fn contenders() -> Vec<(&'static str, Contender)> {
    let ours = std::env::current_exe().unwrap().to_string_lossy().into_owned();
    let given = |name: &str| std::env::var(name).ok();
    let mut all = vec![("ours", Contender::Ours(ours.clone()))];
    all.extend(given("PERF_OTHER").map(|path| ("other", Contender::Ours(path))));
    all.extend(given("PERF_PEER").map(|path| ("peer", Contender::Peer(Peer::new(path, false)))));
    all.extend(
        given("PERF_PYTHON_PEER").map(|path| ("python", Contender::Peer(Peer::new(path, true)))),
    );
    all.push(("bare", Contender::Bare(ours)));
    all
}

fn compare() {
    let ours = std::env::current_exe().unwrap().to_string_lossy().into_owned();
    let wanted = std::env::var("PERF_ROWS").unwrap_or_default();
    let repetitions: Option<usize> =
        std::env::var("PERF_REPETITIONS").ok().and_then(|count| count.parse().ok());
    println!(
        "events and requests a second of the client's processor time; TTFT in ms; MB at the peak"
    );
    println!(
        "{:10} {:6} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8} {:>7}   median, and lowest and highest of the first",
        "row", "client", "events/s", "lowest", "highest", "req/s", "TTFT P50", "P99", "MB"
    );
    let all = contenders();
    for row in ROWS
        .iter()
        .filter(|row| wanted.is_empty() || wanted.split(',').any(|name| row.name.starts_with(name)))
    {
        let (server, url) = start_server(&ours, row);
        // Only what saturates can be asked of the slow one.
        let fits =
            |name: &str| name != "python" || row.gap_ms + row.first_ms == 0 && row.repetitions > 1;
        let mut costs: Vec<(&str, &Contender, Vec<Cost>)> = Vec::new();
        costs.extend(
            all.iter().filter(|(name, _)| fits(name)).map(|(name, who)| (*name, who, Vec::new())),
        );
        for _ in 0..repetitions.unwrap_or(row.repetitions).min(row.repetitions) {
            for (_, who, costs) in &mut costs {
                costs.push(who.run(row, &url));
            }
        }
        drop(server);
        for (name, _, costs) in &costs {
            show(row, name, costs);
        }
    }
}

fn show(row: &Row, name: &str, costs: &[Cost]) {
    let of = |value: &dyn Fn(&Cost) -> f64, q: f64| {
        let values: Vec<f64> = costs.iter().map(value).collect();
        quantile(&sorted(&values), q).unwrap_or(f64::NAN)
    };
    let requests = |cost: &Cost| f64::from(cost.requests) / cost.cpu_s;
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

fn start_server(ours: &str, row: &Row) -> (Owned, String) {
    let mut server =
        on_core("0", ours).args(["serve", row.name]).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    (Owned(server), format!("http://{}", address.trim()))
}
