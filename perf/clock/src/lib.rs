//! One clock for everything that waits or takes a time stamp: [`Clock`].
//!
//! Load generator, engine and simulated server ask this clock and never the operating system, so
//! that the same code runs in real time against a real server and in virtual time against the
//! simulated one. Virtual time costs nothing: it jumps to the next deadline as soon as every task
//! waits, and gives the same stamps every time.
//!
//! Tokio's timers have a resolution of one millisecond, which would quantise a simulated token gap
//! of 11.7 ms to 12. Virtual time therefore runs on a paused tokio clock slowed down a
//! thousandfold: one tokio millisecond is one virtual microsecond.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Tokio time that passes for one unit of virtual time.
const SLOW_DOWN: u32 = 1_000;

/// A point in time: what has passed since the clock was made.
pub type Stamp = Duration;

/// A monotonic clock, real or virtual. Cheap to copy; copies share their origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    is_virtual: bool,
}

/// The time given to [`Clock::timeout`] ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl Clock {
    /// A clock that follows the machine's monotonic clock.
    pub fn real() -> Self {
        Self { origin: Instant::now(), is_virtual: false }
    }

    /// Whether time passes only when every task waits.
    pub fn is_virtual(&self) -> bool {
        self.is_virtual
    }

    /// Time since this clock was made. Virtual time has a resolution of one microsecond.
    pub fn now(&self) -> Stamp {
        let passed = self.origin.elapsed();
        if self.is_virtual { passed / SLOW_DOWN } else { passed }
    }

    /// Waits until `deadline`; returns at once if it has passed.
    pub async fn sleep_until(&self, deadline: Stamp) {
        tokio::time::sleep_until(self.origin + self.to_tokio(deadline)).await;
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }

    /// Runs `future` for at most `limit`.
    pub async fn timeout<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        tokio::time::timeout(self.to_tokio(limit), future).await.map_err(|_| Elapsed)
    }

    /// A limit on how long each of several things may take that are waited for one after the other.
    pub fn watchdog(&self) -> Watchdog {
        Watchdog { clock: *self, timer: None }
    }

    fn to_tokio(self, duration: Duration) -> Duration {
        if self.is_virtual { duration * SLOW_DOWN } else { duration }
    }
}

/// One timer for many waits: what [`Clock::timeout`] does for each by itself, at a fraction of the
/// cost where there are a hundred thousand a second. The timer is not moved with every wait, only
/// when it finds that it has run out too early.
#[derive(Debug)]
pub struct Watchdog {
    clock: Clock,
    /// `None` until something had to be waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Watchdog {
    /// Runs `future` until `limit` has come. Limits that move forward from one wait to the next
    /// cost next to nothing.
    pub async fn watch<F: Future>(
        &mut self,
        limit: Stamp,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            let deadline = self.clock.origin + self.clock.to_tokio(limit);
            let timer =
                self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            while timer.as_mut().poll(cx).is_ready() {
                if timer.deadline() >= deadline {
                    return Poll::Ready(Err(Elapsed));
                }
                timer.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await
    }
}

/// Runs what `body` makes to its end in virtual time, on one thread.
///
/// # Panics
/// When called from inside a tokio runtime, or when the runtime cannot be built.
pub fn run_virtual<F: Future>(body: impl FnOnce(Clock) -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a timer-only runtime needs no resource that could be missing");
    runtime.block_on(async {
        let clock = Clock { origin: Instant::now(), is_virtual: true };
        body(clock).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_keeps_microseconds() {
        let stamps = run_virtual(|clock| async move {
            let mut stamps = Vec::new();
            for _ in 0..3 {
                clock.sleep(Duration::from_micros(11_701)).await;
                stamps.push(clock.now().as_micros());
            }
            stamps
        });
        assert_eq!(stamps, [11_701, 23_402, 35_103]);
    }

    #[test]
    fn an_hour_of_virtual_time_passes_for_every_task_at_once() {
        let hour = Duration::from_hours(1);
        let (left, right) = run_virtual(|clock| async move {
            let other = tokio::spawn(async move {
                clock.sleep(hour).await;
                clock.now()
            });
            clock.sleep(hour).await;
            (clock.now(), other.await.expect("the other task ends"))
        });
        assert_eq!((left, right), (hour, hour));
    }

    #[test]
    fn a_timeout_elapses_in_virtual_time() {
        let result = run_virtual(|clock| async move {
            clock.timeout(Duration::from_millis(5), clock.sleep(Duration::from_secs(9))).await
        });
        assert_eq!(result, Err(Elapsed));
    }

    #[test]
    fn a_watchdog_gives_each_wait_the_whole_limit_and_no_more() {
        let (results, end) = run_virtual(|clock| async move {
            let mut watchdog = clock.watchdog();
            let mut results = Vec::new();
            for ms in [7, 7, 9, 11] {
                let wait = clock.sleep(Duration::from_millis(ms));
                results.push(watchdog.watch(clock.now() + Duration::from_millis(10), wait).await);
            }
            (results, clock.now())
        });
        assert_eq!(results, [Ok(()), Ok(()), Ok(()), Err(Elapsed)]);
        assert_eq!(end, Duration::from_millis(7 + 7 + 9 + 10));
    }
}
