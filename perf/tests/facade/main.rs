//! The façade's own tests, in one program, which links faster than four.

#![allow(clippy::unwrap_used, reason = "these are tests, which clippy does not see in a helper")]

mod bad_input;
mod baseline_files;
mod baseline_starts;
mod canary;
mod common;
mod gating;
#[cfg(feature = "nvml")]
mod gpus;
mod life_cycle;
mod models;
mod other_servers;
mod parts;
mod real_image;
mod side_by_side;
mod sweeping;
mod sweeps;
