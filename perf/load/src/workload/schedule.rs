//! When the requests of an open loop are sent: [`schedule`].
//!
//! The whole schedule exists before the first send, so that nothing the server does can move a
//! later one.

use std::time::Duration;

use perf_model::spec::load::Arrivals;
use rand_distr::{Distribution, Exp1, Gamma};

use crate::workload::seed::RandomStream;

/// When each request of an open loop is to be sent, counted from the first, in whole microseconds
/// and in order.
///
/// The first is sent at once and the last (requests − 1) / rate later. At a constant rate the ones
/// between are evenly spaced; a Poisson schedule has exponential gaps and a gamma schedule
/// gamma-distributed ones, stretched together so that the last falls on that same moment: the seed
/// decides the pattern of a run and never how much is asked of the server. A ramp ends after
/// (requests − 1) / the mean of its two rates. Empty for a closed loop, whose sends follow from the
/// responses, and for recorded arrivals, whose moments are in the trace.
pub fn schedule(arrivals: Arrivals, requests: u32, seed: u64) -> Vec<Duration> {
    match arrivals {
        Arrivals::OneAtATime
        | Arrivals::Concurrency(_)
        | Arrivals::Waves(_)
        | Arrivals::Recorded { .. } => Vec::new(),
        Arrivals::ConstantRate(rate) => {
            (0..requests).map(|index| at(f64::from(index), rate.value())).collect()
        }
        Arrivals::Poisson(rate) => at_random(&Exp1, rate.value(), requests, seed),
        // The scale does not matter, because the gaps are stretched; a bad shape was refused
        // before.
        Arrivals::Gamma { rate, shape } => match Gamma::new(shape, 1.0 / shape) {
            Ok(gaps) => at_random(&gaps, rate.value(), requests, seed),
            Err(_) => Vec::new(),
        },
        Arrivals::Ramp { from, to } => {
            let last = requests.saturating_sub(1);
            (0..requests).map(|index| on_a_ramp(from.value(), to.value(), index, last)).collect()
        }
    }
}

/// The recorded moments at another speed.
pub(crate) fn sped_up(recorded: &[Duration], speed: f64) -> Vec<Duration> {
    recorded.iter().map(|moment| at(moment.as_secs_f64(), speed)).collect()
}

/// A schedule with random gaps, stretched to the rate.
fn at_random(
    gaps: &impl Distribution<f64>,
    per_second: f64,
    requests: u32,
    seed: u64,
) -> Vec<Duration> {
    let gaps = gaps.sample_iter(RandomStream::Arrivals.generator(seed));
    let places: Vec<f64> = std::iter::once(0.0)
        .chain(gaps)
        .scan(0.0, |place, gap: f64| {
            *place += gap;
            Some(*place)
        })
        .take(requests as usize)
        .collect();
    let drawn = places.last().copied().filter(|last| *last > 0.0).unwrap_or(1.0);
    let stretch = f64::from(requests.saturating_sub(1)) / drawn;
    places.into_iter().map(|place| at(place * stretch, per_second)).collect()
}

/// When request `index` of 0 to `last` is due while the rate goes linearly from one to another.
///
/// The share of all requests that is sent by a share x of the time: (from·x + (to − from)·x²/2) /
/// ((from + to)/2) of them all. Solved for x, in the form that loses no digits where the two rates
/// are close.
fn on_a_ramp(from: f64, to: f64, index: u32, last: u32) -> Duration {
    if index == 0 {
        return Duration::ZERO;
    }
    let sent = f64::from(index) / f64::from(last);
    let share = sent * (from + to) / (from + (from * from + (to * to - from * from) * sent).sqrt());
    at(f64::from(last) * share, f64::midpoint(from, to))
}

