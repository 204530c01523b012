//! What the client can do on this machine: [`calibration`].
//!
//! Before the first measurement the client measures itself, with the code that measures a server:
//! an open loop of short streams, and then many streams side by side. Client and server have a
//! thread each, so that the client's processor time can be separated from the server's.

mod server;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bytes::Bytes;
use perf_clock::Clock;
use perf_model::record::client_load::Calibration;
use perf_model::record::sample::Sample;
use perf_model::spec::load::{Arrivals, OutputLength};
use perf_model::spec::units::per_second;
use rustix::time::ClockId;
use tokio::sync::OnceCell;

use self::server::Server;
use crate::http::endpoint::Endpoint;
use crate::openai::call::{Call, Limits};
use crate::openai::expectation::Expected;
use crate::run::client_monitor::{processor_time, rank};
use crate::run::scheduler::Scheduler;

/// How many sends a round of the open loop has; its 99th percentile is the worst of them.
const SENDS: u32 = 40;

/// From one of them to the next. Closer ones would be waited for awake all the time, and a kernel
/// with other threads to run takes the processor from a thread that never sleeps.
const GAP: Duration = Duration::from_micros(2_500);

/// A disturbance of a round is not the client's fault, so the best of several rounds counts.
const ROUNDS: usize = 3;

/// A client on a quiet machine is not later than this, and needs no further round.
const PUNCTUAL_US: u64 = 1_000;

/// How many streams run side by side to find the capacity, and how many events each has.
const STREAMS: u32 = 64;
const EVENTS: u32 = 100;

/// Longer than any calibration takes; what stands still is given up.
const LIMIT: Duration = Duration::from_secs(2);

static CALIBRATION: OnceCell<Option<Calibration>> = OnceCell::const_new();

/// What the client can do on this machine, found out once in each process, in under half a second.
///
/// `None` in virtual time, where the client costs nothing, and where there is no loopback to try it
/// on.
pub async fn calibration(clock: Clock) -> Option<Calibration> {
    if clock.is_virtual() {
        return None;
    }
    *CALIBRATION
        .get_or_init(|| async { tokio::task::spawn_blocking(calibrate).await.ok().flatten() })
        .await
}

/// Calibrates on this thread, with a runtime of its own.
fn calibrate() -> Option<Calibration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async { tokio::time::timeout(LIMIT, whole()).await.ok().flatten() })
}

async fn whole() -> Option<Calibration> {
    let mut best = punctuality().await?;
    for _ in 1..ROUNDS {
        if worst(&best) <= PUNCTUAL_US {
            break;
        }
        let again = punctuality().await?;
        if worst(&again) < worst(&best) {
            best = again;
        }
    }
    Some(Calibration { events_per_second: capacity().await?, ..best })
}

fn worst(of: &Calibration) -> u64 {
    of.lateness_p99_us.max(of.stamp_lag_p99_us)
}

/// An open loop of answers of one event: how late they are asked for, and how late the event is
/// stamped.
async fn punctuality() -> Option<Calibration> {
    let (clock, made) = (Clock::real(), Instant::now());
    let server = Server::start(1, 1).await?;
    let schedule = (0..SENDS).map(|send| GAP * send).collect();
    let arrivals = Arrivals::ConstantRate(per_second(1.0 / GAP.as_secs_f64()));
    let (samples, origin) = send_all(&server, clock, arrivals, schedule, SENDS, 1).await?;
    let written = server.written();
    let lag = |sample: &Sample| {
        let stamped = origin + Duration::from_micros(sample.first_token_us()?);
        let written = written.get(&sample.index)?.saturating_duration_since(made);
        Some(narrow(stamped.saturating_sub(written).as_micros()))
    };
    let mut lags: Vec<u32> = samples.iter().map(lag).collect::<Option<_>>()?;
    let late =
        |sample: &Sample| narrow(u128::from(sample.sent_us.saturating_sub(sample.intended_us)));
    let mut late: Vec<u32> = samples.iter().map(late).collect();
    late.sort_unstable();
    lags.sort_unstable();
    Some(Calibration {
        lateness_p50_us: rank(&late, 0.5),
        lateness_p99_us: rank(&late, 0.99),
        stamp_lag_p50_us: rank(&lags, 0.5),
        stamp_lag_p99_us: rank(&lags, 0.99),
        events_per_second: 0,
    })
}

/// Streams side by side, each event in a write of its own: how many of them a second of this thread
/// takes.
async fn capacity() -> Option<u64> {
    let server = Server::start(STREAMS, EVENTS).await?;
    let before = processor_time(ClockId::ThreadCPUTime);
    send_all(&server, Clock::real(), Arrivals::Concurrency(STREAMS), Vec::new(), STREAMS, EVENTS)
        .await?;
    let used = processor_time(ClockId::ThreadCPUTime).saturating_sub(before);
    let used_us = u64::try_from(used.as_micros()).ok().filter(|used| *used > 0)?;
    Some(u64::from(STREAMS) * u64::from(EVENTS) * 1_000_000 / used_us)
}

/// Makes `requests` requests for `tokens` tokens each; gives the samples and the moment on the
/// clock that they count from.
async fn send_all(
    server: &Server,
    clock: Clock,
    arrivals: Arrivals,
    schedule: Vec<Duration>,
    requests: u32,
    tokens: u32,
) -> Option<(Vec<Sample>, Duration)> {
    let endpoint = Endpoint::http(&server.url()).ok()?;
    let expected = Expected {
        output: OutputLength::Exactly(tokens),
        prompt_tokens: None,
        streamed: true,
        counted: true,
        is_typed: false,
    };
    let call = |index: u32| Call {
        index,
        path: "/v1/completions",
        body: Bytes::from(index.to_string()),
        expected,
        limits: Limits { stall: LIMIT, request: LIMIT },
        turn: None,
        model: None,
    };
    let mut samples = Vec::new();
    let mut keep = |sample| {
        samples.push(sample);
        ControlFlow::Continue(())
    };
    let scheduler = Scheduler::begin(&endpoint, clock, &mut keep);
    let origin = scheduler.origin();
    scheduler.run(arrivals, (0..requests).map(call).collect(), schedule).await;
    let all_came = samples.len() == requests as usize && samples.iter().all(Sample::succeeded);
    all_came.then_some((samples, origin))
}

fn narrow(us: u128) -> u32 {
    u32::try_from(us).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_calibrates_itself_on_loopback_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (first, second) = runtime.block_on(async {
            let clock = Clock::real();
            (calibration(clock).await, calibration(clock).await)
        });
        let found = first.unwrap();
        assert!(
            found.events_per_second > 0 && found.lateness_p50_us <= found.lateness_p99_us,
            "{found:?}"
        );
        assert!(found.stamp_lag_p50_us <= found.stamp_lag_p99_us, "{found:?}");
        assert_eq!(second, Some(found));
    }

    #[test]
    fn in_virtual_time_there_is_nothing_to_calibrate() {
        assert_eq!(perf_clock::run_virtual(calibration), None);
    }
}
