//! Prompts from files: [`json_lines`], and what all files have in common.

use std::path::Path;
use std::sync::Arc;

use perf_store::input_file::{self, Kind};
use rand::seq::SliceRandom;
use serde::Deserialize;

use crate::workload::error::LoadError;
use crate::workload::prompt::{Batch, Drawn, Prompt, Turn};
use crate::workload::skips::Skips;

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

/// The prompts of a file of JSON lines, and the lines that are none.
pub(crate) fn json_lines(path: &Path) -> Result<(Vec<Entry>, Skips), LoadError> {
    #[derive(Deserialize)]
    struct Line {
        prompt: String,
        output_tokens: Option<u32>,
    }
    let text = read(path)?;
    let (mut entries, mut skips, mut worst) = (Vec::new(), Skips::default(), None);
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        skips.read += 1;
        let why = match serde_json::from_str::<Line>(line) {
            Ok(line) if line.output_tokens == Some(0) => "its `output_tokens` is 0".to_owned(),
            Ok(line) => {
                entries.push(Entry { prompt: line.prompt.into(), stated: line.output_tokens });
                continue;
            }
            Err(error) => error.to_string(),
        };
        skips.skip(|| format!("line {}", index + 1), &why);
        worst.get_or_insert((index + 1, why));
    }
    match worst {
        Some((line, cause)) if entries.is_empty() => {
            Err(LoadError::PromptLine { path: path.to_owned(), line, cause })
        }
        _ if entries.is_empty() => {
            Err(LoadError::PromptFile { path: path.to_owned(), cause: "it is empty".to_owned() })
        }
        _ => Ok((entries, skips)),
    }
}
