//! Entries of a file that cannot be used, counted: [`Skips`]. One bad entry does not make a file of
//! thousands useless.

use std::path::Path;

use perf_model::record::skipped_entries::SkippedEntries;

/// How many entries of a file were read, and what was wrong with those that cannot be used.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Skips {
    pub(crate) read: u64,
    skipped: u64,
    first: Option<String>,
    /// Turns without text of entries that can be used, and the first of them.
    turns: u64,
    first_turn: Option<String>,
}

impl Skips {
    /// Counts an entry that cannot be used.
    pub(crate) fn skip(&mut self, place: impl FnOnce() -> String, why: &str) {
        self.skipped += 1;
        self.first.get_or_insert_with(|| format!("{}: {why}", place()));
    }

    /// Counts turns without text of an entry that can be used.
    pub(crate) fn pass_over(&mut self, turns: u64, place: impl FnOnce() -> String) {
        self.turns += turns;
        if turns > 0 {
            self.first_turn.get_or_insert_with(place);
        }
    }

    /// What was wrong with the first of them, for an error about a file of which nothing is left.
    pub(crate) fn because(&self) -> String {
        let first = self.first.as_ref();
        first.map_or_else(String::new, |first| {
            format!("; {} of {} were skipped, the first is {first}", self.skipped, self.read)
        })
    }

    /// For the record of a run; `None` where all of the file can be used.
    pub(crate) fn of_file(self, path: &Path, what: &str) -> Option<SkippedEntries> {
        let Self { read, skipped, first, turns, first_turn } = self;
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let what = what.to_owned();
        first.or(first_turn).map(|first| SkippedEntries { file, what, read, skipped, first, turns })
    }
}
