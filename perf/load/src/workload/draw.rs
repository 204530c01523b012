//! What is asked: [`draw`] makes one [`PlannedRequest`] for every request of a run.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use perf_model::record::skipped_entries::SkippedEntries;
use perf_model::spec::load::{Prompts, Workload};

use crate::workload::error::LoadError;
use crate::workload::prompt::{Batch, Drawn, PlannedRequest, Prompt};
use crate::workload::{conversation, files, prose, random, share_gpt, trace, verse};

/// What a run asks: its measured requests, and those that warm up before them.
#[derive(Debug, PartialEq)]
pub(crate) struct PlannedRequests {
    pub(crate) measured: Vec<PlannedRequest>,
    pub(crate) warm_up: Vec<PlannedRequest>,
    /// When each measured request was sent as a trace says, counted from the first; empty without a
    /// trace.
    pub(crate) recorded: Vec<Duration>,
    /// Entries of the file that the prompts come from that cannot be used.
    pub(crate) skipped: Option<SkippedEntries>,
}

/// Draws what a run asks. Random prompts are all distinct, also those of the warm-up from the
/// measured ones; other prompts are the declared ones in their order, for the warm-up as for the
/// measurement.
pub(crate) fn draw(
    workload: &Workload,
    measured: u32,
    warm_up: u32,
    seed: u64,
) -> Result<PlannedRequests, LoadError> {
    let batches = [Batch::measured(measured, seed), Batch::warm_up(warm_up, seed)];
    let mut recorded = Vec::new();
    let mut skipped = None;
    let [measured, warm_up] = match &workload.prompts {
        Prompts::Text(text) => batches.map(|batch| same(text, batch)),
        Prompts::RepeatedSentence { sentence, times } => {
            let text = sentence.repeat(*times as usize);
            batches.map(|batch| same(&text, batch))
        }
        Prompts::JsonLines(path) => {
            let (lines, skips) = files::json_lines(path)?;
            skipped = skips.of_file(path, "lines");
            batches.map(|batch| files::in_order(&lines, batch))
        }
        Prompts::ShareGpt(path) => {
            let (conversations, skips) = share_gpt::share_gpt(path, workload.output.limit())?;
            skipped = skips.of_file(path, "conversations");
            batches.map(|batch| files::shuffled(&conversations, batch))
        }
        Prompts::RandomTokens { length } => {
            let mut drawn = HashSet::new();
            batches.map(|batch| random::rows(batch.lengths(*length), batch.generator(), &mut drawn))
        }
        Prompts::SharedPrefix { prefixes, prefix_length, suffix_length } => {
            let prefixes = random::prefixes(*prefixes, *prefix_length, seed);
            let mut drawn = HashSet::new();
            batches
                .map(|batch| random::after_prefixes(&prefixes, *suffix_length, batch, &mut drawn))
        }
        Prompts::Verse { file, shared, own } => {
            let lines = verse::lines(file.as_deref(), *shared)?;
            batches.map(|batch| verse::draw(&lines, *shared, *own, batch))
        }
        Prompts::Prose { words } => {
            let mut drawn = HashSet::new();
            batches.map(|batch| prose::draw(*words, batch, &mut drawn))
        }
        Prompts::Conversations { turns, words } => {
            batches.map(|batch| conversation::draw(*turns, *words, batch))
        }
        Prompts::Trace(path) => {
            let (trace, skips) = trace::read(path, batches[0].count)?;
            skipped = skips.of_file(path, "lines");
            recorded = trace.moments();
            batches.map(|batch| trace.draw(batch))
        }
    };
    let [of_measured, of_warm_up] = batches;
    Ok(PlannedRequests {
        measured: of_measured.asks(measured, workload.output),
        warm_up: of_warm_up.asks(warm_up, workload.output),
        recorded,
        skipped,
    })
}

/// One text for every request.
fn same(text: &str, batch: Batch) -> Vec<Drawn> {
    let text: Arc<str> = text.into();
    (0..batch.count).map(|_| Drawn::alone(Prompt::Text(Arc::clone(&text)))).collect()
}

#[cfg(test)]
mod tests;
