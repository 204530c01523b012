//! Prompts and messages of random ordinary words: [`draw`], [`text`].

use std::collections::HashSet;

use perf_model::spec::load::Length;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use crate::workload::prompt::{Batch, Drawn, Prompt};
use crate::workload::random::REDRAWS;
use crate::workload::verse;

/// A prompt for each length, none of which was drawn before.
pub(crate) fn draw(words: Length, batch: Batch, drawn: &mut HashSet<String>) -> Vec<Drawn> {
    let vocabulary = verse::words();
    let mut generator = batch.generator();
    let prompts = batch.lengths(words).into_iter().map(|words| {
        let mut prompt = text(words, &vocabulary, &mut generator);
        for _ in 0..REDRAWS {
            if drawn.insert(prompt.clone()) {
                break;
            }
            prompt = text(words, &vocabulary, &mut generator);
        }
        Drawn::alone(Prompt::Text(prompt.into()))
    });
    prompts.collect()
}

/// `words` random words of a vocabulary, a space between two of them.
pub(crate) fn text(words: u32, vocabulary: &[&str], generator: &mut ChaCha8Rng) -> String {
    let picked = (0..words).map(|_| vocabulary[generator.random_range(0..vocabulary.len())]);
    picked.collect::<Vec<&str>>().join(" ")
}
