//! What the client itself costs while it measures: [`ClientMonitor`].
//!
//! A task on the same event loop as the requests is to wake at even steps, and how late it wakes is
//! how late a chunk may be stamped. A step that the loop slept through counts as late as it was, or
//! a loop that hung for a second would show one late waking among many punctual ones. Tokio's
//! timers alone are late by up to a millisecond and a half.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use perf_clock::{Clock, Stamp};
use perf_model::record::client_load::{ClientUse, TICK};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// A turn of the event loop that took longer was not spent waiting.
const IDLE_TURN: Duration = Duration::from_micros(50);

/// How long the client waited `busy_wait` for the moment of a send: processor time that measures
/// nothing. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct BusyWait(Arc<AtomicU64>);

impl BusyWait {
    /// Counts a turn of the event loop, unless something was done in it.
    pub(crate) fn turn(&self, took: Duration) {
        if took < IDLE_TURN {
            self.0.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(0), Ordering::Relaxed);
        }
    }

    fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// Watches the client until [`end`](Self::end).
pub(crate) struct ClientMonitor {
    clock: Clock,
    began: Stamp,
    cpu: Duration,
    busy_wait: BusyWait,
    lags: Arc<Mutex<Lags>>,
    ticker: JoinHandle<()>,
}

impl ClientMonitor {
    /// Begins to watch; in virtual time there is nothing to see.
    pub(crate) fn begin(clock: Clock, busy_wait: BusyWait) -> Option<Self> {
        if clock.is_virtual() {
            return None;
        }
        let began = clock.now();
        let lags = Arc::new(Mutex::new(Lags { next: began + TICK, late_us: Vec::new() }));
        let ticker = tokio::spawn(tick(clock, Arc::clone(&lags)));
        Some(Self {
            clock,
            began,
            cpu: processor_time(ClockId::ProcessCPUTime),
            busy_wait,
            lags,
            ticker,
        })
    }

    /// What the client has used since.
    pub(crate) fn end(self) -> ClientUse {
        let cpu = processor_time(ClockId::ProcessCPUTime)
            .saturating_sub(self.cpu)
            .saturating_sub(self.busy_wait.total());
        let now = self.clock.now();
        let mut lags = self.lags.lock().unwrap_or_else(PoisonError::into_inner);
        lags.note(now);
        let late = &mut lags.late_us;
        late.sort_unstable();
        ClientUse {
            wall_us: micros(now.saturating_sub(self.began)),
            cpu_us: micros(cpu),
            threads: threads(),
            ticks: u32::try_from(late.len()).unwrap_or(u32::MAX),
            lag_p50_us: rank(late, 0.5),
            lag_p99_us: rank(late, 0.99),
            lag_max_us: rank(late, 1.0),
        }
    }
}

impl Drop for ClientMonitor {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}

/// How late the event loop woke at each step.
#[derive(Debug)]
struct Lags {
    /// The next step.
    next: Stamp,
    late_us: Vec<u32>,
}

impl Lags {
    /// Notes every step that has passed.
    fn note(&mut self, now: Stamp) {
        while self.next <= now {
            self.late_us
                .push(u32::try_from(now.saturating_sub(self.next).as_micros()).unwrap_or(u32::MAX));
            self.next += TICK;
        }
    }
}

async fn tick(clock: Clock, lags: Arc<Mutex<Lags>>) {
    loop {
        let next = lags.lock().unwrap_or_else(PoisonError::into_inner).next;
        clock.sleep_until(next).await;
        lags.lock().unwrap_or_else(PoisonError::into_inner).note(clock.now());
    }
}

/// Processor time so far, of the process or of the thread.
pub(crate) fn processor_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How many processors the client may use at once.
fn threads() -> u32 {
    let workers = Handle::current().metrics().num_workers();
    let processors = std::thread::available_parallelism().map_or(workers, NonZero::get);
    u32::try_from(workers.min(processors)).unwrap_or(u32::MAX)
}

/// The value at a share of sorted ones, the next above where it falls between two.
pub(crate) fn rank(sorted: &[u32], share: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and at most the length"
    )]
    let place = (sorted.len().saturating_sub(1) as f64 * share).ceil() as usize;
    sorted.get(place).copied().map_or(0, u64::from)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Stamp {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_loop_that_hung_is_late_for_every_step_it_slept_through() {
        let mut lags = Lags { next: ms(10), late_us: Vec::new() };
        for now in [ms(9), ms(11), ms(20), ms(63)] {
            lags.note(now);
        }
        assert_eq!(lags.late_us, [1_000, 0, 33_000, 23_000, 13_000, 3_000]);
        assert_eq!(lags.next, ms(70));
    }

    #[test]
    fn a_rank_is_one_of_the_values() {
        let sorted: Vec<u32> = (1..=100).collect();
        assert_eq!(
            [rank(&sorted, 0.5), rank(&sorted, 0.99), rank(&sorted, 1.0), rank(&[], 0.5)],
            [51, 100, 100, 0]
        );
    }

    #[test]
    fn a_turn_in_which_something_was_done_is_no_waiting() {
        let busy_wait = BusyWait::default();
        busy_wait.turn(Duration::from_micros(3));
        busy_wait.turn(Duration::from_micros(900));
        assert_eq!(busy_wait.total(), Duration::from_micros(3));
    }

    #[test]
    fn in_virtual_time_there_is_nothing_to_watch() {
        assert!(perf_clock::run_virtual(|clock| async move {
            ClientMonitor::begin(clock, BusyWait::default()).is_none()
        }));
    }

    #[test]
    fn a_client_that_works_uses_processor_time() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let used = runtime.block_on(async {
            let watch = ClientMonitor::begin(Clock::real(), BusyWait::default()).unwrap();
            let before = processor_time(ClockId::ThreadCPUTime);
            while processor_time(ClockId::ThreadCPUTime).saturating_sub(before) < ms(15) {}
            watch.end()
        });
        assert!(used.cpu_us >= 15_000 && used.wall_us >= 15_000 && used.threads == 1, "{used:?}");
        assert!(used.ticks >= 1 && used.lag_max_us >= 5_000, "{used:?}");
    }
}
