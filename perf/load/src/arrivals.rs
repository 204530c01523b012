//! When the requests of an open loop are sent: [`schedule`].
//!
//! The whole schedule exists before the first send, so that nothing the server does can move a later one.

use std::time::Duration;

use perf_model::load::Arrivals;
use rand_distr::{Distribution, Exp1};

use crate::seed::Stream;

/// When each request of an open loop is to be sent, counted from the first, in whole microseconds and in order.
///
/// The first is sent at once and the last (requests − 1) / rate later. At a constant rate the ones between are evenly
/// spaced; a Poisson schedule has exponential gaps, stretched together so that the last falls on that same moment: the
/// seed decides the pattern of a run and never how much is asked of the server. Empty for a closed loop, whose sends
/// follow from the responses.
pub fn schedule(arrivals: Arrivals, requests: u32, seed: u64) -> Vec<Duration> {
    match arrivals {
        Arrivals::OneAtATime | Arrivals::Concurrency(_) | Arrivals::Waves(_) => Vec::new(),
        Arrivals::ConstantRate(rate) => (0..requests).map(|index| at(f64::from(index), rate.value())).collect(),
        Arrivals::Poisson(rate) => {
            let gaps = Exp1.sample_iter(Stream::Arrivals.generator(seed));
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
            places.into_iter().map(|place| at(place * stretch, rate.value())).collect()
        }
    }
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
    use perf_model::units::per_second;
    use proptest::prelude::*;

    #[test]
    fn a_closed_loop_has_no_schedule() {
        for arrivals in [Arrivals::OneAtATime, Arrivals::Concurrency(4), Arrivals::Waves(4)] {
            assert!(schedule(arrivals, 9, 1).is_empty());
        }
    }

    #[test]
    fn a_constant_rate_is_evenly_spaced() {
        let millis: Vec<u128> =
            schedule(Arrivals::ConstantRate(per_second(8.0)), 4, 1).iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [0, 125, 250, 375]);
    }

    #[test]
    fn the_gaps_of_a_poisson_schedule_are_exponential() {
        let moments = schedule(Arrivals::Poisson(per_second(10.0)), 20_001, 3);
        let gaps: Vec<f64> = moments.windows(2).map(|pair| pair[1].as_secs_f64() - pair[0].as_secs_f64()).collect();
        // Of exponential gaps the share longer than the mean is 1/e, and longer than twice the mean 1/e².
        let share = |limit: f64| gaps.iter().filter(|gap| **gap > limit).count() as f64 / gaps.len() as f64;
        assert!((share(0.1) - (-1.0_f64).exp()).abs() < 0.01, "{}", share(0.1));
        assert!((share(0.2) - (-2.0_f64).exp()).abs() < 0.01, "{}", share(0.2));
    }

    proptest! {
        #[test]
        fn an_open_loop_keeps_its_order_its_rate_and_its_seed(
            requests in 2_u32..500, rate in 0.01_f64..2_000.0, seed: u64, poisson: bool,
        ) {
            let rate = per_second(rate);
            let arrivals = if poisson { Arrivals::Poisson(rate) } else { Arrivals::ConstantRate(rate) };
            let moments = schedule(arrivals, requests, seed);
            prop_assert_eq!(moments.len(), requests as usize);
            prop_assert_eq!(moments[0], Duration::ZERO);
            prop_assert!(moments.is_sorted());
            prop_assert!(moments.iter().all(|moment| moment.subsec_nanos() % 1_000 == 0));
            let last = moments[moments.len() - 1].as_secs_f64();
            let meant = f64::from(requests - 1) / rate.value();
            prop_assert!((last - meant).abs() < 2e-6 + meant * 1e-12, "{last} for {meant}");
            prop_assert_eq!(&moments, &schedule(arrivals, requests, seed));
            if poisson && requests > 2 {
                prop_assert_ne!(&moments, &schedule(arrivals, requests, seed.wrapping_add(1)));
            }
        }
    }
}
