//! Repeatable randomness that does not depend on the order of the draws: [`mix`].
//!
//! Which fault hits a request, which text a token has, which id a response carries: each is a
//! function of the seed and of the thing itself. A change of scheduling therefore never changes
//! them.

/// The purpose of a draw; draws of one seed for different purposes are independent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Start,
    Step,
    Drift,
    Length,
    Inject,
    RequestId,
    Output,
    Merge,
}

/// A well-mixed 64-bit value from a seed and a position (`SplitMix64`).
pub(crate) fn mix(seed: u64, position: u64) -> u64 {
    let mut z = seed.wrapping_add(position.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The seed for one purpose.
pub(crate) fn seed_for(seed: u64, stream: Stream) -> u64 {
    mix(seed, 0x5eed_0000 + stream as u64)
}

/// A value in [0, 1).
pub(crate) fn unit(seed: u64, position: u64) -> f64 {
    (mix(seed, position) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_fill_their_range_evenly() {
        let mean = (0..10_000).map(|i| unit(3, i)).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
    }

    #[test]
    fn questions_of_one_seed_are_answered_apart() {
        assert_ne!(seed_for(1, Stream::Start), seed_for(1, Stream::Step));
    }
}
