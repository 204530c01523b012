//! Records on disk: written while a load runs ([`RecordWriter`]) and read again ([`read`]).
//!
//! One rule holds for losses. A line that cannot be written is an error that names the cause, and
//! the run must not count as measured. Nothing is written after half a line, because nothing after
//! it could be read. What was written before stays.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use perf_model::record::file::{End, Header, Line, Record, RecordError, line};
use perf_model::record::gpu_reading::GpuReading;
use perf_model::record::reader::{Entry, RecordReader};
use perf_model::record::sample::Sample;

use crate::atomic::WriteError;
use crate::input_file::{self, Fault, InputError, Kind};

/// Reads a record.
pub fn read(path: &Path) -> Result<Record, InputError> {
    let text = input_file::read(path, Kind::Record)?;
    Record::parse(&text).map_err(|why| InputError::content(path, &why))
}

/// Reads a record line by line, and keeps none of them: for records that are larger than memory. `begin`
/// gets the header, and gives what each request and each reading of a GPU is added to. Gives the end too,
/// if there is one.
pub fn fold<T>(
    path: &Path,
    begin: impl FnOnce(&Header) -> T,
    mut add: impl FnMut(&mut T, &Entry),
) -> Result<(Header, T, Option<End>), InputError> {
    let wrong = |why: RecordError| Fault::Content(why.to_string());
    let mut reader: Option<RecordReader> = None;
    let mut begin = Some(begin);
    let mut gathered = None;
    input_file::each_line(path, Kind::Record, |line, has_end| {
        let Some(reader) = &mut reader else {
            let first = RecordReader::begin(line).map_err(wrong)?;
            gathered = begin.take().map(|begin| begin(first.header()));
            reader = Some(first);
            return Ok(());
        };
        let entry = reader.line(line, !has_end).map_err(wrong)?;
        if let (Some(entry), Some(gathered)) = (&entry, &mut gathered) {
            add(gathered, entry);
        }
        Ok(())
    })?;
    match (reader, gathered) {
        (Some(reader), Some(gathered)) => {
            let (header, end) = reader.finish();
            Ok((header, gathered, end))
        }
        _ => Err(InputError::content(path, &RecordError::NoHeader)),
    }
}

/// Writes a whole record into the folder of a run, and gives its path.
pub fn write(run: &Path, record: &Record) -> Result<PathBuf, WriteError> {
    let mut writer = RecordWriter::begin(run, &record.header)?;
    for sample in &record.samples {
        writer.sample(sample)?;
    }
    let path = writer.path().to_owned();
    writer.gpu_readings(&record.gpu_readings)?;
    record.end.as_ref().map_or(Ok(()), |end| writer.finish(end))?;
    Ok(path)
}

/// Appends to the record of a load. A record that is dropped before [`finish`](Self::finish) says
/// that its run was given up.
#[derive(Debug)]
pub struct RecordWriter {
    path: PathBuf,
    /// Absent after the end, and after a line that could not be written.
    file: Option<File>,
}

impl RecordWriter {
    /// Begins a record in the folder of a run. A record that is there is replaced.
    pub fn begin(run: &Path, header: &Header) -> Result<Self, WriteError> {
        let start = header.part.folder(header.start, header.run);
        let folder = run.join(&header.suite).join(start);
        std::fs::create_dir_all(&folder).map_err(WriteError::of(&folder))?;
        let path = folder.join(file_name(header));
        if header.search.as_ref().is_some_and(|probe| probe.number == 1) {
            remove_probes(&folder, &header.load)?;
        }
        let file = File::create(&path).map_err(WriteError::of(&path))?;
        let mut writer = Self { path, file: Some(file) };
        writer.append(Line::Header(header))?;
        Ok(writer)
    }

    /// The record's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a request.
    pub fn sample(&mut self, sample: &Sample) -> Result<(), WriteError> {
        self.append(Line::Sample(sample))
    }

    /// Appends what GPUs did.
    pub fn gpu_readings(&mut self, readings: &[GpuReading]) -> Result<(), WriteError> {
        readings.iter().try_for_each(|reading| self.append(Line::Gpu(reading)))
    }

    /// Ends the record.
    pub fn finish(mut self, end: &End) -> Result<(), WriteError> {
        let ended = self.append(Line::End(end));
        self.file = None;
        ended
    }

    /// Writes one line, unbuffered: what was measured before a crash is in the file.
    fn append(&mut self, content: Line<'_>) -> Result<(), WriteError> {
        let cannot = WriteError::of(&self.path);
        let Some(file) = &mut self.file else {
            return Err(cannot(io::Error::other("an earlier line could not be written")));
        };
        file.write_all(line(content).as_bytes()).map_err(|cause| {
            self.file = None;
            cannot(cause)
        })
    }
}

