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
    /// Chunks with output in which the server's running total did not grow.
    uncounted: usize,
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
        // A total that comes after chunks without one counts for those too, and not for this alone.
        let growth = growth.filter(|by| self.guessed == 0 || *by == u32::from(has_output));
        let tokens = growth.or(ids).unwrap_or_else(|| u32::from(has_output));
        if tokens == 0 && !has_output {
            let is_blank = growth.or(ids).is_none() && !opens;
            self.blank_before |= is_blank && self.chunks.is_empty();
            self.blank_after |= is_blank;
            self.is_opened |= opens;
            return false;
        }
        self.blank_after = false;
        match (growth, ids) {
            (None, None) => self.guessed += 1,
            (Some(_), _) => self.uncounted += usize::from(tokens == 0),
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
            (self.uncounted, self.uncounted * 2 > chunks)
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
mod tests {
    use super::*;

    fn split(pieces: &[(Delta, Option<u32>)]) -> TokenSplit {
        let mut split = TokenSplit::default();
        for (at_us, (output, growth)) in (0..).zip(pieces.iter().copied()) {
            split.push(Piece { at_us, output, growth, ids: None });
        }
        split
    }

    const NO_OUTPUT: Delta = Delta {
        has_output: false,
        has_reasoning: false,
        has_answer: false,
        has_tool: false,
        has_role: false,
    };
    const THINKS: Delta =
        Delta { has_output: true, has_reasoning: true, has_answer: false, ..NO_OUTPUT };
    const ANSWER: (Delta, Option<u32>) = (Delta::ANSWER, None);
    const THOUGHT: (Delta, Option<u32>) = (THINKS, None);
    const EMPTY: (Delta, Option<u32>) = (NO_OUTPUT, None);

    fn pairs(split: &TokenSplit) -> Vec<(u64, u32)> {
        split.chunks.iter().map(Into::into).collect()
    }

    #[test]
    fn a_chunk_without_output_is_no_token_at_any_place() {
        let mut split = split(&[EMPTY, ANSWER, EMPTY, ANSWER, EMPTY]);
        assert_eq!(split.settle(2), Ok(None));
        assert_eq!((pairs(&split), split.estimated), (vec![(1, 1), (3, 1)], Estimated::NOTHING));
    }

    #[test]
    fn where_tokens_are_missing_an_empty_chunk_leaves_the_first_or_the_last_moment_open() {
        let of = |pieces: &[(Delta, Option<u32>)], total: u32| {
            let mut split = split(pieces);
            split.settle(total).unwrap();
            let Estimated { first_token, last_token, chunk_tokens, .. } = split.estimated;
            (first_token, last_token, chunk_tokens)
        };
        assert_eq!(of(&[ANSWER, EMPTY, ANSWER], 3), (false, false, true));
        assert_eq!(of(&[EMPTY, ANSWER, ANSWER], 3), (true, false, true));
        assert_eq!(of(&[ANSWER, ANSWER, EMPTY], 3), (false, true, true));
        assert_eq!(of(&[EMPTY, ANSWER, ANSWER, EMPTY], 2), (false, false, false));
        // A running total says that an empty chunk held nothing.
        assert_eq!(of(&[(NO_OUTPUT, Some(0)), (Delta::ANSWER, Some(2))], 3), (false, false, true));
    }

    #[test]
    fn the_chunk_that_names_the_role_opens_a_stream_and_holds_no_token() {
        let role = |has_role| Piece {
            at_us: 0,
            output: Delta { has_role, ..NO_OUTPUT },
            growth: None,
            ids: None,
        };
        for (opens, is_open) in [(true, false), (false, true)] {
            let mut split = TokenSplit::default();
            split.push(role(opens));
            split.push(Piece { at_us: 1, output: Delta::ANSWER, ..role(opens) });
            split.settle(2).unwrap();
            assert_eq!(split.estimated.first_token, is_open);
        }
    }

    #[test]
    fn a_total_in_an_empty_chunk_behind_chunks_without_one_is_no_token_of_that_chunk() {
        let mut split = split(&[ANSWER, ANSWER, (NO_OUTPUT, Some(4))]);
        assert_eq!(split.settle(6), Ok(None));
        assert_eq!(pairs(&split), [(0, 3), (1, 3)]);
        let wanted = Estimated { last_token: true, ..Estimated::CHUNK_TOKENS };
        assert_eq!(split.estimated, wanted);
    }

    #[test]
    fn no_chunk_is_dropped_where_the_reasoning_is_not_counted() {
        let mut split = split(&[THOUGHT, THOUGHT, THOUGHT, ANSWER]);
        let oddity = split.settle(1).unwrap().unwrap();
        assert_eq!(oddity.kind, OddityKind::UncountedReasoning);
        assert_eq!(oddity.detail.as_deref(), Some("1 tokens were counted in 4 chunks with output"));
        assert_eq!((split.chunks.last_us(), split.chunks.len(), split.counted), (Some(3), 4, 1));
        let estimated = Estimated { output_tokens: true, ..Estimated::CHUNK_TOKENS };
        assert_eq!(split.estimated, estimated);
    }

    #[test]
    fn fewer_tokens_than_chunks_are_a_contradiction_without_reasoning() {
        let mut split = split(&[ANSWER, ANSWER, ANSWER, THOUGHT]);
        let failure = split.settle(2).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Contradiction);
        assert!(failure.detail.starts_with("2 tokens were counted in 4 chunks with output"));
        assert_eq!(split.chunks.last_us(), Some(3));
    }

    #[test]
    fn a_running_total_that_does_not_grow_with_the_output_is_a_contradiction() {
        let grows = |by| (Delta::ANSWER, Some(by));
        let mut stuck = split(&[grows(1), grows(0), grows(0), grows(0)]);
        assert_eq!(stuck.settle(4).unwrap_err().kind, FailureKind::Contradiction);
        // Text that a parser held back comes without a new token.
        let mut held_back = split(&[grows(1), grows(2), grows(0)]);
        assert_eq!(held_back.settle(3), Ok(None));
        assert_eq!(pairs(&held_back), [(0, 1), (1, 2), (2, 0)]);
        assert_eq!(held_back.estimated, Estimated::NOTHING);
    }

    #[test]
    fn the_parts_of_an_answer_are_counted_by_their_chunks() {
        let grows = |output, by| (output, Some(by));
        let tool = Delta::ANSWER.as_tool();
        let mut plain = split(&[grows(Delta::ANSWER, 1), grows(Delta::ANSWER, 2)]);
        plain.settle(3).unwrap();
        assert_eq!(plain.parts(Some(3), None), (None, Estimated::NOTHING));
        // A token without text belongs to what it comes before.
        let pieces = [
            grows(NO_OUTPUT, 1),
            grows(THINKS, 2),
            grows(THINKS, 2),
            grows(NO_OUTPUT, 1),
            grows(Delta::ANSWER, 3),
            grows(tool, 1),
            grows(tool, 4),
        ];
        let mut split = split(&pieces);
        split.settle(14).unwrap();
        let parts = AnswerParts {
            first_answer_us: Some(4),
            tool_call_us: Some(6),
            reasoning_tokens: Some(6),
            answer_tokens: Some(8),
        };
        assert_eq!(split.parts(Some(14), None), (Some(parts), Estimated::NOTHING));
        // The server's own count is preferred.
        let said = AnswerParts { reasoning_tokens: Some(5), answer_tokens: Some(9), ..parts };
        assert_eq!(split.parts(Some(14), Some(5)).0, Some(said));
    }

    #[test]
    fn what_is_not_known_of_the_parts_is_absent_or_an_estimate() {
        // The count leaves the reasoning out.
        let mut left_out = split(&[THOUGHT, THOUGHT, THOUGHT, ANSWER]);
        left_out.settle(1).unwrap();
        let parts = left_out.parts(Some(1), None).0.unwrap();
        assert_eq!((parts.reasoning_tokens, parts.answer_tokens), (None, Some(1)));
        // The tokens of each chunk are not known.
        let mut spread = split(&[THOUGHT, THOUGHT, ANSWER, ANSWER]);
        spread.settle(8).unwrap();
        let (parts, estimated) = spread.parts(Some(8), None);
        assert_eq!(parts.unwrap().reasoning_tokens, Some(4));
        assert!(estimated.reasoning_tokens && estimated.chunk_tokens);
        let (parts, estimated) = spread.parts(Some(8), Some(3));
        assert_eq!(parts.unwrap().answer_tokens, Some(5));
        assert!(!estimated.reasoning_tokens);
        // One chunk holds the end of the one and the beginning of the other.
        let mixed = Delta::ANSWER.and(THINKS);
        let mut mixed = split(&[(THINKS, Some(2)), (mixed, Some(4)), (Delta::ANSWER, Some(1))]);
        mixed.settle(7).unwrap();
        assert!(mixed.parts(Some(7), None).1.reasoning_tokens);
    }
}
