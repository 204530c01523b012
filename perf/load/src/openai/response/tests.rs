//! Responses, each of a few events.

use super::*;

/// What a stream of these events says, one a microsecond.
fn read(events: &[&str]) -> Response {
    let mut response = Response::default();
    for (at_us, event) in (0..).zip(events) {
        response.take_event(at_us, event.as_bytes()).unwrap();
    }
    response.settle().unwrap();
    response
}

fn chunk(total: u32) -> String {
    format!(
        "{{\"choices\":[{{\"text\":\"\"}}],\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{total}}}}}"
    )
}

fn pairs(response: &Response) -> Vec<(u64, u32)> {
    response.split.chunks.iter().map(Into::into).collect()
}

const BARE: &str = "{\"choices\":[{\"text\":\"x\"}],\"usage\":null}";
const LAST: &str = "{\"choices\":[{\"text\":\"x\",\"finish_reason\":\"length\"}]}";
const ROLE: &str = "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}";

fn total(tokens: u32) -> String {
    format!("{{\"choices\":[],\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{tokens}}}}}")
}

#[test]
fn the_tokens_of_a_chunk_are_what_the_total_grew_by() {
    let response =
        read(&[&chunk(0), &chunk(1), &chunk(9), &chunk(9), &chunk(10), &total(10), "[DONE]"]);
    assert_eq!(pairs(&response), [(1, 1), (2, 8), (4, 1)]);
    assert_eq!(
        (response.output_tokens, response.prompt_tokens, response.is_done),
        (Some(10), Some(3), true)
    );
}

#[test]
fn without_running_totals_missing_tokens_are_spread_over_the_chunks_and_that_is_known() {
    let response = read(&[ROLE, BARE, BARE, LAST, &total(8)]);
    assert_eq!(
        (pairs(&response), response.parts().1),
        (vec![(1, 2), (2, 3), (3, 3)], Estimated::CHUNK_TOKENS)
    );
    let exact = read(&[ROLE, BARE, BARE, LAST, &total(3)]);
    assert_eq!(
        (pairs(&exact), exact.parts().1),
        (vec![(1, 1), (2, 1), (3, 1)], Estimated::NOTHING)
    );
    // Tokens that a running total counted are not guessed; only the rest is.
    let lost = read(&[&chunk(1), &chunk(2), &total(5)]);
    assert_eq!((pairs(&lost), lost.parts().1), (vec![(0, 1), (1, 4)], Estimated::CHUNK_TOKENS));
}

#[test]
fn without_running_totals_the_ids_of_tokens_are_counted() {
    let ids = |ids: &str| format!("{{\"choices\":[{{\"text\":\"x\",\"token_ids\":{ids}}}]}}");
    let response =
        read(&[ROLE, &ids("[7]"), &ids("[]"), &ids("[7,8,9]"), &ids("[1,2]"), &total(6), "[DONE]"]);
    assert_eq!(pairs(&response), [(1, 1), (2, 0), (3, 3), (4, 2)]);
    // A running total is preferred, and a value that is not a list is ignored.
    let with_total = chunk(4).replacen("\"text\"", "\"token_ids\":[1,2],\"text\"", 1);
    let response =
        read(&[&with_total, &ids("null"), &ids("\"7 8\""), &ids("{\"a\":1}"), &total(7)]);
    assert_eq!(pairs(&response), [(0, 4), (1, 1), (2, 1), (3, 1)]);
}

#[test]
fn a_total_below_the_chunks_with_output_is_a_contradiction() {
    let mut response = Response::default();
    for (at_us, event) in (0..).zip([BARE, BARE, LAST, &total(2)]) {
        response.take_event(at_us, event.as_bytes()).unwrap();
    }
    assert_eq!(response.settle().unwrap_err().kind, FailureKind::Contradiction);
}

#[test]
fn what_real_servers_send_beside_the_protocol_is_read_and_noted() {
    let no_list = total(2).replace("[]", "null");
    let nothing = r#"{"choices":null,"usage":null}"#;
    let response = read(&[ROLE, BARE, " ", "", LAST, &no_list, " [DONE] ", "more"]);
    assert_eq!(read(&[ROLE, nothing, BARE, LAST, &total(2)]).oddities.len(), 1);
    assert_eq!(pairs(&response), [(1, 1), (4, 1)]);
    let kinds: Vec<OddityKind> = response.oddities.iter().map(|oddity| oddity.kind).collect();
    assert_eq!(kinds, [OddityKind::EmptyEvent, OddityKind::NoChoices, OddityKind::DataAfterDone]);
    assert!(response.is_done && response.is_complete());
}

