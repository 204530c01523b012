//! Records and reports on disk: [`RecordWriter`].

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use perf_model::judge::report::SuiteReport;
use perf_model::record::file::{End, Header, Line, line};
use perf_model::record::sample::Sample;

use crate::error::{Error, Result};

/// Appends to the record of one run. Dropped without [`finish`](Self::finish) it marks the record
/// incomplete.
pub(crate) struct RecordWriter {
    path: PathBuf,
    file: File,
    finished: bool,
}

impl RecordWriter {
    /// Begins a record, over an older one at the same place.
    pub(crate) fn begin(path: PathBuf, header: Header) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)
            .map_err(|cause| Error::Write { path: folder.to_owned(), cause })?;
        let file =
            File::create(&path).map_err(|cause| Error::Write { path: path.clone(), cause })?;
        let mut writer = Self { path, file, finished: false };
        writer.append(&Line::Header(Box::new(header)))?;
        Ok(writer)
    }

    /// Appends a request.
    pub(crate) fn sample(&mut self, sample: &Sample) -> Result {
        self.append(&Line::Sample(sample.clone()))
    }

    /// Ends the record.
    pub(crate) fn finish(mut self, end: End) -> Result {
        self.finished = true;
        self.append(&Line::End(end))
    }

    /// One write a line, unbuffered: what was measured before a crash is in the file.
    fn append(&mut self, content: &Line) -> Result {
        let written = self.file.write_all(line(content).as_bytes());
        written.map_err(|cause| Error::Write { path: self.path.clone(), cause })
    }
}

impl Drop for RecordWriter {
    fn drop(&mut self) {
        if !self.finished {
            let end = End { reason: Some("the run was given up".to_owned()), ..End::default() };
            // Nobody is left to tell if this fails too; the record is incomplete without its last
            // line just as well.
            let _ = self.append(&Line::End(end));
        }
    }
}

/// Writes a suite's report beside its records.
pub(crate) fn write_report(folder: &Path, report: &SuiteReport) -> Result {
    let path = folder.join("report.json");
    let text = serde_json::to_string_pretty(report).unwrap_or_default();
    write(&path, &text)
}

/// Writes a file whole or not at all, and the folders above it.
pub(crate) fn write(path: &Path, text: &str) -> Result {
    perf_store::write_whole(path, text)
        .map_err(|cause| Error::Write { path: path.to_owned(), cause })
}
