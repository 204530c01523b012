//! A server's log: its last lines in memory, and all of it in a file.

mod compile_cache;
mod effective;
mod file;
mod lines;
mod python_repr;
mod start_log;
mod start_up;
mod tail;

pub(crate) use file::LogFile;
pub(crate) use lines::Lines;
pub(crate) use start_log::StartLog;
pub(crate) use start_up::StartUpLog;
pub(crate) use tail::{KEPT, LogTail, shown};
