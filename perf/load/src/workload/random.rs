//! Prompts of random token ids: [`rows`], and rows after shared prefixes, [`after_prefixes`].

use std::collections::HashSet;

use perf_model::spec::load::Length;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use crate::workload::lengths::lengths;
use crate::workload::prompt::{Batch, Drawn, Prompt};
use crate::workload::seed::RandomStream;

/// Random token ids lie in here: past the special tokens, bytes and digits at the beginning of a
/// vocabulary, and inside even a vocabulary of 4,096.
pub(crate) const TOKEN_IDS: std::ops::Range<u32> = 1_000..4_000;

/// How often another prompt is drawn where a short one was drawn before. Only prompts of one
/// or two tokens run out.
pub(crate) const REDRAWS: u32 = 64;

/// A row of ids for each length, none of which was drawn before.
pub(crate) fn rows(
    lengths: Vec<u32>,
    mut generator: ChaCha8Rng,
    drawn: &mut HashSet<Vec<u32>>,
) -> Vec<Drawn> {
    let rows = lengths.into_iter().map(|length| {
        let mut ids = row(length, &mut generator);
        for _ in 0..REDRAWS {
            if drawn.insert(ids.clone()) {
                break;
            }
            ids = row(length, &mut generator);
        }
        Drawn::alone(Prompt::TokenIds(ids))
    });
    rows.collect()
}

/// `length` random ids.
pub(crate) fn row(length: u32, generator: &mut ChaCha8Rng) -> Vec<u32> {
    (0..length).map(|_| generator.random_range(TOKEN_IDS)).collect()
}

/// Prefixes that prompts share.
pub(crate) fn prefixes(count: u32, length: Length, seed: u64) -> Vec<Vec<u32>> {
    let mut generator = RandomStream::Shared.generator(seed);
    lengths(length, count, RandomStream::Shared, seed)
        .into_iter()
        .map(|length| row(length, &mut generator))
        .collect()
}

/// Rows after prefixes that take turns, in an order from the seed.
pub(crate) fn after_prefixes(
    prefixes: &[Vec<u32>],
    suffix_length: Length,
    batch: Batch,
    drawn: &mut HashSet<Vec<u32>>,
) -> Vec<Drawn> {
    let mut generator = batch.generator();
    let mut turns: Vec<&Vec<u32>> = prefixes.iter().cycle().take(batch.count as usize).collect();
    turns.shuffle(&mut generator);
    let mut prompts = rows(batch.lengths(suffix_length), generator, drawn);
    for (prompt, prefix) in prompts.iter_mut().zip(turns) {
        if let Prompt::TokenIds(ids) = &mut prompt.prompt {
            ids.splice(..0, prefix.iter().copied());
        }
    }
    prompts
}
