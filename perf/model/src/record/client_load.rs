//! What the load generator took of its machine in a run, [`ClientUse`], and what it can do there,
//! [`Calibration`]: a run in which the client was the limit says nothing of the server.
//!
//! Both exist in real time only: in virtual time the client costs nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::record::finding::Finding;
use crate::record::finding::FindingCode::{ClientBottleneck, ClientTooSlow};
use crate::record::sample::Sample;
use crate::spec::load::Load;
use crate::spec::units::as_millis;

/// How far apart the moments are at which the client's event loop is to wake, to see how late it
/// does.
pub const TICK: Duration = Duration::from_millis(10);

/// Below this share of its cores, a client whose event loop was late was kept from running by others.
const STARVED: f64 = 0.5;

/// Shorter runs are not judged by their client's use of the machine: a 99th percentile needs a
/// hundred ticks, which is a second.
pub const ENOUGH_TICKS: u32 = 100;

/// How much of what its threads may take the client may use, and how much of its calibrated
/// capacity a load may ask for. Above it requests queue in the client before they are stamped.
pub const SHARE_LIMIT: f64 = 0.8;

/// How late the event loop may wake at P99, in lateness limits of the load: twice, because a tick
/// is late by a timer's resolution as well, while the moment of a send is waited for awake.
pub const LAG_LIMIT: f64 = 2.0;

/// What the load generator used of its machine between the first send and the last response of a
/// run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientUse {
    /// How long that was, in microseconds.
    pub wall_us: u64,
    /// Processor time of the whole process, in microseconds. What it spent awake for the moment of
    /// a send is not in it.
    pub cpu_us: u64,
    /// How many processors it may use at once: its threads, or the machine's processors if they are
    /// fewer.
    pub threads: u32,
    /// How often its event loop was to wake, every [`TICK`].
    pub ticks: u32,
    /// How late it woke: the median, in microseconds. A moment that it slept through counts as late
    /// as it was.
    pub lag_p50_us: u64,
    /// The 99th percentile.
    pub lag_p99_us: u64,
    /// The worst.
    pub lag_max_us: u64,
}

impl ClientUse {
    /// Processor time over time, as a share of one core; absent for a run without length.
    pub fn cores(&self) -> Option<f64> {
        (self.wall_us > 0).then(|| self.cpu_us as f64 / self.wall_us as f64)
    }

    /// The largest share of one core that it may use.
    pub fn cores_limit(&self) -> f64 {
        f64::from(self.threads.max(1)) * SHARE_LIMIT
    }

    /// Why the client was the limit of a run of `load`, with the figure that gives it away.
    pub fn faults(&self, load: &Load) -> Vec<Finding> {
        let mut faults = Vec::new();
        if self.ticks < ENOUGH_TICKS {
            return faults;
        }
        if let Some(cores) = self.cores().filter(|cores| *cores > self.cores_limit()) {
            faults.push(Finding::new(ClientBottleneck, format!(
                "the load generator was the bottleneck: it used {cores:.2} CPU cores (limit {:.2} with {} threads); lower the \
                 load or give it more cores",
                self.cores_limit(),
                self.threads
            )));
        }
        let (lag, limit) = (ms(self.lag_p99_us), as_millis(load.lateness_limit) * LAG_LIMIT);
        if lag > limit {
            let remedy = match self.cores() {
                // It waited for a processor that others held: a server on the CPU takes all that it gets.
                Some(cores) if cores < f64::from(self.threads) * STARVED => format!(
                    "it used only {cores:.2} of {} CPU cores, so others held them; leave one to it: give a vLLM on the CPU fewer, \
                     such as with `--env VLLM_CPU_OMP_THREADS_BIND=0` for the first core alone, or stop what else runs",
                    self.threads
                ),
                _ => "run it on a quieter machine or raise the load's lateness limit".to_owned(),
            };
            faults.push(Finding::new(ClientBottleneck, format!(
                "the load generator was the bottleneck: its event loop woke {lag:.1} ms late at P99 (limit {limit} ms, twice \
                 the load's lateness limit), so its timestamps are late; {remedy}"
            )));
        }
        faults
    }
}

impl fmt::Display for ClientUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = self.cores().unwrap_or_default();
        let (lag, worst) = (ms(self.lag_p99_us), ms(self.lag_max_us));
        write!(f, "{cores:.2} CPU cores, event loop {lag:.1} ms late at P99, {worst:.1} ms at most")
    }
}

/// What the load generator can do on its machine, measured against a server of its own on loopback
/// before the first run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    /// How late the sends of an open loop are: the median, in microseconds.
    pub lateness_p50_us: u64,
    /// The 99th percentile.
    pub lateness_p99_us: u64,
    /// From the moment at which a chunk was written to its stamp: the median, in microseconds.
    pub stamp_lag_p50_us: u64,
    /// The 99th percentile.
    pub stamp_lag_p99_us: u64,
    /// How many streamed events, each in a write of its own, a second of one processor takes.
    pub events_per_second: u64,
}

