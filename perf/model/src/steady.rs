//! The part of a run in which the load was what it was meant to be: [`steady_window`] and the [`Steady`] figures in it.
//!
//! A run ramps up until everything that is to be under way is under way, and tails off when nothing is left to send. Both
//! ends are found in the samples, not guessed: the window lasts from the first to the last moment at which at least as
//! many requests were under way as in the middle of the run, the time-weighted median. Tokens are placed by their time
//! stamps, so that a request that crosses an end of the window counts with the part of it that lies inside.
//!
//! Waves have no such window, because they drain by design; theirs is the whole run, the last wave included.

use serde::Serialize;

use crate::load::Arrivals;
use crate::sample::Sample;
use crate::statistics::{median, quantile, sorted};

/// What was measured in the steady window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Steady {
    /// Where the window begins, in seconds since the run began.
    pub from_s: f64,
    /// Where it ends.
    pub to_s: f64,
    /// How many requests were under way in its middle.
    pub concurrency: u32,
    /// Output tokens per second of the whole server; absent when responses were not streamed, which have no stamps.
    pub output_throughput: Option<f64>,
    /// Requests that ended in the window, per second.
    pub request_throughput: f64,
    /// The median E2E of requests that began and ended in it, in milliseconds.
    pub e2e_p50_ms: Option<f64>,
    /// The 99th percentile of the same.
    pub e2e_p99_ms: Option<f64>,
}

/// The steady window of a run, in microseconds since it began; the whole run for waves. `None` without requests.
pub fn steady_window(samples: &[Sample], arrivals: Arrivals) -> Option<(u64, u64)> {
    let first = samples.iter().map(|sample| sample.sent_us).min()?;
    let last = samples.iter().map(|sample| sample.end_us).max()?;
    if matches!(arrivals, Arrivals::Waves(_) | Arrivals::OneAtATime) {
        return Some((first, last));
    }
    let levels = levels(samples);
    let middle = middle_level(&levels)?;
    let reached = |level: &&Level| level.under_way >= middle;
    let from = levels.iter().find(reached)?.from_us;
    let to = levels.iter().rev().find(reached)?.to_us;
    Some((from, to))
}

/// The figures of the steady window. `None` when there is no such window, or nothing happened in it.
pub fn steady(samples: &[Sample], arrivals: Arrivals) -> Option<Steady> {
    let (from, to) = steady_window(samples, arrivals)?;
    let seconds = to.checked_sub(from).filter(|length| *length > 0)? as f64 / 1e6;
    let succeeded = || samples.iter().filter(|sample| sample.succeeded());
    let inside = |at_us: u64| (from..=to).contains(&at_us);
    let chunks = || succeeded().flat_map(|sample| &sample.chunks);
    let tokens: u64 = chunks().filter(|chunk| inside(chunk.at_us)).map(|chunk| u64::from(chunk.tokens)).sum();
    let latencies: Vec<f64> =
        succeeded().filter(|sample| sample.sent_us >= from && sample.end_us <= to).map(Sample::e2e_ms).collect();
    Some(Steady {
        from_s: from as f64 / 1e6,
        to_s: to as f64 / 1e6,
        concurrency: middle_level(&levels(samples))?,
        output_throughput: (chunks().next().is_some()).then_some(tokens as f64 / seconds),
        request_throughput: succeeded().filter(|sample| inside(sample.end_us)).count() as f64 / seconds,
        e2e_p50_ms: median(&latencies),
        e2e_p99_ms: quantile(&sorted(&latencies), 0.99),
    })
}

/// A stretch of time in which the same number of requests was under way.
struct Level {
    from_us: u64,
    to_us: u64,
    under_way: u32,
}

