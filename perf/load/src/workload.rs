//! What is asked: [`draw`] makes one [`Ask`] for every request of a run.

mod conversation;
mod files;
mod random;
mod share_gpt;
mod trace;
mod verse;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use perf_model::spec::load::{Length, OutputLength, Prompts, Workload};
use rand::rngs::ChaCha8Rng;
use serde::{Serialize, Serializer};

use crate::error::LoadError;
use crate::lengths::lengths;
use crate::seed::Stream;

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
pub(crate) struct Ask {
    pub(crate) prompt: Prompt,
    pub(crate) output: OutputLength,
    pub(crate) turn: Turn,
}

/// A request's place in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It stands alone.
    Alone,
    /// It opens a conversation.
    Opens,
    /// It goes on with the conversation of the request before it.
    Follows,
}

/// What a run asks: its measured requests, and those that warm up before them.
#[derive(Debug, PartialEq)]
pub(crate) struct Asks {
    pub(crate) measured: Vec<Ask>,
    pub(crate) warm_up: Vec<Ask>,
    /// When each measured request was sent as a trace says, counted from the first; empty without a
    /// trace.
    pub(crate) recorded: Vec<Duration>,
}

/// A prompt, and what its source says of the answer's length.
struct Drawn {
    prompt: Prompt,
    stated: Option<u32>,
    turn: Turn,
}

impl Drawn {
    fn alone(prompt: Prompt) -> Self {
        Self { prompt, stated: None, turn: Turn::Alone }
    }
}

/// One part of a run, the warm-up or the measurement: how many requests, and the random numbers
/// they are drawn with.
#[derive(Clone, Copy)]
struct Share {
    count: u32,
    seed: u64,
    prompts: Stream,
    prompt_lengths: Stream,
    output_lengths: Stream,
}

impl Share {
    fn measured(count: u32, seed: u64) -> Self {
        let (prompts, prompt_lengths) = (Stream::Prompts, Stream::PromptLengths);
        Self { count, seed, prompts, prompt_lengths, output_lengths: Stream::OutputLengths }
    }

    fn warm_up(count: u32, seed: u64) -> Self {
        let (prompts, prompt_lengths) = (Stream::WarmUpPrompts, Stream::WarmUpPromptLengths);
        Self { count, seed, prompts, prompt_lengths, output_lengths: Stream::WarmUpOutputLengths }
    }

    /// Random numbers for the prompts.
    fn generator(self) -> ChaCha8Rng {
        self.prompts.generator(self.seed)
    }

    /// The length of each prompt.
    fn lengths(self, length: Length) -> Vec<u32> {
        lengths(length, self.count, self.prompt_lengths, self.seed)
    }

    /// Gives each prompt its answer's length: what its source says stands for the load's number and
    /// keeps its kind.
    fn asks(self, drawn: Vec<Drawn>, output: OutputLength) -> Vec<Ask> {
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
                Ask { prompt, output, turn }
            });
        asks.collect()
    }
}

/// Draws what a run asks. Random prompts are all distinct, also those of the warm-up from the
/// measured ones; other prompts are the declared ones in their order, for the warm-up as for the
/// measurement.
pub(crate) fn draw(
    workload: &Workload,
    measured: u32,
    warm_up: u32,
    seed: u64,
) -> Result<Asks, LoadError> {
    let shares = [Share::measured(measured, seed), Share::warm_up(warm_up, seed)];
    let mut recorded = Vec::new();
    let [measured, warm_up] = match &workload.prompts {
        Prompts::Text(text) => shares.map(|share| same(text, share)),
        Prompts::RepeatedSentence { sentence, times } => {
            let text = sentence.repeat(*times as usize);
            shares.map(|share| same(&text, share))
        }
        Prompts::JsonLines(path) => {
            let lines = files::json_lines(path)?;
            shares.map(|share| files::in_order(&lines, share))
        }
        Prompts::ShareGpt(path) => {
            let conversations = share_gpt::share_gpt(path, workload.output.limit())?;
            shares.map(|share| files::shuffled(&conversations, share))
        }
        Prompts::RandomTokens { length } => {
            let mut drawn = HashSet::new();
            shares.map(|share| random::rows(share.lengths(*length), share.generator(), &mut drawn))
        }
        Prompts::SharedPrefix { prefixes, prefix_length, suffix_length } => {
            let prefixes = random::prefixes(*prefixes, *prefix_length, seed);
            let mut drawn = HashSet::new();
            shares.map(|share| random::behind(&prefixes, *suffix_length, share, &mut drawn))
        }
        Prompts::Verse { file, shared, own } => {
            let lines = verse::lines(file.as_deref(), *shared)?;
            shares.map(|share| verse::draw(&lines, *shared, *own, share))
        }
        Prompts::Conversations { turns, words } => {
            shares.map(|share| conversation::draw(*turns, *words, share))
        }
        Prompts::Trace(path) => {
            let trace = trace::read(path, shares[0].count)?;
            recorded = trace.moments();
            shares.map(|share| trace.draw(share))
        }
    };
    let [of_measured, of_warm_up] = shares;
    Ok(Asks {
        measured: of_measured.asks(measured, workload.output),
        warm_up: of_warm_up.asks(warm_up, workload.output),
        recorded,
    })
}

/// One text for every request.
fn same(text: &str, share: Share) -> Vec<Drawn> {
    let text: Arc<str> = text.into();
    (0..share.count).map(|_| Drawn::alone(Prompt::Text(Arc::clone(&text)))).collect()
}

fn shared<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

#[cfg(test)]
mod tests;
