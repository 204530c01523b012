//! Reads a record line by line: [`RecordReader`]. What it keeps does not grow with the record, apart
//! from a number for each request.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::record::bounds;
use crate::record::end::End;
use crate::record::gpu_reading::GpuReading;
use crate::record::header::{Header, SCHEMA};
use crate::record::sample::Sample;

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A line that is no line of a record, before the last.
    #[error("line {line} cannot be read: {cause}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What the parser says.
        cause: String,
    },
    /// The first line is no header.
    #[error("its first line is not a header; check that this file is a record")]
    NoHeader,
    /// Written by a newer version of this suite.
    #[error("it has schema {0}, and this version knows {SCHEMA} at most; update the suite")]
    Newer(u32),
}

/// One line of a record, as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReadLine {
    Header(Box<Header>),
    Sample(Box<Sample>),
    Gpu(Box<GpuReading>),
    End(Box<End>),
}

/// What a line between the first and the last has.
#[derive(Debug)]
pub enum Entry {
    /// A request.
    Sample(Box<Sample>),
    /// What a GPU did at one moment.
    Gpu(Box<GpuReading>),
}

/// Reads a record line by line, and checks it.
#[derive(Debug)]
pub struct RecordReader {
    header: Header,
    end: Option<End>,
    seen: BTreeSet<u32>,
    tokens: u64,
    /// The number of the last line, from 1.
    line: usize,
}

impl RecordReader {
    /// Reads the first line.
    pub fn begin(line: &str) -> Result<Self, RecordError> {
        let Ok(ReadLine::Header(header)) = serde_json::from_str(line) else {
            return Err(RecordError::NoHeader);
        };
        if header.schema > SCHEMA {
            return Err(RecordError::Newer(header.schema));
        }
        Ok(Self { header: *header, end: None, seen: BTreeSet::new(), tokens: 0, line: 1 })
    }

    /// Reads a further line; gives what it has, if it is not the end. A line that may be cut off, because it
    /// is the last and has no line feed, is dropped where it cannot be read: its writer was killed in
    /// the middle of it.
    pub fn line(&mut self, line: &str, may_be_cut: bool) -> Result<Option<Entry>, RecordError> {
        self.line += 1;
        let number = self.line;
        let wrong = |cause: String| Err(RecordError::Line { line: number, cause });
        if self.end.is_some() {
            return wrong("it comes after the end".to_owned());
        }
        match serde_json::from_str(line) {
            Ok(ReadLine::Sample(sample)) if !self.seen.insert(sample.index) => {
                wrong(format!("request {} is there twice", sample.index))
            }
            Ok(ReadLine::Sample(sample)) => {
                match bounds::check(&sample) {
                    Ok(more) => self.tokens += more,
                    Err(cause) => return wrong(cause),
                }
                if self.tokens > bounds::MOST_TOKENS_OF_RECORD {
                    let most = bounds::MOST_TOKENS_OF_RECORD;
                    return wrong(format!("more than {most} tokens in `chunks` up to here"));
                }
                Ok(Some(Entry::Sample(sample)))
            }
            Ok(ReadLine::Gpu(reading)) => Ok(Some(Entry::Gpu(reading))),
            Ok(ReadLine::End(end)) => {
                self.end = Some(*end);
                Ok(None)
            }
            Ok(ReadLine::Header(_)) => wrong("a second header".to_owned()),
            Err(_) if may_be_cut => Ok(None),
            Err(error) => wrong(error.to_string()),
        }
    }

    /// What the run was to be.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header, and how the run ended.
    pub fn finish(self) -> (Header, Option<End>) {
        (self.header, self.end)
    }
}
