//! From a record to figures, and whether they are valid.

mod by_model;
mod by_rank;
pub mod distribution;
pub mod engine_times;
pub mod gpu_course;
pub mod gpu_energy;
pub mod gpu_use;
pub mod gpu_validity;
pub mod lateness;
pub mod run_analysis;
pub mod run_shape;
pub mod search;
mod short_trace;
pub mod statistics;
pub mod steady_state;
pub mod summary;
pub mod timeline;
pub mod validity;
