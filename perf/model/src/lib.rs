//! The pure part of the suite: what is declared, what was measured, and what follows from it.
//!
//! Nothing here reads a clock, touches a file or a socket, or starts a thread. The path through the modules is the path
//! of the data: [`units`] and [`load`] and [`server`] say what is declared; a request becomes a [`sample::Sample`],
//! samples become a [`summary::Summary`] of [`metric::Metric`]s, the medians of several starts are held against a
//! [`baseline::Baseline`] by the [`gate`], which gives a [`verdict::Verdict`]; [`report`] collects and [`render`] shows
//! it, [`record`] keeps it. [`vllm_bench`] is the file of another client.

pub mod address;
pub mod anchor;
pub mod baseline;
pub mod chunks;
pub mod client;
pub mod compare;
pub mod config;
pub mod duet;
pub mod evidence;
pub mod exit;
pub mod fingerprint;
pub mod gate;
pub mod guard;
pub mod hash;
pub mod image_name;
pub mod load;
pub mod metric;
pub mod nearest;
mod notes;
pub mod reading;
pub mod record;
pub mod redundancy;
pub mod render;
pub mod report;
pub mod sample;
pub mod server;
pub mod server_times;
pub mod settings;
pub mod snapshot;
pub mod statistics;
pub mod steady;
pub mod summary;
pub mod units;
pub mod validity;
pub mod verdict;
pub mod vllm_bench;
