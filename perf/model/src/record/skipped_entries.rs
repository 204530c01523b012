//! Entries of an input file that could not be used: [`SkippedEntries`].

use serde::{Deserialize, Serialize};

use crate::record::finding::{Finding, FindingCode};

/// Entries of an input file that could not be used. The others were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedEntries {
    /// The file's name, without its folder.
    pub file: String,
    /// What an entry is: conversations, lines.
    pub what: String,
    /// How many entries were read.
    pub read: u64,
    /// How many of them were skipped.
    pub skipped: u64,
    /// The first of these and what is wrong with it: `line 7: …`.
    pub first: String,
}

impl SkippedEntries {
    /// What a reader of the figures should know.
    pub fn remark(&self) -> Finding {
        let Self { file, what, read, skipped, first } = self;
        let verb = if *skipped == 1 { "was" } else { "were" };
        Finding::new(
            FindingCode::EntriesSkipped,
            format!("{skipped} of {read} {what} in {file} {verb} skipped; the first is {first}"),
        )
    }
}
