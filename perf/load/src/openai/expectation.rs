//! Whether a response that ended well is what was asked for: [`Expected::check`].

use perf_model::record::sample::FailureKind;
use perf_model::spec::load::OutputLength;

use crate::openai::failure::Failure;
use crate::openai::finish_reason::FinishReason;
use crate::openai::response::Response;

/// What a response is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) output: OutputLength,
    /// How many tokens the prompt has, where the client knows: it was sent as ids.
    pub(crate) prompt_tokens: Option<u32>,
    pub(crate) streamed: bool,
    /// Whether the server was asked to count the tokens.
    pub(crate) counted: bool,
    /// Whether it is a response of `/v1/responses`, with its typed events.
    pub(crate) is_typed: bool,
}

impl Expected {
    /// Whether a response that ended well is what was asked for. The first thing that is wrong is
    /// named: a prompt that the server shortened explains an output of another length, not the
    /// other way round.
    pub(crate) fn check(&self, response: &Response) -> Result<(), Failure> {
        let came = self.came(response)?;
        if let (Some(sent), Some(read)) = (self.prompt_tokens, response.prompt_tokens)
            && sent != read
        {
            return Err(Failure::new(
                FailureKind::WrongPromptLength,
                format!("the server read a prompt of {read} tokens, {sent} were sent"),
            ));
        }
        let reason = response.finish_reason.as_deref();
        let said = reason.map_or_else(
            || "no finish reason".to_owned(),
            |reason| format!("finish reason {reason}"),
        );
        let limit = self.output.limit();
        let end = reason.map(FinishReason::of);
        // What the client does not know is noted and judged by the count alone.
        let is_unknown = end == Some(FinishReason::Unknown);
        let (is_length, is_stop) =
            (end == Some(FinishReason::Length), end == Some(FinishReason::Stop));
        let (word, is_wrong_length, fits) = match self.output {
            OutputLength::Exactly(_) | OutputLength::ExactlyOf(_) => {
                ("exactly", came != limit, is_length || is_unknown)
            }
            // "length" below the limit: the server shortened the request by itself, to its context
            // length for one.
            OutputLength::AtMost(_) | OutputLength::AtMostOf(_) => (
                "at most",
                came > limit || (came < limit && is_length),
                is_length || is_stop || is_unknown,
            ),
        };
        if is_wrong_length {
            return Err(Failure::new(
                FailureKind::WrongLength,
                format!("{came} tokens came, {word} {limit} were asked for ({said})"),
            ));
        }
        if !fits {
            return Err(Failure::new(
                FailureKind::WrongFinishReason,
                format!("{said} after {came} tokens"),
            ));
        }
        Ok(())
    }

    /// How many output tokens came, by the server's own and last word.
    fn came(&self, response: &Response) -> Result<u32, Failure> {
        let empty = |what: String| Err(Failure::new(FailureKind::Empty, what));
        match response.last_total() {
            Some(0) => empty("the server counted 0 output tokens".to_owned()),
            Some(came) if self.streamed && response.split.chunks.is_empty() => {
                empty(format!("the server counted {came} tokens, but no chunk carried output"))
            }
            Some(came) => Ok(came),
            None if !response.saw_choice => empty("the response was empty".to_owned()),
            None => Err(Failure::new(
                FailureKind::MissingUsage,
                "no usage with or after the last chunk",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(tokens: u32, reason: Option<&str>, output: OutputLength) -> Option<FailureKind> {
        let reason = reason.map_or("null".to_owned(), |reason| format!("\"{reason}\""));
        let body = format!(
            "{{\"choices\":[{{\"finish_reason\":{reason}}}],\
             \"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{tokens}}}}}"
        );
        let mut response = Response::default();
        response.take_whole(body.as_bytes()).unwrap();
        let expected = Expected {
            output,
            prompt_tokens: None,
            streamed: false,
            counted: true,
            is_typed: false,
        };
        let judged = expected.check(&response);
        let with_ids = Expected { prompt_tokens: Some(3), ..expected };
        assert_eq!(with_ids.check(&response), judged);
        if judged.is_ok() {
            let of_another_length = Expected { prompt_tokens: Some(4), ..expected };
            assert_eq!(
                of_another_length.check(&response).unwrap_err().kind,
                FailureKind::WrongPromptLength
            );
        }
        judged.err().map(|failure| failure.kind)
    }

    #[test]
    fn a_length_that_the_server_cut_is_wrong_even_below_the_limit() {
        let (exactly, at_most) = (OutputLength::Exactly(8), OutputLength::AtMost(8));
        assert_eq!(judge(8, Some("length"), exactly), None);
        assert_eq!(judge(8, Some("length"), at_most), None);
        assert_eq!(judge(3, Some("stop"), at_most), None);
        assert_eq!(judge(3, Some("length"), at_most), Some(FailureKind::WrongLength));
        assert_eq!(judge(9, Some("length"), at_most), Some(FailureKind::WrongLength));
        assert_eq!(judge(3, Some("stop"), exactly), Some(FailureKind::WrongLength));
        assert_eq!(judge(8, Some("stop"), exactly), Some(FailureKind::WrongFinishReason));
        assert_eq!(judge(3, Some("abort"), at_most), Some(FailureKind::WrongFinishReason));
        assert_eq!(judge(3, None, at_most), Some(FailureKind::WrongFinishReason));
        assert_eq!(judge(0, Some("stop"), at_most), Some(FailureKind::Empty));
        assert_eq!(judge(8, Some("max_tokens"), exactly), None);
        assert_eq!(judge(3, Some("tool_calls"), at_most), None);
        // One that is not known is judged by the count.
        assert_eq!(judge(8, Some("a_new_reason"), exactly), None);
        assert_eq!(judge(7, Some("a_new_reason"), exactly), Some(FailureKind::WrongLength));
    }
}
