//! The whole of a server's log in a file, as long as that is not too much: [`LogFile`].

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes of a log's beginning that are kept.
const BEGINNING: usize = 16 * 1024 * 1024;

/// Bytes of its end that are kept where it is longer than that.
const END: usize = 1024 * 1024;

/// Writes a log to a file, line by line. Of one that is too long, beginning and end are kept; the
/// end is written when this is closed or dropped.
///
/// Nothing here fails: where the disk is full, the records say so, and a server is not to be given
/// up for its log.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    /// Made with the first line.
    file: Option<File>,
    /// What may still be written of the beginning.
    room: usize,
    end: VecDeque<String>,
    end_bytes: usize,
    left_out: u64,
}

impl LogFile {
    /// A log at this place, where that of an earlier run makes way for it.
    pub(crate) fn at(path: &Path) -> Self {
        Self::bounded(path, BEGINNING)
    }

    fn bounded(path: &Path, room: usize) -> Self {
        let _ = std::fs::remove_file(path);
        Self {
            path: path.to_owned(),
            file: None,
            room,
            end: VecDeque::new(),
            end_bytes: 0,
            left_out: 0,
        }
    }

    /// Adds a line, given without its line feed.
    pub(crate) fn push(&mut self, line: &str) {
        let bytes = line.len() + 1;
        if self.room >= bytes {
            self.room -= bytes;
            let _ = self.write(line);
            return;
        }
        // Once a line did not fit, nothing after it is the beginning any more.
        self.room = 0;
        self.end_bytes += bytes;
        self.end.push_back(line.to_owned());
        while self.end_bytes > END {
            let Some(line) = self.end.pop_front() else { break };
            self.end_bytes -= line.len() + 1;
            self.left_out += 1;
        }
    }

    /// Writes the end.
    pub(crate) fn close(&mut self) {
        if self.left_out > 0 {
            let _ = self.write(&format!("[{} lines are left out here]", self.left_out));
            self.left_out = 0;
        }
        for line in std::mem::take(&mut self.end) {
            let _ = self.write(&line);
        }
        self.end_bytes = 0;
    }

    /// One write a line, unbuffered: what was logged before a crash is in the file.
    fn write(&mut self, line: &str) -> io::Result<()> {
        if self.file.is_none() {
            std::fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
            self.file = Some(File::create(&self.path)?);
        }
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(format!("{line}\n").as_bytes()))
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_log_is_whole_and_in_place_of_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("start-1/server.log");
        for what in ["first", "second"] {
            let mut log = LogFile::at(&path);
            assert!(!path.exists(), "the older one is still there");
            log.push(what);
            log.push("");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{what}\n\n"));
        }
    }

    #[test]
    fn of_a_log_that_is_too_long_beginning_and_end_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.log");
        let mut log = LogFile::bounded(&path, 8);
        log.push("begin");
        let wide = "x".repeat(END / 2 - 1);
        for _ in 0..5 {
            log.push(&wide);
        }
        drop(log);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines, ["begin", "[3 lines are left out here]", &wide, &wide]);
    }
}
