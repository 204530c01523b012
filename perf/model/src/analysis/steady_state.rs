//! The part of a run in which the load was at its intended level: [`steady_window`] and the
//! [`Steady`] figures in it.
//!
//! The number of in-flight requests rises to the intended level at the start of a run, and falls
//! when nothing is left to send. Both ends are found in the samples, not guessed: the window lasts
//! from the first to the last moment at which at least as many requests were under way as in the
//! middle of the run, the time-weighted median. In a closed loop it begins no sooner than the first
//! request ended, because all begin at once, on a server in another state than later; in an open
//! loop it ends no later than the last send. Tokens are placed by their time stamps, so that a
//! request that crosses an end of the window counts with the part of it that lies inside. Latencies
//! are of the requests that ended inside: to require that they also began there would leave out the
//! long ones.
//!
//! Waves have no such window, because they drain by design; theirs is the whole run, the last wave
//! included. A ramp, and an open loop whose queue grew from one end of the window to the other,
//! are never steady and have no window.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::summary::latencies;
use crate::record::sample::Sample;
use crate::spec::load::Arrivals;
use crate::spec::metric::Metric;

/// By how much the number of requests under way may differ between the first and the last third of
/// an open loop's window: by this share of the larger, and [`DRIFT_REQUESTS`], which small numbers
/// do by chance.
const DRIFT: f64 = 0.25;
const DRIFT_REQUESTS: f64 = 2.0;

/// What was measured in the steady window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Steady {
    /// Where the window begins, in seconds since the run began.
    pub from_s: f64,
    /// Where it ends.
    pub to_s: f64,
    /// The median number of in-flight requests.
    pub concurrency: u32,
    /// Output tokens per second of the whole server; absent when responses were not streamed, which
    /// have no stamps.
    pub output_throughput: Option<f64>,
    /// Requests per second, each with the share of its tokens that came in the window, or of its
    /// time where it has no stamps.
    pub request_throughput: f64,
    /// TTFT, TPOT, ITL, E2E and the output rate per request, of requests that ended in the window.
    pub latencies: BTreeMap<Metric, f64>,
}

/// The steady window of a run, in microseconds since it began; the whole run for waves. `None`
/// without requests, and where the run was never steady.
pub fn steady_window(samples: &[Sample], arrivals: Arrivals) -> Option<(u64, u64)> {
    let (from, to) = window(samples, arrivals)?;
    drift(samples, arrivals, from, to).is_none().then_some((from, to))
}

/// The remark that an open loop was never steady, with the reason. A ramp is not meant to be.
pub fn never_steady(samples: &[Sample], arrivals: Arrivals) -> Option<String> {
    let (from, to) = window(samples, arrivals)?;
    let (first, last) = drift(samples, arrivals, from, to)?;
    let grew = last > first;
    Some(format!(
        "no steady state: in-flight requests {} from {first:.0} to {last:.0}, so latencies depend on run length{}",
        if grew { "grew" } else { "fell" },
        if grew { "; lower the rate below the server's capacity" } else { "" }
    ))
}

/// Whether the number of requests under way grew from one end of an open loop's window to the
/// other.
pub(crate) fn queue_grew(samples: &[Sample], arrivals: Arrivals) -> bool {
    let window = window(samples, arrivals);
    let drift = window.and_then(|(from, to)| drift(samples, arrivals, from, to));
    drift.is_some_and(|(first, last)| last > first)
}

