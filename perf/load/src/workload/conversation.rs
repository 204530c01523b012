//! What users say in conversations: [`draw`]. What the server answers is part of the next request
//! and known only then.

use perf_model::spec::load::Length;
use rand::RngExt;

use crate::workload::prompt::{Batch, Drawn, Prompt, Turn};
use crate::workload::verse;

/// Conversations of so many messages, one after the other; the last is cut where the requests are
/// used up.
pub(crate) fn draw(turns: u32, words: Length, batch: Batch) -> Vec<Drawn> {
    let vocabulary = verse::words();
    let mut generator = batch.generator();
    let messages = (0..).zip(batch.lengths(words)).map(|(index, words): (u32, u32)| {
        let said = (0..words).map(|_| vocabulary[generator.random_range(0..vocabulary.len())]);
        let said: Vec<&str> = said.collect();
        let turn = if index % turns.max(1) == 0 { Turn::Opens } else { Turn::Follows };
        Drawn { prompt: Prompt::Text(said.join(" ").into()), stated: None, turn }
    });
    messages.collect()
}
