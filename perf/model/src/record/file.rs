//! The record of one run: JSON lines, a [`Header`], every [`Sample`], an [`End`]. Append-only, so
//! that what was measured before a crash is never lost; a record without its end is incomplete.

use serde::Serialize;

pub use crate::record::cache_reset::CacheReset;
pub use crate::record::end::End;
use crate::record::gpu_reading::GpuReading;
pub use crate::record::header::{Header, SCHEMA, WITHOUT_GPUS};
pub use crate::record::part::Part;
pub use crate::record::reader::RecordError;
use crate::record::reader::{Entry, RecordReader};
use crate::record::sample::Sample;
pub use crate::record::server_counts::ServerCounts;

/// One line of a record, as it is written.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line<'a> {
    /// The first line.
    Header(&'a Header),
    /// A request.
    Sample(&'a Sample),
    /// What a GPU did at one moment. Between the samples, as it came.
    Gpu(&'a GpuReading),
    /// The last line.
    End(&'a End),
}

/// A whole record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What the run was to be.
    pub header: Header,
    /// Its requests, in the order they ended.
    pub samples: Vec<Sample>,
    /// What its GPUs did, in order.
    pub gpu_readings: Vec<GpuReading>,
    /// How it ended; `None` when the writer was killed.
    pub end: Option<End>,
}

impl Record {
    /// A record without readings of GPUs.
    pub fn of(header: Header, samples: Vec<Sample>, end: Option<End>) -> Self {
        Self { header, samples, gpu_readings: Vec::new(), end }
    }

    /// Reads a record. A last line that was cut off is dropped: its writer was killed in the middle
    /// of it.
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        let mut lines = text.lines().peekable();
        let mut reader = RecordReader::begin(lines.next().ok_or(RecordError::NoHeader)?)?;
        let (mut samples, mut gpu_readings) = (Vec::new(), Vec::new());
        while let Some(line) = lines.next() {
            let may_be_cut = lines.peek().is_none() && !text.ends_with('\n');
            match reader.line(line, may_be_cut)? {
                Some(Entry::Sample(sample)) => samples.push(*sample),
                Some(Entry::Gpu(reading)) => gpu_readings.push(*reading),
                None => {}
            }
        }
        let (header, end) = reader.finish();
        Ok(Self { header, samples, gpu_readings, end })
    }

    /// Whether every request was sent and answered or given up.
    pub fn is_complete(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.complete)
    }
}

/// The text of one line, with its line feed.
pub fn line(content: Line<'_>) -> String {
    let mut text = serde_json::to_string(&content).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn text() -> String {
        let header = Header::of(&fixtures::load(), "s", fixtures::fingerprint());
        let sample = Sample { output_tokens: Some(3), ..fixtures::sample() };
        let end = End { complete: true, server: Some(ServerCounts::default()), ..End::default() };
        [Line::Header(&header), Line::Sample(&sample), Line::End(&end)].map(line).concat()
    }

    #[test]
    fn a_record_reads_back_whole() {
        let record = Record::parse(&text()).unwrap();
        assert_eq!((record.samples.len(), record.is_complete()), (1, true));
    }

    #[test]
    fn a_record_cut_in_its_last_line_keeps_what_came_before() {
        let text = text();
        let record = Record::parse(&text[..text.len() - 5]).unwrap();
        assert_eq!((record.samples.len(), record.is_complete()), (1, false));
    }

    #[test]
    fn garbage_in_the_middle_is_an_error_with_its_line() {
        let text = text().replacen("{\"sample\"", "{\"simple\"", 1);
        assert!(matches!(Record::parse(&text), Err(RecordError::Line { line: 2, .. })));
        assert_eq!(Record::parse("hello\n"), Err(RecordError::NoHeader));
        assert_eq!(Record::parse(""), Err(RecordError::NoHeader));
    }

    #[test]
    fn a_number_that_no_run_reaches_is_refused_with_its_line_and_field() {
        let text = text();
        for (from, to, said) in [
            ("\"end_us\":0", "\"end_us\":18446744073709551615", "`end_us` has 1844674407370955"),
            ("\"sent_us\":0", "\"sent_us\":31622400000001", "`sent_us` has 31622400000001, and"),
            (
                "\"end_us\":0",
                "\"chunks\":[[1,4294967295]],\"end_us\":0",
                "`chunks` has a chunk of 4294967295 tokens, and the limit is 1048576",
            ),
        ] {
            assert!(text.contains(from), "{text}");
            let error = Record::parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(
                error.starts_with("line 2 cannot be read: ") && error.contains(said),
                "{error}"
            );
        }
    }

    #[test]
    fn a_line_that_is_there_twice_or_behind_the_end_is_named() {
        let text = text();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let error = |order: &[usize]| {
            let text: String = order.iter().map(|at| lines[*at]).collect();
            Record::parse(&text).unwrap_err().to_string()
        };
        assert_eq!(error(&[0, 1, 1, 2]), "line 3 cannot be read: request 0 is there twice");
        assert_eq!(error(&[0, 1, 2, 2]), "line 4 cannot be read: it comes after the end");
        assert_eq!(error(&[0, 2, 1]), "line 3 cannot be read: it comes after the end");
        assert_eq!(error(&[0, 0, 1, 2]), "line 2 cannot be read: a second header");
    }
}
