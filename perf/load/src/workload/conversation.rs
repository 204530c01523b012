//! The messages of users in conversations: [`draw`], and the pauses before them: [`pause`]. Each
//! response becomes a part of the next request during the run.

use std::time::Duration;

use perf_model::spec::load::Length;

use crate::workload::lengths::lengths;
use crate::workload::prompt::{Batch, Drawn, PlannedRequest, Prompt, Turn};
use crate::workload::seed::RandomStream;
use crate::workload::{prose, verse};

/// Conversations of `turns` messages, one after the other; the last may be shorter.
pub(crate) fn draw(turns: u32, words: Length, batch: Batch) -> Vec<Drawn> {
    let vocabulary = verse::words();
    let mut generator = batch.generator();
    let messages = (0..).zip(batch.lengths(words)).map(|(index, words): (u32, u32)| {
        let said = prose::text(words, &vocabulary, &mut generator);
        let opens = index % turns.max(1) == 0;
        let turn = if opens { Turn::Opens } else { Turn::Follows { pause: Duration::ZERO } };
        Drawn { prompt: Prompt::Text(said.into()), stated: None, turn }
    });
    messages.collect()
}

/// Gives each message that follows an answer its pause, at even steps through the distribution: the
/// pauses of every run add up to the same time.
pub(crate) fn pause(asks: &mut [PlannedRequest], millis: Length, seed: u64) {
    let mut follow_ups: Vec<&mut Duration> = asks
        .iter_mut()
        .filter_map(|ask| match &mut ask.turn {
            Turn::Follows { pause } => Some(pause),
            Turn::Alone | Turn::Opens => None,
        })
        .collect();
    let count = u32::try_from(follow_ups.len()).unwrap_or(u32::MAX);
    let drawn = lengths(millis, count, RandomStream::Pauses, seed);
    for (pause, millis) in follow_ups.iter_mut().zip(drawn) {
        **pause = Duration::from_millis(millis.into());
    }
}
