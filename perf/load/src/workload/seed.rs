//! How a run's one seed becomes the random numbers of its parts: [`RandomStream`].
//!
//! Every part draws from a stream of its own, so that a longer warm-up or another arrival pattern
//! never changes the prompts. `ChaCha8` is specified bit by bit: the draws are the same on every
//! machine and in every version.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// What the random numbers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RandomStream {
    /// The measured prompts.
    Prompts = 0,
    /// The prompts of the warm-up.
    WarmUpPrompts = 1,
    /// The gaps between arrivals.
    Arrivals = 2,
    /// The salts that keep runs apart in the server's prefix cache.
    Salts = 3,
    /// The order of the measured prompts' lengths.
    PromptLengths = 4,
    /// The order of the lengths of the warm-up's prompts.
    WarmUpPromptLengths = 5,
    /// The order of the measured answers' lengths.
    OutputLengths = 6,
    /// The order of the lengths of the warm-up's answers.
    WarmUpOutputLengths = 7,
    /// What several prompts have in common, in the warm-up as in the measurement.
    Shared = 8,
    /// The order of the pauses between the turns of conversations.
    Pauses = 9,
    /// The order of the models of a mix.
    Models = 10,
}

impl RandomStream {
    /// The generator of this stream.
    pub(crate) fn generator(self, seed: u64) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(self as u64);
        generator
    }
}

/// A number that no other run has: of the same process by a count, of others by time and process.
pub(crate) fn fresh(seed: u64) -> u64 {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let run = (u64::from(std::process::id()) << 32)
        | (RUNS.fetch_add(1, Ordering::Relaxed) & u64::from(u32::MAX));
    // Mixed by a generator where it is used: what differs in one bit there differs in all.
    seed ^ u64::try_from(time & u128::from(u64::MAX)).unwrap_or_default() ^ run.rotate_left(17)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn no_two_runs_are_given_the_same_number() {
        let numbers: std::collections::BTreeSet<u64> = (0..1_000).map(|_| fresh(7)).collect();
        assert_eq!(numbers.len(), 1_000);
    }

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let first = |stream: RandomStream, seed| stream.generator(seed).next_u64();
        assert_eq!(first(RandomStream::Prompts, 1), first(RandomStream::Prompts, 1));
        assert_ne!(first(RandomStream::Prompts, 1), first(RandomStream::Arrivals, 1));
        assert_ne!(first(RandomStream::Prompts, 1), first(RandomStream::Prompts, 2));
    }
}
