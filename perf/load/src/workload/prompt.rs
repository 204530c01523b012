//! The prompts of a run, and how each becomes a request to be sent: [`PlannedRequest`].

use std::sync::Arc;
use std::time::Duration;

use perf_model::spec::load::{Length, OutputLength};
use rand::rngs::ChaCha8Rng;
use serde::{Serialize, Serializer};

use crate::workload::lengths::lengths;
use crate::workload::seed::RandomStream;

/// A prompt, as it stands in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Prompt {
    /// Shared, because it may be long and the same for every request.
    #[serde(serialize_with = "shared")]
    Text(Arc<str>),
    TokenIds(Vec<u32>),
}

/// What one request asks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlannedRequest {
    pub(crate) prompt: Prompt,
    pub(crate) output: OutputLength,
    pub(crate) turn: Turn,
    /// Its model's place in the load's mix, if that has several.
    pub(crate) model: Option<u16>,
}

/// A request's place in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It stands alone.
    Alone,
    /// It opens a conversation.
    Opens,
    /// It goes on with the conversation of the request before it, so long after the answer to that.
    Follows { pause: Duration },
}

/// A prompt, and what its source says of the answer's length.
pub(crate) struct Drawn {
    pub(crate) prompt: Prompt,
    pub(crate) stated: Option<u32>,
    pub(crate) turn: Turn,
}

impl Drawn {
    pub(crate) fn alone(prompt: Prompt) -> Self {
        Self { prompt, stated: None, turn: Turn::Alone }
    }
}

/// One part of a run, the warm-up or the measurement: how many requests, and the random numbers
/// they are drawn with.
#[derive(Clone, Copy)]
pub(crate) struct Batch {
    pub(crate) count: u32,
    pub(crate) seed: u64,
    pub(crate) prompts: RandomStream,
    pub(crate) prompt_lengths: RandomStream,
    pub(crate) output_lengths: RandomStream,
}

impl Batch {
    pub(crate) fn measured(count: u32, seed: u64) -> Self {
        let (prompts, prompt_lengths) = (RandomStream::Prompts, RandomStream::PromptLengths);
        Self { count, seed, prompts, prompt_lengths, output_lengths: RandomStream::OutputLengths }
    }

    pub(crate) fn warm_up(count: u32, seed: u64) -> Self {
        let (prompts, prompt_lengths) =
            (RandomStream::WarmUpPrompts, RandomStream::WarmUpPromptLengths);
        Self {
            count,
            seed,
            prompts,
            prompt_lengths,
            output_lengths: RandomStream::WarmUpOutputLengths,
        }
    }

    /// Random numbers for the prompts.
    pub(crate) fn generator(self) -> ChaCha8Rng {
        self.prompts.generator(self.seed)
    }

    /// The length of each prompt.
    pub(crate) fn lengths(self, length: Length) -> Vec<u32> {
        lengths(length, self.count, self.prompt_lengths, self.seed)
    }

    /// Gives each prompt its answer's length: what its source says stands for the load's number and
    /// keeps its kind.
    pub(crate) fn asks(self, drawn: Vec<Drawn>, output: OutputLength) -> Vec<PlannedRequest> {
        let drawn_by = |length, each: fn(u32) -> OutputLength| {
            lengths(length, self.count, self.output_lengths, self.seed)
                .into_iter()
                .map(each)
                .collect()
        };
        let outputs: Vec<OutputLength> = match output {
            OutputLength::ExactlyOf(length) => drawn_by(length, OutputLength::Exactly),
            OutputLength::AtMostOf(length) => drawn_by(length, OutputLength::AtMost),
            same => vec![same; drawn.len()],
        };
        let asks =
            drawn.into_iter().zip(outputs).map(|(Drawn { prompt, stated, turn }, output)| {
                let output = match (stated, output.is_exact()) {
                    (None, _) => output,
                    (Some(tokens), true) => OutputLength::Exactly(tokens),
                    (Some(tokens), false) => OutputLength::AtMost(tokens),
                };
                PlannedRequest { prompt, output, turn, model: None }
            });
        asks.collect()
    }
}

fn shared<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}
