//! What the typed events of `/v1/responses` add to a response.

use perf_model::record::sample::FailureKind;

use crate::openai::error_message::message_of;
use crate::openai::failure::Failure;
use crate::openai::response::{Response, no_choices};
use crate::openai::token_split::Piece;
use crate::openai::typed_event::{Kind, TypedEvent, Whole};

impl Response {
    /// Takes an event of `/v1/responses`.
    pub(super) fn take_typed(
        &mut self,
        at_us: u64,
        event: &TypedEvent,
        data: &[u8],
    ) -> Result<bool, Failure> {
        match event.kind() {
            Kind::Error(error) => {
                return Err(Failure::new(FailureKind::ErrorInBand, message_of(&error)));
            }
            Kind::Unknown => return Err(no_choices(data)),
            Kind::Output(output) => {
                self.saw_choice = true;
                if self.split.push(Piece { at_us, output, growth: None, ids: None }) {
                    self.total_is_last = false;
                }
            }
            Kind::End => {
                let Some(whole) = &event.response else { return Err(no_choices(data)) };
                self.end_typed(whole)?;
            }
            Kind::Other => self.saw_choice = true,
        }
        Ok(true)
    }

    /// Takes the whole response that ends the events of `/v1/responses`.
    pub(super) fn end_typed(&mut self, whole: &Whole) -> Result<(), Failure> {
        if let Some(error) = whole.failure() {
            return Err(Failure::new(FailureKind::ErrorInBand, message_of(&error)));
        }
        self.saw_choice = true;
        self.is_done = true;
        self.finish_reason = whole.finish_reason().or_else(|| self.finish_reason.take());
        if let Some(usage) = &whole.usage {
            self.prompt_tokens = usage.input_tokens.or(self.prompt_tokens);
            self.reasoning_tokens = usage.reasoning_tokens().or(self.reasoning_tokens);
            self.output_tokens = usage.output_tokens.or(self.output_tokens);
            self.total_is_last = usage.output_tokens.is_some();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stream of these events says, one a microsecond.
    fn read(events: &[&str]) -> Result<Response, Failure> {
        let mut response = Response::new(false, true);
        for (at_us, event) in (0..).zip(events) {
            response.take_event(at_us, event.as_bytes())?;
        }
        response.settle()?;
        Ok(response)
    }

    const CREATED: &str = r#"{"type":"response.created","response":{"status":"in_progress","usage":null,"output":[]}}"#;
    const THOUGHT: &str = r#"{"type":"response.reasoning_text.delta","delta":"a"}"#;
    const ANSWER: &str = r#"{"type":"response.output_text.delta","delta":"b"}"#;
    const CALL: &str = r#"{"type":"response.function_call_arguments.delta","delta":"{"}"#;
    const DONE: &str = r#"{"type":"response.output_text.done","text":"all of it"}"#;

    fn end(status: &str, tokens: u32) -> String {
        format!(
            r#"{{"type":"response.{status}","response":{{"status":"{status}","output":[],"error":null,
            "incomplete_details":{{"reason":"max_output_tokens"}},
            "usage":{{"input_tokens":3,"output_tokens":{tokens},"output_tokens_details":{{"reasoning_tokens":2}}}}}}}}"#
        )
    }

    #[test]
    fn a_stream_of_typed_events_is_measured_by_its_deltas() {
        let end = end("completed", 4);
        let response = read(&[CREATED, THOUGHT, THOUGHT, ANSWER, CALL, DONE, &end]).unwrap();
        let chunks: Vec<(u64, u32)> = response.split.chunks.iter().map(Into::into).collect();
        assert_eq!(chunks, [(1, 1), (2, 1), (3, 1), (4, 1)]);
        assert_eq!((response.last_total(), response.prompt_tokens), (Some(4), Some(3)));
        assert_eq!((response.finish_reason.as_deref(), response.is_done), (Some("stop"), true));
        let (parts, estimated) = response.parts();
        let parts = parts.unwrap();
        assert_eq!((parts.first_answer_us, parts.tool_call_us), (Some(3), Some(4)));
        assert_eq!((parts.reasoning_tokens, parts.answer_tokens), (Some(2), Some(2)));
        assert!(estimated.is_nothing());
    }

    #[test]
    fn a_response_that_reached_its_length_or_has_more_tokens_than_deltas_says_so() {
        let response = read(&[CREATED, ANSWER, ANSWER, &end("incomplete", 5)]).unwrap();
        assert_eq!(response.finish_reason.as_deref(), Some("max_output_tokens"));
        assert!(response.parts().1.chunk_tokens);
    }

    #[test]
    fn every_form_of_an_error_is_one() {
        for event in [
            r#"{"type":"error","code":"server_error","message":"no"}"#,
            r#"{"type":"response.failed","response":{"status":"failed","error":{"message":"no"}}}"#,
            r#"{"error":{"message":"no","code":500}}"#,
        ] {
            let failure = read(&[CREATED, ANSWER, event]).unwrap_err();
            assert_eq!(failure, Failure::new(FailureKind::ErrorInBand, "no"), "{event}");
        }
        assert_eq!(read(&[r#"{"a":1}"#]).unwrap_err().kind, FailureKind::Malformed);
    }

    #[test]
    fn a_whole_response_has_its_counts_and_its_end() {
        let event = end("incomplete", 5);
        let (_, whole) = event.split_once(r#""response":"#).unwrap();
        let mut response = Response::new(false, true);
        response.take_whole(whole.strip_suffix('}').unwrap().as_bytes()).unwrap();
        assert_eq!(response.last_total(), Some(5));
        assert_eq!(response.parts().0.unwrap().answer_tokens, Some(3));
        assert!(Response::new(false, true).take_whole(b"{}").is_err());
    }
}
