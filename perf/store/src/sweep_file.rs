//! The files of a sweep in its folder of a run: the [`Journal`] of what is finished, the report,
//! and the table for spreadsheets.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use perf_model::sweep::analysis::Analysis;
use perf_model::sweep::csv::csv;
use perf_model::sweep::journal::{Declaration, Line, Progress, SCHEMA};
use perf_model::sweep::report::SweepReport;
use serde::{Deserialize, Serialize};

use crate::atomic::{self, WriteError};
use crate::input_file::{self, InputError, Kind};
use crate::runs;

/// The name of a journal's file.
pub const JOURNAL: &str = "sweep.jsonl";
const REPORT: &str = "sweep.json";
const TABLE: &str = "sweep.csv";

/// The body of `sweep.json`. What follows from the report is written for other programs; a reader
/// here works it out again.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    report: std::borrow::Cow<'a, SweepReport>,
    #[serde(skip_deserializing)]
    analysis: Option<Analysis>,
}

/// The lines of a sweep that is under way. Each is on the disk before the next cell is measured.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Begins a journal, in place of one that is there.
    pub fn begin(folder: &Path, declaration: &Declaration) -> Result<Self, WriteError> {
        std::fs::create_dir_all(folder).map_err(WriteError::of(folder))?;
        let path = folder.join(JOURNAL);
        let file = File::create(&path).map_err(WriteError::of(&path))?;
        let mut journal = Self { path, file };
        journal.append(declaration)?;
        // The new file's name must be on the disk too.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(WriteError::of(folder))?;
        Ok(journal)
    }

    /// Goes on with a journal whose first bytes were read; what a killed writer left behind them is
    /// cut off.
    pub fn resume(folder: &Path, read: &Read) -> Result<Self, WriteError> {
        let path = folder.join(JOURNAL);
        let open = || -> std::io::Result<File> {
            let file = OpenOptions::new().append(true).open(&path)?;
            file.set_len(read.whole_bytes)?;
            Ok(file)
        };
        let file = open().map_err(WriteError::of(&path))?;
        Ok(Self { path, file })
    }

    /// Appends a line, and waits until it is on the disk.
    pub fn line(&mut self, line: &Line) -> Result<(), WriteError> {
        self.append(line)
    }

    fn append(&mut self, value: &impl Serialize) -> Result<(), WriteError> {
        let written = serde_json::to_string(value).map_err(std::io::Error::from).and_then(|text| {
            self.file.write_all(format!("{text}\n").as_bytes())?;
            self.file.sync_data()
        });
        written.map_err(WriteError::of(&self.path))
    }
}

/// A journal that was read.
#[derive(Debug)]
pub struct Read {
    /// What the sweep declared.
    pub declaration: Declaration,
    /// What is finished.
    pub progress: Progress,
    /// How many bytes are whole lines.
    whole_bytes: u64,
}

/// Reads a journal; none if there is no file. A last line that was cut off is dropped.
pub fn read_journal(folder: &Path) -> Result<Option<Read>, InputError> {
    let path = folder.join(JOURNAL);
    let text = match input_file::read(&path, Kind::Record) {
        Ok(text) => text,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(end) = text.rfind('\n') else { return Ok(None) };
    let mut lines = text[..end].lines().enumerate();
    let wrong = |number: usize, why: &serde_json::Error| {
        InputError::content(&path, &format!("line {}: {why}", number + 1))
    };
    let Some((number, first)) = lines.next() else { return Ok(None) };
    let declaration: Declaration =
        serde_json::from_str(first).map_err(|why| wrong(number, &why))?;
    if declaration.schema > SCHEMA {
        let why = format!("format {} is newer than {SCHEMA}; update the suite", declaration.schema);
        return Err(InputError::content(&path, &why));
    }
    let mut progress = Progress::default();
    for (number, line) in lines {
        progress.push(serde_json::from_str(line).map_err(|why| wrong(number, &why))?);
    }
    Ok(Some(Read { declaration, progress, whole_bytes: end as u64 + 1 }))
}

/// Writes the report of a sweep, with what follows from it, and its table.
pub fn write(folder: &Path, report: &SweepReport) -> Result<(), WriteError> {
    let path = folder.join(REPORT);
    let analysis = Some(Analysis::of(report));
    let body = Body { report: std::borrow::Cow::Borrowed(report), analysis };
    let text = serde_json::to_string_pretty(&body)
        .map_err(|error| WriteError { path: path.clone(), cause: error.into() })?;
    atomic::write(&path, &text)?;
    atomic::write(&folder.join(TABLE), &csv(report))
}

/// Reads the report of a sweep.
pub fn read(path: &Path) -> Result<SweepReport, InputError> {
    let text = input_file::read(path, Kind::Report)?;
    let body: Body<'_> =
        serde_json::from_str(&text).map_err(|error| InputError::content(path, &error))?;
    Ok(body.report.into_owned())
}

/// Whether a sweep of a run left its report.
pub fn is_in(run: &Path, sweep: &str) -> bool {
    run.join(sweep).join(REPORT).is_file()
}

/// The files of all sweep reports in a run's folder.
pub fn all_in(run: &Path) -> Result<Vec<PathBuf>, InputError> {
    let files = runs::files(run, "json")?;
    Ok(files.into_iter().filter(|path| path.ends_with(REPORT)).collect())
}

#[cfg(test)]
mod tests {
    use perf_model::fixtures;
    use perf_model::spec::engine_kind::EngineKind;

    use super::*;

    fn declaration() -> Declaration {
        Declaration {
            schema: SCHEMA,
            sweep: "s".into(),
            engine: EngineKind::Simulated,
            under_test: Vec::new(),
            starts: 1,
            cells: vec!["TP=1".into(), "TP=2".into()],
        }
    }

    fn failed(cell: usize) -> Line {
        Line::Failed { cell, reason: "out of memory".into() }
    }

    #[test]
    fn a_journal_goes_on_after_a_line_that_was_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_journal(folder.path()).unwrap().is_none());
        let mut journal = Journal::begin(folder.path(), &declaration()).unwrap();
        journal.line(&failed(0)).unwrap();
        journal.file.write_all(b"{\"failed\":{\"cell\":1,\"rea").unwrap();
        let found = read_journal(folder.path()).unwrap().unwrap();
        assert_eq!(found.declaration, declaration());
        assert!(found.progress.is_finished(0, 1) && !found.progress.is_finished(1, 1));
        let mut journal = Journal::resume(folder.path(), &found).unwrap();
        journal.line(&failed(1)).unwrap();
        let found = read_journal(folder.path()).unwrap().unwrap();
        assert!(found.progress.is_finished(1, 1));
    }

    #[test]
    fn a_line_that_is_whole_and_cannot_be_read_is_an_error_with_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::begin(folder.path(), &declaration()).unwrap();
        journal.file.write_all(b"nonsense\n").unwrap();
        let error = read_journal(folder.path()).unwrap_err().to_string();
        assert!(error.contains("line 2: "), "{error}");
    }

    #[test]
    fn a_report_is_read_as_it_was_written_and_has_a_table_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("sizes"), &fixtures::sweep()).unwrap();
        let found = all_in(folder.path()).unwrap();
        assert_eq!(read(&found[0]).unwrap(), fixtures::sweep());
        let text = std::fs::read_to_string(&found[0]).unwrap();
        assert!(text.contains("\"recommendations\""), "{text}");
        let table = std::fs::read_to_string(folder.path().join("sizes").join(TABLE)).unwrap();
        assert!(table.starts_with("max-num-seqs,concurrency,gpus,state"), "{table}");
    }
}
