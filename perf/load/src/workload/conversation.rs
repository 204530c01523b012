//! What users say in conversations: [`draw`]. What the server answers is part of the next request
//! and known only then.

use perf_model::spec::load::Length;
use rand::RngExt;

use super::{Drawn, Prompt, Share, Turn, verse};

/// Conversations of so many messages, one after the other; the last is cut where the requests are
/// used up.
pub(super) fn draw(turns: u32, words: Length, share: Share) -> Vec<Drawn> {
    let vocabulary = verse::words();
    let mut generator = share.generator();
    let messages = (0..).zip(share.lengths(words)).map(|(index, words): (u32, u32)| {
        let said = (0..words).map(|_| vocabulary[generator.random_range(0..vocabulary.len())]);
        let said: Vec<&str> = said.collect();
        let turn = if index % turns.max(1) == 0 { Turn::Opens } else { Turn::Follows };
        Drawn { prompt: Prompt::Text(said.join(" ").into()), stated: None, turn }
    });
    messages.collect()
}