/// The name of a record's file: the load's, with the probe's number where it is one of a search.
fn file_name(header: &Header) -> String {
    match &header.search {
        Some(probe) => format!("{}.probe-{:02}.jsonl", header.load, probe.number),
        None => format!("{}.jsonl", header.load),
    }
}

/// Removes the probes that an earlier search of a load left: it may have had more.
fn remove_probes(folder: &Path, load: &str) -> Result<(), WriteError> {
    let cannot = WriteError::of(folder);
    let begins = format!("{load}.probe-");
    for entry in std::fs::read_dir(folder).map_err(&cannot)? {
        let name = entry.map_err(&cannot)?.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(&begins)) {
            std::fs::remove_file(folder.join(&name)).map_err(&cannot)?;
        }
    }
    Ok(())
}

impl Drop for RecordWriter {
    fn drop(&mut self) {
        if self.file.is_some() {
            let end = End { reason: Some("the run was given up".to_owned()), ..End::default() };
            // Without its last line the record is incomplete too.
            let _ = self.append(Line::End(&end));
        }
    }
}

#[cfg(test)]
mod tests {
    use perf_model::fixtures;

    use super::*;

    fn header() -> Header {
        Header::of(&fixtures::load(), "suite", fixtures::fingerprint())
    }

    #[test]
    fn after_a_line_that_could_not_be_written_there_is_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("load.jsonl");
        std::fs::write(&path, "").unwrap();
        // A file that was opened for reading refuses writes, as a full disk does.
        let file = File::open(&path).unwrap();
        let mut writer = RecordWriter { path: path.clone(), file: Some(file) };
        let first = writer.sample(&fixtures::sample()).unwrap_err().to_string();
        assert!(first.contains("load.jsonl: ") && first.contains("os error"), "{first}");
        writer.file = None;
        let second = writer.sample(&fixtures::sample()).unwrap_err().to_string();
        assert!(second.contains("an earlier line could not be written"), "{second}");
        drop(writer);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "");
    }

    #[test]
    fn a_search_that_begins_again_leaves_no_probe_of_an_earlier_one() {
        use perf_model::record::search_probe::SearchProbe;
        use perf_model::spec::load_search::{Axis, LoadSearch};

        let run = tempfile::tempdir().unwrap();
        let of = LoadSearch::along(Axis::Concurrency { from: 1, to: 8 });
        let begin = |number: u32| {
            let search = Some(SearchProbe { number, at: 1.0, of });
            RecordWriter::begin(run.path(), &Header { search, ..header() }).unwrap().path.clone()
        };
        let (first, second) = (begin(1), begin(2));
        assert!(first.ends_with("start-1/chat.probe-01.jsonl") && second.is_file(), "{first:?}");
        assert_eq!(begin(1), first);
        assert!(first.is_file() && !second.exists());
    }

    #[test]
    fn a_record_that_is_read_request_by_request_has_the_same_faults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.jsonl");
        let begin = line(Line::Header(&header()));
        let sample = fixtures::sample();
        let request = line(Line::Sample(&sample));
        for text in [
            String::new(),
            "hello\n".to_owned(),
            format!("{begin}{request}{request}"),
            format!("{begin}{request}garbage\n{request}"),
            format!("{begin}{request}{}", &request[..20]),
            begin.clone(),
        ] {
            std::fs::write(&path, &text).unwrap();
            let whole = read(&path).map(|record| record.samples.len());
            let one_by_one = fold(&path, |_| 0, |count, _| *count += 1).map(|(_, count, _)| count);
            match (whole, one_by_one) {
                (Ok(whole), Ok(one_by_one)) => assert_eq!(whole, one_by_one, "{text}"),
                (Err(whole), Err(one_by_one)) => {
                    assert_eq!(whole.to_string(), one_by_one.to_string());
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_one_that_was_dropped_says_so() {
        let run = tempfile::tempdir().unwrap();
        let mut writer = RecordWriter::begin(run.path(), &header()).unwrap();
        writer.sample(&fixtures::sample()).unwrap();
        let path = writer.path().to_owned();
        drop(writer);
        let record = read(&path).unwrap();
        assert_eq!(record.samples, [fixtures::sample()]);
        let end = record.end.as_ref().unwrap();
        assert_eq!(end.reason.as_deref(), Some("the run was given up"));
        let requests = fold(&path, |_| 0, |count, _| *count += 1).unwrap();
        assert_eq!(requests, (record.header.clone(), 1, record.end.clone()));
        assert_eq!(write(run.path(), &record).unwrap(), path);
        assert_eq!(read(&path).unwrap(), record);
    }
}