impl Calibration {
    /// Why a run of `load` with these samples asked more of the client than it can do, with the
    /// figure.
    ///
    /// `threads` is how many processors it may use at once.
    pub fn faults(&self, load: &Load, samples: &[Sample], threads: u32) -> Vec<Finding> {
        let mut faults = Vec::new();
        let (late, limit) = (ms(self.lateness_p99_us), as_millis(load.lateness_limit));
        if !load.arrivals.is_closed_loop() && late > limit {
            faults.push(Finding::new(ClientTooSlow, format!(
                "the load generator cannot send on time on this machine: its calibration was {late:.1} ms late at P99 (limit \
                 {limit} ms); use a quieter machine or raise the load's lateness limit"
            )));
        }
        let (lag, limit) = (ms(self.stamp_lag_p99_us), limit * LAG_LIMIT);
        if lag > limit {
            faults.push(Finding::new(ClientTooSlow, format!(
                "the load generator cannot time tokens on this machine: its calibration stamped chunks {lag:.1} ms late at P99 \
                 (limit {limit} ms, twice the load's lateness limit); use a quieter machine or raise the load's lateness limit"
            )));
        }
        let (asked, can) = (
            busiest_second(samples),
            self.events_per_second.saturating_mul(u64::from(threads.max(1))),
        );
        if can > 0 && asked as f64 > can as f64 * SHARE_LIMIT {
            faults.push(Finding::new(ClientTooSlow, format!(
                "the load generator was the bottleneck: {asked} chunks in the busiest second, calibrated capacity {can}/s (limit \
                 {:.0} %)",
                SHARE_LIMIT * 100.0
            )));
        }
        faults
    }
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sends {:.2} ms late at P50 and {:.2} ms at P99, timestamps {:.2} ms and {:.2} ms, {} events/s on one core",
            ms(self.lateness_p50_us),
            ms(self.lateness_p99_us),
            ms(self.stamp_lag_p50_us),
            ms(self.stamp_lag_p99_us),
            self.events_per_second
        )
    }
}

/// How many pieces of responses came in the busiest second of a run. Events that came in one piece
/// have one stamp, and are read at once.
pub fn busiest_second(samples: &[Sample]) -> u64 {
    let mut seconds: BTreeMap<u64, u64> = BTreeMap::new();
    for sample in samples {
        let mut last = None;
        for chunk in
            sample.chunks.iter().filter(|chunk| last.replace(chunk.at_us) != Some(chunk.at_us))
        {
            *seconds.entry(chunk.at_us / 1_000_000).or_default() += 1;
        }
    }
    seconds.into_values().max().unwrap_or(0)
}

fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::chunks::Chunk;
    use crate::spec::load::Arrivals;
    use crate::spec::units::per_second;

    fn load(arrivals: Arrivals) -> Load {
        Load { arrivals, ..crate::fixtures::load() }
    }

    fn used(cpu_us: u64, lag_p99_us: u64) -> ClientUse {
        ClientUse {
            wall_us: 2_000_000,
            cpu_us,
            threads: 2,
            ticks: 200,
            lag_p50_us: 700,
            lag_p99_us,
            lag_max_us: 9_000,
        }
    }

    fn sample(at_us: &[u64]) -> Sample {
        Sample {
            chunks: at_us.iter().map(|at_us| Chunk { at_us: *at_us, tokens: 1 }).collect(),
            ..crate::fixtures::sample()
        }
    }

    #[test]
    fn a_client_that_had_room_is_no_fault() {
        assert!(used(3_100_000, 10_000).faults(&load(Arrivals::OneAtATime)).is_empty());
        assert_eq!(
            used(500_000, 1_250).to_string(),
            "0.25 CPU cores, event loop 1.2 ms late at P99, 9.0 ms at most"
        );
    }

    #[test]
    fn a_client_that_was_the_limit_names_the_figure() {
        let faults = used(3_300_000, 10_100).faults(&load(Arrivals::OneAtATime));
        assert_eq!(faults.len(), 2);
        assert!(
            faults[0].message.starts_with("the load generator was the bottleneck: it used 1.65 CPU cores (limit 1.60 with 2 threads)"),
            "{}",
            faults[0]
        );
        assert!(
            faults[1].message.contains("its event loop woke 10.1 ms late at P99 (limit 10 ms"),
            "{}",
            faults[1]
        );
    }

    #[test]
    fn a_client_that_was_late_and_used_little_was_kept_from_running_by_others() {
        let faults = used(500_000, 90_000).faults(&load(Arrivals::OneAtATime));
        let [fault] = faults.as_slice() else { panic!("{faults:?}") };
        assert!(
            fault
                .message
                .contains("it used only 0.25 of 2 CPU cores, so others held them; leave one to it")
                && fault.message.contains("VLLM_CPU_OMP_THREADS_BIND=0"),
            "{fault}"
        );
    }

    #[test]
    fn a_run_below_a_second_is_not_judged_by_its_ticks() {
        let short = ClientUse { ticks: 99, ..used(9_000_000, 90_000) };
        assert!(short.faults(&load(Arrivals::OneAtATime)).is_empty());
    }

    #[test]
    fn a_client_that_cannot_send_on_time_is_no_client_for_an_open_loop() {
        let calibration = Calibration {
            lateness_p99_us: 5_100,
            events_per_second: 100,
            ..Calibration::default()
        };
        assert!(calibration.faults(&load(Arrivals::OneAtATime), &[], 1).is_empty());
        let faults = calibration.faults(&load(Arrivals::Poisson(per_second(3.0))), &[], 1);
        assert!(
            faults[0].message.contains("its calibration was 5.1 ms late at P99 (limit 5 ms)"),
            "{}",
            faults[0]
        );
    }

    #[test]
    fn pieces_are_counted_in_their_busiest_second_and_events_of_one_piece_once() {
        let samples = [
            sample(&[0, 999_999, 1_000_000, 1_000_000]),
            sample(&[1_500_000, 1_999_999, 3_000_000]),
        ];
        assert_eq!((busiest_second(&samples), busiest_second(&[])), (3, 0));
        let calibration = Calibration { events_per_second: 3, ..Calibration::default() };
        let faults = calibration.faults(&load(Arrivals::OneAtATime), &samples, 1);
        assert!(
            faults[0].message.starts_with(
                "the load generator was the bottleneck: 3 chunks in the busiest second"
            ),
            "{}",
            faults[0]
        );
        assert!(calibration.faults(&load(Arrivals::OneAtATime), &samples, 2).is_empty());
    }
}
