//! A record that is being written, read as it grows: [`RecordTail`].

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// The most that is read at one look; the rest is read at the next.
const MOST: u64 = 8 * 1024 * 1024;

/// How many requests a record holds so far, and their output tokens.
pub(super) struct RecordTail {
    path: PathBuf,
    file: Option<File>,
    /// A line of which the end was not written yet.
    rest: Vec<u8>,
    pub(super) requests: u64,
    pub(super) tokens: u64,
}

impl RecordTail {
    pub(super) fn of(path: PathBuf) -> Self {
        Self { path, file: None, rest: Vec::new(), requests: 0, tokens: 0 }
    }

    /// Reads what was written since the last look. What cannot be read is not counted: the line is for
    /// people, and the record is read and checked when it is whole.
    pub(super) fn look(&mut self) {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = &mut self.file else { return };
        if file.take(MOST).read_to_end(&mut self.rest).is_err() {
            return;
        }
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in self.rest[..whole].split(|byte| *byte == b'\n') {
            if line.starts_with(b"{\"sample\":") {
                self.requests += 1;
                self.tokens += output_tokens(&String::from_utf8_lossy(line)).unwrap_or_default();
            }
        }
        self.rest.drain(..whole);
    }
}

/// The output tokens in the line of a request, found without parsing all of its chunks.
fn output_tokens(line: &str) -> Option<u64> {
    const KEY: &str = "\"output_tokens\":";
    let rest = &line[line.rfind(KEY)? + KEY.len()..];
    rest[..rest.find(|letter: char| !letter.is_ascii_digit())?].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use perf_model::record::file::{Header, Line, line};
    use perf_model::record::sample::Sample;

    use super::*;

    #[test]
    fn lines_count_when_they_are_whole_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.jsonl");
        let mut tail = RecordTail::of(path.clone());
        tail.look();
        assert_eq!((tail.requests, tail.tokens), (0, 0));
        let load = perf_model::fixtures::load();
        let header = Header::of(&load, "s", perf_model::fixtures::fingerprint());
        let sample = Sample { output_tokens: Some(12), ..perf_model::fixtures::sample() };
        let text = line(Line::Sample(&sample));
        let (half, other) = text.split_at(text.len() / 2);
        let mut file = File::create(&path).unwrap();
        for (piece, requests) in
            [(line(Line::Header(&header)).as_str(), 0), (&text, 1), (half, 1), (other, 2)]
        {
            file.write_all(piece.as_bytes()).unwrap();
            tail.look();
            assert_eq!((tail.requests, tail.tokens), (requests, 12 * requests), "{piece}");
        }
    }
}