/// The figures of the steady window. `None` when there is no such window, or nothing happened in
/// it.
pub fn steady(samples: &[Sample], arrivals: Arrivals) -> Option<Steady> {
    let (from, to) = steady_window(samples, arrivals)?;
    let seconds = to.checked_sub(from).filter(|length| *length > 0)? as f64 / 1e6;
    let succeeded = || samples.iter().filter(|sample| sample.succeeded());
    // Tokens at the very beginning were generated before it.
    let inside = |at_us: u64| from < at_us && at_us <= to;
    let tokens_of = |sample: &Sample| -> u64 {
        sample
            .chunks
            .iter()
            .filter(|chunk| inside(chunk.at_us))
            .map(|chunk| u64::from(chunk.tokens))
            .sum()
    };
    let share = |sample: &Sample| match sample
        .chunks
        .iter()
        .map(|chunk| u64::from(chunk.tokens))
        .sum::<u64>()
    {
        0 => {
            let begun = sample.sent_us.clamp(from, to);
            let ended = sample.end_us.clamp(from, to);
            ended.saturating_sub(begun) as f64
                / sample.end_us.saturating_sub(sample.sent_us).max(1) as f64
        }
        all => tokens_of(sample) as f64 / all as f64,
    };
    let has_stamps = succeeded().any(|sample| !sample.chunks.is_empty());
    let tokens: u64 = succeeded().map(tokens_of).sum();
    let ended: Vec<&Sample> = succeeded().filter(|sample| inside(sample.end_us)).collect();
    Some(Steady {
        from_s: from as f64 / 1e6,
        to_s: to as f64 / 1e6,
        concurrency: middle_level(&levels(samples))?,
        output_throughput: has_stamps.then_some(tokens as f64 / seconds),
        request_throughput: succeeded().map(share).sum::<f64>() / seconds,
        latencies: latencies(&ended),
    })
}

/// The window, whether or not it was steady in it.
fn window(samples: &[Sample], arrivals: Arrivals) -> Option<(u64, u64)> {
    let first = samples.iter().map(|sample| sample.sent_us).min()?;
    let last = samples.iter().map(|sample| sample.end_us).max()?;
    match arrivals {
        Arrivals::Waves(_) | Arrivals::OneAtATime => return Some((first, last)),
        Arrivals::Ramp { .. } => return None,
        _ => {}
    }
    let levels = levels(samples);
    let middle = middle_level(&levels)?;
    let reached = |level: &&Level| level.under_way >= middle;
    let from = levels.iter().find(reached)?.from_us;
    let to = levels.iter().rev().find(reached)?.to_us;
    let (from, to) = if arrivals.is_closed_loop() {
        (from.max(samples.iter().map(|sample| sample.end_us).min()?), to)
    } else {
        (from, to.min(samples.iter().map(|sample| sample.sent_us).max()?))
    };
    (from < to).then_some((from, to))
}

/// How many requests were under way in the first and in the last third of an open loop's window,
/// where these differ by more than [`DRIFT`].
fn drift(samples: &[Sample], arrivals: Arrivals, from: u64, to: u64) -> Option<(f64, f64)> {
    if arrivals.is_closed_loop() {
        return None;
    }
    let third = (to - from) / 3;
    let levels = levels(samples);
    let under_way = |from: u64, to: u64| {
        let parts = levels.iter().map(|level| {
            let lasted = level.to_us.clamp(from, to) - level.from_us.clamp(from, to);
            lasted as f64 * f64::from(level.under_way)
        });
        parts.sum::<f64>() / (to - from).max(1) as f64
    };
    let (first, last) = (under_way(from, from + third), under_way(to - third, to));
    ((first - last).abs() > DRIFT * first.max(last) + DRIFT_REQUESTS).then_some((first, last))
}

/// A period with a constant number of in-flight requests.
struct Level {
    from_us: u64,
    to_us: u64,
    under_way: u32,
}

