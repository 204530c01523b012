//! The statistics of the gate: a metric's values in the engine starts of two sides → a verdict,
//! after every start.
//!
//! Everything is on the log scale, and + is worse whatever the metric: a change is a ratio, and a
//! latency and a throughput are judged alike. The crate is pure: no clock, no files, no threads.
//! `docs/GATE.md` is the method in words.
//!
//! ```text
//! values of a side ─→ Series ─→ Noise (start, session) ─→ Resolution (tolerance, effective tolerance)
//!                     Design ─→ Boundaries ────────────────────┴─→ judge() ─→ Judgement
//! ```

mod boundaries;
mod check;
mod creep;
mod design;
mod direction;
mod duet;
mod estimate;
mod files;
mod huber;
mod integrate;
mod judge;
mod learn;
mod noise;
mod pairs;
mod power;
mod prior;
mod resolution;
mod series;
mod sessions;
mod spending;
mod tails;

pub use boundaries::Boundaries;
pub use check::{Check, CheckError};
pub use creep::{Anchor, Creep, creep};
pub use design::{Design, DesignError};
pub use direction::Direction;
pub use duet::{DUET_RUNS, Duet, DuetPlan, compare_pairs};
pub use files::{Input, InputError, Output, judge_input, judge_json};
pub use judge::{Judgement, Plan, Verdict, judge};
pub use noise::Noise;
pub use pairs::Pairs;
pub use power::{Power, power};
pub use prior::Prior;
pub use resolution::{Resolution, resolution};
pub use series::{Series, SeriesError};
