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
}

impl Skips {
    /// Counts an entry that cannot be used.
    pub(crate) fn skip(&mut self, place: &str, why: &str) {
        self.skipped += 1;
        self.first.get_or_insert_with(|| format!("{place}: {why}"));
    }

    /// What was wrong with the first of them, for an error about a file of which nothing is left.
    pub(crate) fn because(&self) -> String {
        let first = self.first.as_ref();
        first.map_or_else(String::new, |first| {
            format!("; {} of {} were skipped, the first is {first}", self.skipped, self.read)
        })
    }

    /// For the record of a run; `None` where every entry can be used.
    pub(crate) fn of_file(self, path: &Path, what: &str) -> Option<SkippedEntries> {
        let Self { read, skipped, first } = self;
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        first.map(|first| SkippedEntries { file, what: what.to_owned(), read, skipped, first })
    }
}
