//! The OpenAI API: what is sent, what is read of a response, and whether it is what was asked for.

pub(crate) mod call;
pub(crate) mod chat_message;
pub(crate) mod error_message;
pub(crate) mod expectation;
pub(crate) mod failure;
pub(crate) mod finish_reason;
pub(crate) mod foreign_lines;
pub(crate) mod message;
pub(crate) mod output_text;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod sse;
pub(crate) mod token_split;
pub(crate) mod typed_event;
