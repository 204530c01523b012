//! The messages of users in conversations: [`draw`]. Each response becomes a part of the next
//! request during the run.

use perf_model::spec::load::Length;
use rand::RngExt;

use crate::workload::prompt::{Batch, Drawn, Prompt, Turn};
use crate::workload::verse;

/// Conversations of `turns` messages, one after the other; the last may be shorter.
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
