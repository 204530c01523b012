//! What a test says to the command that runs it while it works: [`Progress`], lines on its standard error.
//!
//! A test says only what it does next. How far a load is, the command reads from the record, which grows
//! by a line for each request, so that the client of the load has nothing to do for it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The environment variable that asks a test for lines of progress that a program reads. Without it,
/// they are text for people.
pub const PROGRESS_VARIABLE: &str = "PERF_PROGRESS";

/// What begins such a line: a control character that is in no text for people.
const MARK: char = '\u{1e}';

/// What a suite does from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The suite's name.
    pub suite: String,
    /// What it does.
    pub phase: Phase,
}

/// A part of a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Everything that is not a load, in words: it pulls an image, or loads weights.
    Doing(String),
    /// A load runs.
    Load {
        /// Which run of which load: `start 2, chat`.
        title: String,
        /// Its measured requests.
        requests: u32,
        /// Its record, which has a line for each request that ended.
        record: PathBuf,
    },
}

impl Progress {
    /// The line, without a line feed.
    pub fn line(&self) -> String {
        // Strings and numbers can always be written.
        format!("{MARK}{}", serde_json::to_string(self).unwrap_or_default())
    }

    /// Reads a line. `None` for one that is for people.
    pub fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line.strip_prefix(MARK)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_text_for_people_is_not() {
        let load = Phase::Load {
            title: "start 1, chat".into(),
            requests: 480,
            record: "/runs/0001/s/start-1/chat.jsonl".into(),
        };
        for phase in [Phase::Doing("loading\nweights".into()), load] {
            let progress = Progress { suite: "s".into(), phase };
            let line = progress.line();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(Progress::read(&line), Some(progress));
        }
        assert_eq!(Progress::read("  s: starting"), None);
        assert_eq!(Progress::read("\u{1e}{\"suite\":1}"), None);
    }
}
