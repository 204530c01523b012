//! A server's log: its last lines in memory, and all of it in a file.

mod file;
mod lines;
mod start_up;
mod tail;

pub(crate) use file::LogFile;
pub(crate) use lines::Lines;
pub(crate) use start_up::StartUpLog;
pub(crate) use tail::{KEPT, LogTail, shown};
