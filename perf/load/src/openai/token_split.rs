//! How the tokens of a response are split over its chunks: [`TokenSplit`].
//!
//! The server's running total, or its list of token ids, counts the tokens of each chunk. Without
//! either, a chunk with output counts as one token, and the split is made to add up to the total at
//! the end: missing tokens are spread evenly over the chunks, and where there are more chunks than
//! tokens some chunks carry none. No chunk is ever dropped: its time stamp is when output came.

use perf_model::record::answer_parts::AnswerParts;
use perf_model::record::chunks::{Chunk, Chunks};
use perf_model::record::estimated::Estimated;
use perf_model::record::oddity::{Oddity, OddityKind};
use perf_model::record::sample::FailureKind;

use crate::openai::failure::Failure;
use crate::openai::output_text::Delta;

/// The chunks with output, and what is known of their tokens.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct TokenSplit {
    /// The chunks that carried output.
    pub(crate) chunks: Chunks,
    /// The tokens of all chunks.
    pub(crate) counted: u32,
    /// Chunks that the server gave no count for.
    guessed: usize,
    /// Chunks with output in which the server's running total did not grow, and those of them that
    /// carried reasoning.
    uncounted: usize,
    uncounted_reasoning: usize,
    /// Whether the server writes a total of 0 beside output, as Ollama does until an answer ends: its
    /// zeros count nothing.
    has_empty_totals: bool,
    /// Chunks that were counted by the ids of their tokens.
    by_ids: usize,
    /// Chunks that carried reasoning.
    reasoning: usize,
    /// Whether one of them carried a part of the answer too.
    is_mixed: bool,
    /// Chunks before the answer began, and the tokens in them and in later chunks of reasoning.
    thought_chunks: usize,
    thought_tokens: u32,
    first_answer_us: Option<u64>,
    tool_call_us: Option<u64>,
    /// Whether a chunk that might have held a token without text came before the first with output.
    blank_before: bool,
    /// Whether one came after the last with output.
    blank_after: bool,
    /// Whether a chunk with a total of 0 and without text came before the first with output.
    zero_before: bool,
    /// Whether anything has come, and whether it was a chunk that only names the role.
    has_begun: bool,
    is_opened: bool,
    /// What had to be estimated to make the split add up to the total.
    estimated: Estimated,
}

/// One chunk of a stream, as far as its tokens are concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// When its first byte had arrived, in microseconds.
    pub(crate) at_us: u64,
    /// What output it carries.
    pub(crate) output: Delta,
    /// How much the server's running total grew with it.
    pub(crate) growth: Option<u32>,
    /// How many token ids it lists.
    pub(crate) ids: Option<u32>,
}

impl TokenSplit {
    /// Takes a chunk in. Gives whether it carried anything.
    pub(crate) fn push(&mut self, piece: Piece) -> bool {
        let Piece { at_us, output, growth, ids } = piece;
        let Delta { has_output, has_reasoning, has_answer, has_tool, has_role } = output;
        // Where every chunk names the role, an empty first one is no opening.
        let opens = !std::mem::replace(&mut self.has_begun, true) && has_role;
        self.blank_before |= self.is_opened && has_role;
        // There is no output without a token.
        if growth == Some(0) && has_output && self.counted == 0 {
            self.has_empty_totals = true;
            self.blank_before |= self.zero_before;
        }
        let is_empty = |by: u32| by == 0 && self.has_empty_totals;
        // A total that comes after chunks without one counts for those too, and not for this alone.
        let growth = growth
            .filter(|by| self.guessed == 0 || *by == u32::from(has_output))
            .filter(|by| !is_empty(*by));
        let tokens = growth.or(ids).unwrap_or_else(|| u32::from(has_output));
        if tokens == 0 && !has_output {
            let is_blank = growth.or(ids).is_none() && !opens;
            self.blank_before |= is_blank && self.chunks.is_empty();
            self.zero_before |= !opens;
            self.blank_after |= is_blank;
            self.is_opened |= opens;
            return false;
        }
        self.blank_after = false;
        match (growth, ids) {
            (None, None) => self.guessed += 1,
            (Some(_), _) => {
                self.uncounted += usize::from(tokens == 0);
                self.uncounted_reasoning += usize::from(tokens == 0 && has_reasoning);
            }
            (None, Some(_)) => self.by_ids += 1,
        }
        self.reasoning += usize::from(has_reasoning);
        self.is_mixed |= has_reasoning && has_answer;
        if has_answer && self.first_answer_us.is_none() {
            self.first_answer_us = Some(at_us);
            self.thought_chunks = self.chunks.len();
        }
        if has_tool {
            self.tool_call_us = Some(at_us);
        }
        if !has_answer && (has_reasoning || self.first_answer_us.is_none()) {
            self.thought_tokens = self.thought_tokens.saturating_add(tokens);
        }
        self.chunks.push(Chunk { at_us, tokens });
        // A server may claim any number; the sum is held against the limit later.
        self.counted = self.counted.saturating_add(tokens);
        true
    }

