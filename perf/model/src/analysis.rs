//! From a record to figures, and whether they are valid.

pub mod engine_times;
pub mod lateness;
pub mod run_analysis;
pub mod search;
pub mod statistics;
pub mod steady_state;
pub mod summary;
pub mod validity;
