//! How long each prompt or answer is: [`lengths`].
//!
//! Lengths that differ are taken at even steps through their distribution and put into an order
//! from the seed. Drawn one by one, a hundred lengths of a wide distribution would differ by
//! several percent in their sum between two seeds, and so would the throughput of a server that did
//! nothing else.

use perf_model::spec::load::Length;
use rand::seq::SliceRandom;

use crate::workload::seed::RandomStream;

/// `count` lengths, in an order from the seed.
pub(crate) fn lengths(length: Length, count: u32, stream: RandomStream, seed: u64) -> Vec<u32> {
    let at = |share: f64| match length {
        Length::Fixed(tokens) => tokens,
        Length::Uniform { min, max } => {
            min + whole(share * f64::from(max - min + 1)).min(max - min)
        }
        Length::Lognormal { median, sigma, max } => {
            let tokens = f64::from(median) * (sigma * normal_quantile(share)).exp();
            whole(tokens.round()).clamp(1, max)
        }
    };
    let mut lengths: Vec<u32> =
        (0..count).map(|index| at((f64::from(index) + 0.5) / f64::from(count))).collect();
    if !matches!(length, Length::Fixed(_)) {
        lengths.shuffle(&mut stream.generator(seed));
    }
    lengths
}

fn whole(number: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and saturating"
    )]
    {
        number as u32
    }
}

/// The value below which this share of a standard normal distribution lies: Acklam's rational
/// approximation, whose relative error is below 1.2e-9. `share` lies between 0 and 1.
fn normal_quantile(share: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    const TAIL: f64 = 0.024_25;
    let polynomial =
        |factors: &[f64], at: f64| factors.iter().fold(0.0, |sum, factor| sum * at + factor);
    let tail = |share: f64| {
        let at = (-2.0 * share.ln()).sqrt();
        polynomial(&C, at) / polynomial(&D, at)
    };
    if share < TAIL {
        tail(share)
    } else if share > 1.0 - TAIL {
        -tail(1.0 - share)
    } else {
        let (offset, square) = (share - 0.5, (share - 0.5) * (share - 0.5));
        offset * polynomial(&A, square) / polynomial(&B, square)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(length: Length, count: u32, seed: u64) -> Vec<u32> {
        lengths(length, count, RandomStream::PromptLengths, seed)
    }

    #[test]
    fn the_quantiles_of_the_normal_distribution_are_known() {
        for (share, value) in
            [(0.5, 0.0), (0.841_344_746, 1.0), (0.975, 1.959_963_985), (0.01, -2.326_347_874)]
        {
            assert!(
                (normal_quantile(share) - value).abs() < 1e-6,
                "{share}: {}",
                normal_quantile(share)
            );
        }
    }

    #[test]
    fn a_lognormal_has_its_median_and_its_mean() {
        let drawn = of(Length::Lognormal { median: 500, sigma: 0.5, max: 100_000 }, 4_001, 1);
        let mut sorted = drawn.clone();
        sorted.sort_unstable();
        assert_eq!(sorted[2_000], 500);
        let mean = drawn.iter().copied().map(f64::from).sum::<f64>() / drawn.len() as f64;
        let meant = 500.0 * (0.5_f64 * 0.5 / 2.0).exp();
        assert!((mean / meant - 1.0).abs() < 0.005, "{mean} for {meant}");
        assert!(
            of(Length::Lognormal { median: 500, sigma: 2.0, max: 900 }, 99, 1)
                .iter()
                .all(|tokens| *tokens <= 900)
        );
    }

    proptest! {
        #[test]
        fn the_seed_decides_the_order_and_nothing_else(
            min in 1_u32..200, more in 0_u32..300, sigma in 0.0_f64..2.0, count in 1_u32..300, seed: u64, other: u64,
        ) {
            let uniform = Length::Uniform { min, max: min + more };
            let lognormal = Length::Lognormal { median: min, sigma, max: min + more };
            for length in [uniform, lognormal, Length::Fixed(min)] {
                let drawn = of(length, count, seed);
                prop_assert_eq!(drawn.len(), count as usize);
                prop_assert!(drawn.iter().all(|tokens| (length.min()..=length.max()).contains(tokens)));
                prop_assert_eq!(&drawn, &of(length, count, seed));
                let sorted = |mut lengths: Vec<u32>| {
                    lengths.sort_unstable();
                    lengths
                };
                prop_assert_eq!(sorted(drawn), sorted(of(length, count, other)));
            }
            let mean = of(uniform, count, seed).iter().copied().map(f64::from).sum::<f64>() / f64::from(count);
            prop_assert!((mean - f64::from(min) - f64::from(more) / 2.0).abs() <= 0.5, "{mean}");
        }
    }
}
