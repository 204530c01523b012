//! Everything that is read from a disk or written to it: the runs and their records and reports,
//! baselines and their anchors, and `perf.toml`.
//!
//! Two rules hold for all of it. Files that another program or person may have written are opened
//! in one place ([`input_file`]): only regular files, of a bounded size. Files that must be whole
//! are written in one place ([`atomic`]): the reader finds the old text or the new one.

pub mod anchors;
pub mod atomic;
pub mod baselines;
pub mod config_file;
pub mod input_file;
pub mod record_file;
pub mod report_file;
pub mod root;
pub mod runs;
