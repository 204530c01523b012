//! From a record to figures, and whether they are valid.

pub mod distribution;
pub mod engine_times;
pub mod lateness;
pub mod run_analysis;
pub mod run_shape;
pub mod search;
pub mod statistics;
pub mod steady_state;
pub mod summary;
pub mod timeline;
pub mod validity;