/// How many requests were under way from when to when, in order. Stretches without length are left out.
fn levels(samples: &[Sample]) -> Vec<Level> {
    let sends = samples.iter().map(|sample| (sample.sent_us, true));
    let ends = samples.iter().map(|sample| (sample.end_us, false));
    let mut events: Vec<(u64, bool)> = sends.chain(ends).collect();
    events.sort_unstable();
    let mut levels = Vec::new();
    let mut under_way: u32 = 0;
    for (index, (at_us, is_send)) in events.iter().enumerate() {
        under_way = if *is_send { under_way + 1 } else { under_way.saturating_sub(1) };
        if let Some((next_us, _)) = events.get(index + 1).filter(|(next_us, _)| next_us > at_us) {
            levels.push(Level { from_us: *at_us, to_us: *next_us, under_way });
        }
    }
    levels
}

/// The number of requests under way that was reached or exceeded for half of the time.
fn middle_level(levels: &[Level]) -> Option<u32> {
    let mut by_height: Vec<&Level> = levels.iter().collect();
    by_height.sort_by_key(|level| std::cmp::Reverse(level.under_way));
    let total: u64 = levels.iter().map(|level| level.to_us - level.from_us).sum();
    let mut passed = 0;
    by_height
        .into_iter()
        .find(|level| {
            passed += level.to_us - level.from_us;
            passed * 2 >= total
        })
        .map(|level| level.under_way)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunks::Chunk;
    use crate::sample::Outcome;
    use crate::units::per_second;

    fn request(start_ms: u64, end_ms: u64, tokens: u32) -> Sample {
        let gap = (end_ms - start_ms) * 1_000 / u64::from(tokens);
        Sample {
            index: 0,
            intended_us: start_ms * 1_000,
            sent_us: start_ms * 1_000,
            chunks: (1..=u64::from(tokens)).map(|n| Chunk { at_us: start_ms * 1_000 + n * gap, tokens: 1 }).collect(),
            end_us: end_ms * 1_000,
            prompt_tokens: Some(1),
            output_tokens: Some(tokens),
            finish_reason: None,
            resent: false,
            server: None,
            outcome: Outcome::Succeeded,
        }
    }

    /// Two at a time from 1 s to 9 s; one alone before and after.
    fn ramp_and_tail() -> Vec<Sample> {
        let left = (0..5).map(|n| request(n * 2_000, n * 2_000 + 2_000, 20));
        let right = (0..4).map(|n| request(1_000 + n * 2_000, 3_000 + n * 2_000, 20));
        left.chain(right).collect()
    }

    #[test]
    fn ramp_and_tail_are_found() {
        let window = steady_window(&ramp_and_tail(), Arrivals::Concurrency(2));
        assert_eq!(window, Some((1_000_000, 9_000_000)));
    }

    #[test]
    fn tokens_are_placed_by_their_stamps() {
        let steady = steady(&ramp_and_tail(), Arrivals::Concurrency(2)).unwrap();
        // Two requests at a time give 20 tokens a second; the token at either end of the window counts.
        assert_eq!(steady.concurrency, 2);
        assert!((steady.output_throughput.unwrap() - 20.0).abs() < 0.3, "{steady:?}");
        assert!((steady.request_throughput - 1.0).abs() < 0.13, "{steady:?}");
        assert_eq!(steady.e2e_p50_ms, Some(2_000.0));
    }

    #[test]
    fn the_last_wave_is_never_lost() {
        let waves: Vec<Sample> =
            (0..3).flat_map(|n| [request(n * 100, n * 100 + 100, 4), request(n * 100, n * 100 + 40, 4)]).collect();
        let steady = steady(&waves, Arrivals::Waves(2)).unwrap();
        assert!((steady.to_s - 0.3).abs() < 1e-9);
        assert!((steady.output_throughput.unwrap() - 24.0 / 0.3).abs() < 1e-6);
    }

    #[test]
    fn a_run_without_requests_has_no_window() {
        assert_eq!(steady_window(&[], Arrivals::Poisson(per_second(1.0))), None);
        assert_eq!(steady(&[], Arrivals::Concurrency(8)), None);
    }
}