/// The periods with a constant number of in-flight requests, in order, without those of zero
/// length.
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
    use crate::record::chunks::Chunk;
    use crate::spec::units::per_second;

    fn request(start_ms: u64, end_ms: u64, tokens: u32) -> Sample {
        let gap = (end_ms - start_ms) * 1_000 / u64::from(tokens);
        Sample {
            intended_us: start_ms * 1_000,
            sent_us: start_ms * 1_000,
            chunks: (1..=u64::from(tokens))
                .map(|n| Chunk { at_us: start_ms * 1_000 + n * gap, tokens: 1 })
                .collect(),
            end_us: end_ms * 1_000,
            prompt_tokens: Some(1),
            output_tokens: Some(tokens),
            ..crate::fixtures::sample()
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
        // Two at a time from 1 s on; the first one ended at 2 s.
        assert_eq!(window, Some((2_000_000, 9_000_000)));
    }

    #[test]
    fn tokens_are_placed_by_their_stamps() {
        let steady = steady(&ramp_and_tail(), Arrivals::Concurrency(2)).unwrap();
        // Two requests at a time give 20 tokens a second.
        assert_eq!(steady.concurrency, 2);
        assert!((steady.output_throughput.unwrap() - 20.0).abs() < 1e-9, "{steady:?}");
        assert!((steady.request_throughput - 1.0).abs() < 1e-9, "{steady:?}");
        assert!((steady.latencies[&"e2e_p50_ms".parse().unwrap()] - 2_000.0).abs() < 1e-9);
    }

    #[test]
    fn the_last_wave_is_never_lost() {
        let waves: Vec<Sample> = (0..3)
            .flat_map(|n| [request(n * 100, n * 100 + 100, 4), request(n * 100, n * 100 + 40, 4)])
            .collect();
        let steady = steady(&waves, Arrivals::Waves(2)).unwrap();
        assert!((steady.to_s - 0.3).abs() < 1e-9);
        assert!((steady.output_throughput.unwrap() - 24.0 / 0.3).abs() < 1e-6);
    }

    #[test]
    fn requests_in_lock_step_are_counted_whole_in_the_last_round_too() {
        // Eight at a time, 300 ms each, ending within 7 µs of each other: 26.7 requests a second.
        let lock_step: Vec<Sample> = (0..8)
            .flat_map(|round| {
                (0..8).map(move |place| {
                    let mut sample = request(round * 300, round * 300 + 300, 10);
                    sample.end_us += place;
                    sample.chunks = sample
                        .chunks
                        .iter()
                        .map(|c| Chunk { at_us: c.at_us + place, ..c })
                        .collect();
                    sample
                })
            })
            .collect();
        let steady = steady(&lock_step, Arrivals::Concurrency(8)).unwrap();
        assert!((steady.request_throughput - 80.0 / 3.0).abs() < 0.5, "{steady:?}");
        assert!((steady.output_throughput.unwrap() - 800.0 / 3.0).abs() < 5.0, "{steady:?}");
    }

    #[test]
    fn long_requests_count_although_they_began_before_the_window() {
        // One long request beside short ones, one after the other.
        let short = (0..10).map(|n| request(n * 100, n * 100 + 100, 5));
        let samples: Vec<Sample> = short.chain([request(0, 950, 5)]).collect();
        let steady = steady(&samples, Arrivals::Concurrency(2)).unwrap();
        assert_eq!((steady.from_s, steady.to_s), (0.1, 0.95));
        assert!(steady.latencies[&"e2e_p99_ms".parse().unwrap()] > 800.0, "{steady:?}");
    }

    #[test]
    fn answers_without_stamps_count_with_the_share_of_their_time() {
        let mut samples = ramp_and_tail();
        for sample in &mut samples {
            sample.chunks = crate::record::chunks::Chunks::default();
        }
        let steady = steady(&samples, Arrivals::Concurrency(2)).unwrap();
        assert_eq!(steady.output_throughput, None);
        assert!((steady.request_throughput - 1.0).abs() < 1e-9, "{steady:?}");
    }

    #[test]
    fn a_queue_that_grows_is_not_steady_and_neither_is_a_ramp() {
        // 20 requests a second on a server that does 10, one after the other.
        let overload: Vec<Sample> = (1..=600).map(|n| request((n - 1) * 50, n * 100, 2)).collect();
        let arrivals = Arrivals::ConstantRate(per_second(20.0));
        assert_eq!(steady(&overload, arrivals), None);
        let remark = never_steady(&overload, arrivals).unwrap();
        assert!(remark.starts_with("no steady state: in-flight requests grew from "), "{remark}");
        let calm: Vec<Sample> = (1..=600).map(|n| request((n - 1) * 50, n * 50 + 200, 2)).collect();
        assert_eq!(never_steady(&calm, arrivals), None);
        assert!(steady(&calm, arrivals).is_some());
        let ramp = Arrivals::Ramp { from: per_second(1.0), to: per_second(40.0) };
        assert_eq!((steady(&overload, ramp), never_steady(&overload, ramp)), (None, None));
    }

    #[test]
    fn a_run_without_requests_has_no_window() {
        assert_eq!(steady_window(&[], Arrivals::Poisson(per_second(1.0))), None);
        assert_eq!(steady(&[], Arrivals::Concurrency(8)), None);
    }
}
