//! Splits of tokens over chunks, each of a few pieces.

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
fn a_total_of_0_beside_output_counts_nothing() {
    let (zero, blank) = ((Delta::ANSWER, Some(0)), (NO_OUTPUT, Some(0)));
    let mut even = split(&[zero, zero, zero, blank]);
    assert_eq!(even.settle(3), Ok(None));
    assert_eq!(pairs(&even), [(0, 1), (1, 1), (2, 1)]);
    assert_eq!(even.estimated, Estimated::NOTHING);
    // A token may have come in a chunk without text, at either end.
    let mut more = split(&[blank, zero, zero, blank]);
    assert_eq!(more.settle(4), Ok(None));
    let Estimated { first_token, last_token, chunk_tokens, .. } = more.estimated;
    assert!(first_token && last_token && chunk_tokens);
    let mut never = split(&[zero, zero, blank]);
    assert_eq!(never.settle(0).unwrap_err().kind, FailureKind::Contradiction);
}

#[test]
fn a_running_total_that_leaves_all_reasoning_out_is_noted_however_short_that_is() {
    let grows = |output, by| (output, Some(by));
    let mut thought = vec![grows(THINKS, 0); 2];
    thought.extend(vec![grows(Delta::ANSWER, 1); 8]);
    let mut late = vec![grows(Delta::ANSWER, 1)];
    late.extend(thought.clone());
    for (pieces, total) in [(thought, 8), (late, 9)] {
        let mut split = split(&pieces);
        let oddity = split.settle(total).unwrap().unwrap();
        assert_eq!(oddity.kind, OddityKind::UncountedReasoning);
        assert!(split.estimated.output_tokens && split.estimated.chunk_tokens);
    }
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
