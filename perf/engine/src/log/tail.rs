//! The end of a server's log: [`LogTail`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::file::LogFile;
use super::start_log::StartLog;
use crate::secrets::Secrets;

/// Lines that errors and reports show.
pub(crate) const SHOWN: usize = 40;

/// Lines that are kept to find the cause of a failure in: vLLM reports it again from every layer
/// above.
pub(crate) const KEPT: usize = 500;

/// The last lines of a log that is being written. Cheap to clone; clones share the lines.
#[derive(Clone, Debug)]
pub(crate) struct LogTail {
    secrets: Secrets,
    lines: Arc<Mutex<VecDeque<String>>>,
    file: Arc<Mutex<Option<LogFile>>>,
    /// When the server was started, and what its log has said of the start.
    start: (Instant, Arc<Mutex<StartLog>>),
}

impl LogTail {
    pub(crate) fn new(secrets: Secrets) -> Self {
        let start = (Instant::now(), Arc::default());
        Self { secrets, lines: Arc::default(), file: Arc::default(), start }
    }

    /// The same, with every line in a file as well, if there is to be one.
    pub(crate) fn kept_in(self, file: Option<LogFile>) -> Self {
        Self { file: Arc::new(Mutex::new(file)), ..self }
    }

    /// Adds a line as it was read, without its line feed.
    pub(crate) fn push(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        // A progress bar writes itself over and over on one line; what it said last is what a
        // terminal would show.
        let text = text.trim_end().rsplit('\r').next().unwrap_or_default();
        let text = self.secrets.redact(text);
        if let Some(file) = &mut *self.file.lock().unwrap_or_else(PoisonError::into_inner) {
            file.push(&text);
        }
        let (begun, start) = &self.start;
        start.lock().unwrap_or_else(PoisonError::into_inner).see(begun.elapsed(), &text);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(text);
    }

    /// What the log has said of the start so far.
    pub(crate) fn start_log(&self) -> StartLog {
        self.start.1.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the file, for a server that is gone.
    pub(crate) fn close(&self) {
        if let Some(file) = &mut *self.file.lock().unwrap_or_else(PoisonError::into_inner) {
            file.close();
        }
    }

    /// All lines that are kept.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// The last of the lines, as many as are shown.
pub(crate) fn shown(lines: &[String]) -> Vec<String> {
    lines[lines.len().saturating_sub(SHOWN)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_the_last_state_of_a_progress_bar() {
        let tail = LogTail::new(Secrets::default());
        for line in 0..KEPT + 3 {
            tail.push(format!("line {line}").as_bytes());
        }
        tail.push(b"loading 1%\rloading 100%\r\n");
        let lines = tail.lines();
        assert_eq!(lines.len(), KEPT);
        assert_eq!(lines.last().unwrap(), "loading 100%");
        assert_eq!(shown(&lines).len(), SHOWN);
    }
}
