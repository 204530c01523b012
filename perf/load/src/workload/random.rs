//! Prompts of random token ids: [`rows`], and rows behind shared beginnings, [`behind`].

use std::collections::HashSet;

use perf_model::spec::load::Length;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::{Drawn, Prompt, Share};
use crate::lengths::lengths;
use crate::seed::Stream;

/// Random token ids lie in here: past the special tokens, bytes and digits at the beginning of a
/// vocabulary, and inside even a vocabulary of 4,096.
pub(super) const TOKEN_IDS: std::ops::Range<u32> = 1_000..4_000;

/// A short prompt may have been drawn before; so many times another is drawn. Only prompts of one
/// or two tokens run out.
const REDRAWS: u32 = 64;

/// A row of ids for each length, none of which was drawn before.
pub(super) fn rows(
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

/// So many random ids.
pub(super) fn row(length: u32, generator: &mut ChaCha8Rng) -> Vec<u32> {
    (0..length).map(|_| generator.random_range(TOKEN_IDS)).collect()
}

/// Beginnings that prompts share.
pub(super) fn prefixes(count: u32, length: Length, seed: u64) -> Vec<Vec<u32>> {
    let mut generator = Stream::Shared.generator(seed);
    lengths(length, count, Stream::Shared, seed)
        .into_iter()
        .map(|length| row(length, &mut generator))
        .collect()
}

/// Rows behind beginnings that take turns, in an order from the seed.
pub(super) fn behind(
    prefixes: &[Vec<u32>],
    suffix_length: Length,
    share: Share,
    drawn: &mut HashSet<Vec<u32>>,
) -> Vec<Drawn> {
    let mut generator = share.generator();
    let mut turns: Vec<&Vec<u32>> = prefixes.iter().cycle().take(share.count as usize).collect();
    turns.shuffle(&mut generator);
    let mut prompts = rows(share.lengths(suffix_length), generator, drawn);
    for (prompt, prefix) in prompts.iter_mut().zip(turns) {
        if let Prompt::TokenIds(ids) = &mut prompt.prompt {
            ids.splice(..0, prefix.iter().copied());
        }
    }
    prompts
}
