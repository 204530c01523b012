//! How exactly the client measures over real sockets: its stamps against the moments at which a
//! server on loopback wrote each event, both of the same monotonic clock.
//!
//!     cargo bench -p vllm-perf-load --bench accuracy
//!
//! 1,000 streams of 20 events a second, an event a write: spread evenly, and in step as an engine
//! writes that serves them in one batch. The server has a thread and a core of its own, as it would
//! have elsewhere: beside a busy server's thread the kernel lets a woken client wait for most of a
//! millisecond, though another core is idle. TTFT error is the first token's stamp against its
//! write, ITL error a gap between two stamps against the gap between the two writes. A kernel and a
//! scheduler lie in between, so this prints and judges nothing.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench that prints a table cannot return errors"
)]

mod ground;

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ground::{Emissions, Pace, Server};
use perf_clock::Clock;
use perf_load::{Endpoint, measure};
use perf_model::analysis::statistics::{quantile, sorted};
use perf_model::record::sample::Sample;
use perf_model::spec::load::{Arrivals, Load, OutputLength, Prompts, Workload};
use rustix::thread::{CpuSet, sched_setaffinity};

const STREAMS: u32 = 1_000;
const TOKENS: u32 = 100;
const GAP: Duration = Duration::from_millis(50);

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    stay_on(cores, Side::Client);
    println!(
        "{STREAMS} streams, {} events a second each; errors in milliseconds",
        1.0 / GAP.as_secs_f64()
    );
    println!(
        "{:8} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "", "TTFT P50", "TTFT P99", "ITL P50", "ITL P99", "events"
    );
    for (name, spread) in [("spread", GAP), ("in step", Duration::ZERO)] {
        for _ in 0..3 {
            let errors = run(
                cores,
                Pace { first: Duration::from_millis(200), gap: GAP, spread, events_a_write: 1 },
            );
            let events = errors.first.len() + errors.gaps.len();
            let [first, gaps] = [errors.first, errors.gaps].map(|errors| {
                let sorted = sorted(&errors);
                [0.5, 0.99].map(|q| quantile(&sorted, q).unwrap_or(f64::NAN))
            });
            println!(
                "{name:8} {:10.3} {:10.3} {:10.3} {:10.3} {:10}",
                first[0], first[1], gaps[0], gaps[1], events
            );
        }
    }
}

/// Client against server, in milliseconds, without sign.
struct Errors {
    first: Vec<f64>,
    gaps: Vec<f64>,
}

fn run(cores: usize, pace: Pace) -> Errors {
    let emissions: Emissions = Arc::new(Mutex::new(vec![Vec::new(); STREAMS as usize]));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let kept = Arc::clone(&emissions);
    std::thread::spawn(move || {
        stay_on(cores, Side::Server);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            Server::serve(tokio::net::TcpListener::from_std(listener).unwrap(), pace, Some(kept))
                .await;
        });
    });
    // Each prompt is the request's number, by which the server files what it wrote.
    let mut prompts = tempfile::NamedTempFile::new().unwrap();
    let lines = (0..STREAMS).fold(String::new(), |mut lines, number| {
        let _ = writeln!(lines, "{{\"prompt\":\"{number}\"}}");
        lines
    });
    prompts.write_all(lines.as_bytes()).unwrap();
    let load = Load {
        name: "accuracy".to_owned(),
        workload: Workload {
            prompts: Prompts::JsonLines(prompts.path().to_owned()),
            output: OutputLength::Exactly(TOKENS),
            ..perf_model::fixtures::load().workload
        },
        arrivals: Arrivals::Concurrency(STREAMS),
        requests: STREAMS,
        warmup: STREAMS,
        objectives: Vec::new(),
        ..perf_model::fixtures::load()
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (began, samples) = runtime.block_on(async {
        let (clock, made) = (Clock::real(), Instant::now());
        let mut samples: Vec<Sample> = Vec::new();
        let endpoint = Endpoint::http(&url).unwrap();
        let measured =
            measure(&load, &endpoint, "tiny", 7, clock, &mut |sample| samples.push(sample))
                .await
                .unwrap();
        (made + measured.began, samples)
    });
    let emissions = emissions.lock().unwrap();
    let mut errors = Errors { first: Vec::new(), gaps: Vec::new() };
    for sample in samples {
        assert!(sample.succeeded(), "{:?}", sample.outcome);
        let wrote =
            emissions[sample.index as usize].iter().map(|moment| ms(moment.duration_since(began)));
        let read = sample.chunks.iter().map(|chunk| ms(Duration::from_micros(chunk.at_us)));
        let pairs: Vec<(f64, f64)> = read.zip(wrote).collect();
        assert_eq!(pairs.len(), TOKENS as usize);
        errors.first.push((pairs[0].0 - pairs[0].1).abs());
        errors.gaps.extend(
            pairs.windows(2).map(|pair| ((pair[1].0 - pair[0].0) - (pair[1].1 - pair[0].1)).abs()),
        );
    }
    errors
}

/// Whose core it is.
#[derive(Clone, Copy)]
enum Side {
    Server,
    Client,
}

/// Keeps the calling thread, and those that it will start, on its side's cores: the first is the
/// server's, and all others are the client's.
fn stay_on(cores: usize, side: Side) {
    let own = match side {
        _ if cores < 2 => 0..cores,
        Side::Server => 0..1,
        Side::Client => 1..cores,
    };
    let mut set = CpuSet::new();
    own.for_each(|core| set.set(core));
    sched_setaffinity(None, &set).unwrap();
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