    /// Makes the chunks add up to the server's total. Gives what is odd about it.
    ///
    /// # Errors
    /// When the total contradicts what came.
    pub(crate) fn settle(&mut self, total: u32) -> Result<Option<Oddity>, Failure> {
        let (counted, chunks) = (self.counted, self.chunks.len());
        if self.by_ids == chunks && chunks > 0 && counted != total {
            return Err(Failure::new(
                FailureKind::Contradiction,
                format!("the server sent the ids of {counted} tokens and counted {total}"),
            ));
        }
        if counted != total && chunks > 0 {
            self.fit(total);
        }
        let (silent, few) = if self.guessed > 0 {
            let fewer = chunks.saturating_sub(total as usize);
            (fewer, fewer > 0)
        } else {
            // A parser that holds text back sends some of it without a new token.
            let no_reasoning = self.reasoning > 1 && self.uncounted_reasoning == self.reasoning;
            (self.uncounted, self.uncounted * 2 > chunks || no_reasoning)
        };
        if !few {
            return Ok(None);
        }
        let what = format!("{total} tokens were counted in {chunks} chunks with output");
        // The answer's own tokens are counted then, and what came before it is not.
        if self.reasoning >= silent {
            self.estimated.chunk_tokens = true;
            self.estimated.output_tokens = true;
            return Ok(Some(Oddity::with(OddityKind::UncountedReasoning, what)));
        }
        Err(Failure::new(
            FailureKind::Contradiction,
            format!("{what}; check how this server or a proxy before it counts"),
        ))
    }

    /// The parts of an answer with reasoning or tool calls, and what had to be estimated. `total` and
    /// `reasoning` are the server's own counts.
    pub(crate) fn parts(
        &self,
        total: Option<u32>,
        reasoning: Option<u32>,
    ) -> (Option<AnswerParts>, Estimated) {
        let has_thought = self.reasoning > 0 || reasoning.is_some_and(|tokens| tokens > 0);
        if !has_thought && self.tool_call_us.is_none() {
            return (None, self.estimated);
        }
        let mut estimated = self.estimated;
        let said = reasoning.filter(|tokens| *tokens > 0 || self.reasoning == 0);
        let reasoning_tokens = match said {
            Some(said) => Some(said),
            // What is left out of the count is not known.
            None if estimated.output_tokens => None,
            // A response in one piece does not show which of its tokens were which.
            None if self.chunks.is_empty() => None,
            None if estimated.chunk_tokens => {
                estimated.reasoning_tokens = true;
                let thought = self.chunks.iter().take(self.thought_chunks);
                Some(thought.map(|chunk| chunk.tokens).sum())
            }
            None => {
                estimated.reasoning_tokens = self.is_mixed;
                Some(self.thought_tokens)
            }
        };
        let answer_tokens = match reasoning_tokens {
            Some(reasoning) => total.and_then(|total| total.checked_sub(reasoning)),
            None => total.filter(|_| estimated.output_tokens),
        };
        let Self { first_answer_us, tool_call_us, .. } = *self;
        let parts = AnswerParts { first_answer_us, tool_call_us, reasoning_tokens, answer_tokens };
        ((parts != AnswerParts::default()).then_some(parts), estimated)
    }

    /// The tokens that were counted so far, as an estimate of the total.
    pub(crate) fn estimate(&mut self) -> u32 {
        self.estimated = Estimated {
            first_token: self.blank_before,
            last_token: self.blank_after,
            output_tokens: true,
            ..Estimated::CHUNK_TOKENS
        };
        self.counted
    }

    fn fit(&mut self, total: u32) {
        let mut chunks: Vec<Chunk> = self.chunks.iter().collect();
        match total.checked_sub(self.counted) {
            // Running totals were right until then.
            Some(missing) if self.guessed == 0 => {
                if let Some(last) = chunks.last_mut() {
                    last.tokens += missing;
                }
            }
            Some(missing) => spread(missing, &mut chunks),
            None => {
                for chunk in &mut chunks {
                    chunk.tokens = 0;
                }
                spread(total, &mut chunks);
            }
        }
        // Missing tokens may have come without text, in a chunk that looked empty.
        self.estimated = Estimated {
            first_token: total > self.counted && self.blank_before,
            last_token: total > self.counted && self.blank_after,
            ..Estimated::CHUNK_TOKENS
        };
        self.counted = total;
        self.chunks = chunks.into_iter().collect();
    }
}

/// Spreads tokens over the chunks evenly, where the chunk of each is unknown.
fn spread(tokens: u32, chunks: &mut [Chunk]) {
    let count = chunks.len() as u64;
    let until = |place: u64| place * u64::from(tokens) / count.max(1);
    for (place, chunk) in (0..).zip(chunks) {
        chunk.tokens += u32::try_from(until(place + 1) - until(place)).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests;
