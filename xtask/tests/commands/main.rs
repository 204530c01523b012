//! `cargo xtask perf` as its user meets it, one module per group of commands.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod classify;
mod cli;
mod common;
mod docker;
mod doctor;
mod formats;
mod gate;
mod history;
mod import;
mod init;
mod load;
mod merging;
mod nights;
mod published;
mod suites;
mod sweep;
mod width;