#[test]
fn a_chunk_without_output_after_the_total_leaves_the_total_the_last_word() {
    let last = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let response = read(&[&chunk(1), &chunk(2), last, "[DONE]"]);
    assert_eq!((response.last_total(), pairs(&response).len()), (Some(2), 2));
}

#[test]
fn an_empty_finish_reason_is_none() {
    let empty = BARE.replace("\"text\"", "\"finish_reason\":\"\",\"text\"");
    let last = LAST.replace("length", "stop");
    let response = read(&[&empty, &last, &empty, &total(3)]);
    assert_eq!(response.finish_reason.as_deref(), Some("stop"));
}

#[test]
fn a_total_that_more_chunks_follow_is_not_the_last_word() {
    let response = read(&[&chunk(1), BARE, LAST, "[DONE]"]);
    assert_eq!(pairs(&response), [(0, 1), (1, 1), (2, 1)]);
    assert_eq!(response.last_total(), None);
}

#[test]
fn nothing_is_taken_after_the_announced_end() {
    let response = read(&[&chunk(1), "[DONE]", &chunk(2), "no JSON"]);
    assert_eq!(pairs(&response), [(0, 1)]);
}

#[test]
fn an_event_that_only_keeps_the_connection_open_is_nothing() {
    for event in
        ["null", "{}", "\"\"", "{\"type\": \"ping\"}", "{\"event\":\"keepalive\",\"at\":1}"]
    {
        for is_typed in [false, true] {
            let mut response = Response::new(false, is_typed);
            assert_eq!(response.take_event(1, event.as_bytes()), Ok(false), "{event}");
            assert_eq!(response.oddities, [Oddity::plain(OddityKind::EmptyEvent)]);
        }
    }
    let mut response = Response::default();
    let failure = response.take_event(1, b"{\"type\":\"pong\"}").unwrap_err();
    assert_eq!(failure.kind, FailureKind::Malformed);
    // What carries output or an error is no such event, also where its type is one.
    let mut response = Response::default();
    let chunk = br#"{"type":"ping","choices":[{"text":"x"}]}"#;
    assert_eq!(response.take_event(1, chunk), Ok(true));
    assert_eq!(pairs(&response), [(1, 1)]);
    let failure = response.take_event(2, br#"{"type":"ping","error":"no"}"#).unwrap_err();
    assert_eq!(failure.kind, FailureKind::ErrorInBand);
}

#[test]
fn an_error_of_any_form_between_chunks_is_repeated_and_an_empty_field_is_none() {
    for event in [
        r#"{"error":{"message":"no"}}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"error","error":{"code":502,"message":"no"}}]}"#,
        r#"{"detail":"no"}"#,
        r#"{"errors":[{"message":"no"}]}"#,
        r#"{"type":"error","message":"no"}"#,
        r#"{"status":503,"message":"no"}"#,
    ] {
        let mut response = Response::default();
        response.take_event(0, BARE.as_bytes()).unwrap();
        let failure = response.take_event(1, event.as_bytes()).unwrap_err();
        assert_eq!(failure, Failure::new(FailureKind::ErrorInBand, "no"), "{event}");
    }
    for empty in ["\"\"", "{}", "false", "null"] {
        let with = |chunk: &str| chunk.replacen('{', &format!("{{\"error\":{empty},"), 1);
        let response = read(&[&with(BARE), &with(LAST), &with(&total(2)), "[DONE]"]);
        assert_eq!(pairs(&response), [(0, 1), (1, 1)], "{empty}");
    }
}

#[test]
fn counts_that_are_0_until_the_answer_ends_are_none() {
    // As Ollama answers /v1/completions.
    let zero = |text: &str, reason: &str| {
        format!(
            "{{\"choices\":[{{\"text\":\"{text}\",\"index\":0,\"finish_reason\":{reason}}}],\
             \"usage\":{{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}}}}"
        )
    };
    let (chunk, end) = (zero("x", "null"), zero("", "\"stop\""));
    let response = read(&[&chunk, &chunk, &end, &total(2), "[DONE]"]);
    assert_eq!((pairs(&response), response.parts().1), (vec![(0, 1), (1, 1)], Estimated::NOTHING));
    assert_eq!(response.prompt_tokens, Some(3));
    // The token that ended the answer came with the chunk without text.
    let stopped = read(&[&chunk, &chunk, &end, &total(3), "[DONE]"]);
    assert!(stopped.parts().1.last_token && !stopped.parts().1.first_token);
}
