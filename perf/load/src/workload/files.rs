//! Prompts from files: [`json_lines`], and what all files have in common.

use std::path::Path;
use std::sync::Arc;

use perf_store::input_file::{self, Kind};
use rand::seq::SliceRandom;
use serde::Deserialize;

use crate::workload::error::LoadError;
use crate::workload::prompt::{Batch, Drawn, Prompt, Turn};

/// A prompt of a file, with the length of its answer where the file says it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) prompt: Arc<str>,
    pub(crate) stated: Option<u32>,
}

impl Entry {
    fn drawn(&self) -> Drawn {
        Drawn {
            prompt: Prompt::Text(Arc::clone(&self.prompt)),
            stated: self.stated,
            turn: Turn::Alone,
        }
    }
}

/// A file's text.
pub(crate) fn read(path: &Path) -> Result<String, LoadError> {
    input_file::read(path, Kind::Prompts).map_err(|error| LoadError::PromptFile {
        path: path.to_owned(),
        cause: error.fault.to_string(),
    })
}

/// Entries in their order, from the top again when they run out.
pub(crate) fn in_order(entries: &[Entry], batch: Batch) -> Vec<Drawn> {
    entries.iter().cycle().take(batch.count as usize).map(Entry::drawn).collect()
}

/// Entries in an order from the seed, in the same again when they run out.
pub(crate) fn shuffled(entries: &[Entry], batch: Batch) -> Vec<Drawn> {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.shuffle(&mut batch.generator());
    order.into_iter().cycle().take(batch.count as usize).map(Entry::drawn).collect()
}

/// The prompts of a file of JSON lines.
pub(crate) fn json_lines(path: &Path) -> Result<Vec<Entry>, LoadError> {
    #[derive(Deserialize)]
    struct Line {
        prompt: String,
        output_tokens: Option<u32>,
    }
    let text = read(path)?;
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad =
            |cause: String| LoadError::PromptLine { path: path.to_owned(), line: index + 1, cause };
        let line: Line = serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
        if line.output_tokens == Some(0) {
            return Err(bad("its `output_tokens` is 0".to_owned()));
        }
        entries.push(Entry { prompt: line.prompt.into(), stated: line.output_tokens });
    }
    if entries.is_empty() {
        return Err(LoadError::PromptFile {
            path: path.to_owned(),
            cause: "it is empty".to_owned(),
        });
    }
    Ok(entries)
}
