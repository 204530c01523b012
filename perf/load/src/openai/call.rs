//! A request that is ready to be sent: [`Call`].

use std::time::Duration;

use bytes::Bytes;

use crate::openai::chat_message::ChatTurn;
use crate::openai::expectation::Expected;

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Its place in the schedule.
    pub(crate) index: u32,
    pub(crate) path: &'static str,
    pub(crate) body: Bytes,
    pub(crate) expected: Expected,
    pub(crate) limits: Limits,
    /// What it adds to its conversation, if it belongs to one.
    pub(crate) turn: Option<ChatTurn>,
    /// Its model's place in the load's mix, if that has several.
    pub(crate) model: Option<u16>,
}

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Without an event.
    pub(crate) stall: Duration,
    /// In all.
    pub(crate) request: Duration,
}