/// The moment `gaps` mean gaps after the first send, rounded to a microsecond.
fn at(gaps: f64, per_second: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded, not negative, and saturating"
    )]
    Duration::from_micros((gaps / per_second * 1e6).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_model::spec::units::per_second;
    use proptest::prelude::*;

    #[test]
    fn a_closed_loop_has_no_schedule() {
        for arrivals in [Arrivals::OneAtATime, Arrivals::Concurrency(4), Arrivals::Waves(4)] {
            assert!(schedule(arrivals, 9, 1).is_empty());
        }
    }

    #[test]
    fn a_constant_rate_is_evenly_spaced() {
        let millis: Vec<u128> = schedule(Arrivals::ConstantRate(per_second(8.0)), 4, 1)
            .iter()
            .map(Duration::as_millis)
            .collect();
        assert_eq!(millis, [0, 125, 250, 375]);
    }

    #[test]
    fn the_gaps_of_a_poisson_schedule_are_exponential() {
        let moments = schedule(Arrivals::Poisson(per_second(10.0)), 20_001, 3);
        let gaps: Vec<f64> =
            moments.windows(2).map(|pair| pair[1].as_secs_f64() - pair[0].as_secs_f64()).collect();
        // Of exponential gaps the share longer than the mean is 1/e, and longer than twice the mean
        // 1/e².
        let share =
            |limit: f64| gaps.iter().filter(|gap| **gap > limit).count() as f64 / gaps.len() as f64;
        assert!((share(0.1) - (-1.0_f64).exp()).abs() < 0.01, "{}", share(0.1));
        assert!((share(0.2) - (-2.0_f64).exp()).abs() < 0.01, "{}", share(0.2));
    }

    #[test]
    fn a_ramp_goes_from_one_rate_to_the_other() {
        let ramp = |from, to| Arrivals::Ramp { from: per_second(from), to: per_second(to) };
        // 100 gaps at a mean of 10 a second: 10 seconds, and a quarter of the gaps in the first
        // half at 0 to 10.
        let moments = schedule(ramp(0.0, 20.0), 101, 1);
        assert_eq!((moments[25], moments[100]), (Duration::from_secs(5), Duration::from_secs(10)));
        let gap = |moments: &[Duration], index: usize| {
            moments[index + 1].as_secs_f64() - moments[index].as_secs_f64()
        };
        let down = schedule(ramp(20.0, 5.0), 1_001, 1);
        assert!(
            (gap(&down, 0) - 1.0 / 20.0).abs() < 1e-4 && (gap(&down, 999) - 1.0 / 5.0).abs() < 1e-2
        );
        assert_eq!(
            schedule(ramp(8.0, 8.0), 50, 1),
            schedule(Arrivals::ConstantRate(per_second(8.0)), 50, 1)
        );
    }

    #[test]
    fn the_gaps_of_a_gamma_schedule_vary_as_its_shape_says() {
        for shape in [0.25, 1.0, 4.0] {
            let moments = schedule(Arrivals::Gamma { rate: per_second(10.0), shape }, 40_001, 3);
            let gaps: Vec<f64> = moments
                .windows(2)
                .map(|pair| pair[1].as_secs_f64() - pair[0].as_secs_f64())
                .collect();
            let variance =
                gaps.iter().map(|gap| (gap - 0.1).powi(2)).sum::<f64>() / gaps.len() as f64;
            // The squared coefficient of variation of a gamma distribution is 1 / shape.
            assert!((variance / 0.01 * shape - 1.0).abs() < 0.1, "{shape}: {variance}");
        }
    }

    #[test]
    fn a_recording_can_be_played_faster() {
        let recorded = [0, 1_000, 5_000].map(Duration::from_millis);
        assert_eq!(sped_up(&recorded, 2.0), [0, 500, 2_500].map(Duration::from_millis));
    }

    proptest! {
        #[test]
        fn an_open_loop_keeps_its_order_its_rate_and_its_seed(
            requests in 2_u32..500, rate in 0.01_f64..2_000.0, shape in 0.05_f64..20.0, seed: u64, kind in 0..4,
        ) {
            let mean = rate;
            let rate = per_second(rate);
            let arrivals = match kind {
                0 => Arrivals::ConstantRate(rate),
                1 => Arrivals::Poisson(rate),
                2 => Arrivals::Gamma { rate, shape },
                _ => Arrivals::Ramp { from: per_second(mean * 0.25), to: per_second(mean * 1.75) },
            };
            let is_random = kind == 1 || kind == 2;
            let moments = schedule(arrivals, requests, seed);
            prop_assert_eq!(moments.len(), requests as usize);
            prop_assert_eq!(moments[0], Duration::ZERO);
            prop_assert!(moments.is_sorted());
            prop_assert!(moments.iter().all(|moment| moment.subsec_nanos() % 1_000 == 0));
            let last = moments[moments.len() - 1].as_secs_f64();
            let meant = f64::from(requests - 1) / mean;
            prop_assert!((last - meant).abs() < 2e-6 + meant * 1e-12, "{last} for {meant}");
            prop_assert_eq!(&moments, &schedule(arrivals, requests, seed));
            if is_random && requests > 2 {
                prop_assert_ne!(&moments, &schedule(arrivals, requests, seed.wrapping_add(1)));
            }
        }
    }
}
