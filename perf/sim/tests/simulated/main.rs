//! The simulated server as its clients see it: in process and in virtual time, and as the program
//! `perf-sim`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod binary;
mod faults;
mod parallel;
mod parts;
mod replay;
mod request_metrics;
mod starting;
