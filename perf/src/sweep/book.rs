//! What of a sweep is finished, in memory and on the disk: [`Book`].

use std::collections::BTreeMap;
use std::path::Path;

use perf_model::sweep::journal::{Declaration, Line, Progress};
use perf_store::sweep_file::{self, Journal};

use crate::error::{Error, Result};

/// What is finished, in memory and on the disk.
pub(crate) struct Book {
    journal: Journal,
    pub(crate) progress: Progress,
    /// Why a server's open cells were not run.
    pub(crate) not_run: BTreeMap<usize, String>,
}

impl Book {
    /// Begins a journal, or goes on with the one of a run that was not finished.
    pub(crate) fn open(folder: &Path, declaration: &Declaration, resumes: bool) -> Result<Self> {
        let wrong = |why: String| {
            Error::Usage(format!("the sweep `{}` cannot be continued: {why}", declaration.sweep))
        };
        let not_run = BTreeMap::new();
        if !resumes {
            let journal = Journal::begin(folder, declaration)?;
            return Ok(Self { journal, progress: Progress::default(), not_run });
        }
        let read = sweep_file::read_journal(folder).map_err(|error| wrong(error.to_string()))?;
        let Some(read) = read else {
            // Killed before the first line was written.
            let journal = Journal::begin(folder, declaration)?;
            return Ok(Self { journal, progress: Progress::default(), not_run });
        };
        if let Some(difference) = read.declaration.difference(declaration) {
            return Err(wrong(format!(
                "the declaration changed since the run began, {difference}; start a new run without --resume"
            )));
        }
        let journal = Journal::resume(folder, &read)?;
        Ok(Self { journal, progress: read.progress, not_run })
    }

    /// On the disk first: what is not there is measured again.
    pub(crate) fn note(&mut self, line: Line) -> Result {
        self.journal.line(&line)?;
        self.progress.push(line);
        Ok(())
    }
}
