//! From figures and a baseline to a verdict, and the report of it.

pub mod anchor;
pub mod baseline;
mod clock_difference;
pub mod compare;
pub mod duet;
pub mod exit_code;
pub mod gate;
mod headline;
pub mod history;
pub mod judgement;
pub mod merge;
mod notes;
pub mod red_run;
pub mod redundant_guards;
pub mod report;
pub mod results;
pub mod snapshot;
pub mod staleness;
pub mod unfinished_duet;
pub mod verdict;
