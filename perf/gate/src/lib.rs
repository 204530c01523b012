//! The statistics of the gate: a metric's values in the engine starts of two sides → a verdict,
//! after every start.
//!
//! All values are on the log scale, and + is worse for every metric: a change is a ratio, and
//! latencies and throughputs are judged by the same rule. The crate is pure: no clock, no files, no
//! threads. `docs/gate/method.md` describes the method.
//!
//! ```text
//! values of a side ─→ Series ─→ Noise (start, session) ─→ Resolution (slack, band)
//!                     Design ─→ Boundaries ────────────────────┴─→ judge() ─→ Judgement
//! ```

mod boundaries;
mod change_points;
mod comparison;
mod creep;
mod design;
mod direction;
mod distributions;
mod duet;
mod empirical_bayes;
mod estimate;
#[cfg(test)]
mod fixtures;
mod group_sequential;
mod guard;
mod huber;
mod json;
mod judge;
mod knowledge;
#[cfg(test)]
mod measured_arithmetic;
mod noise;
mod pairs;
mod position;
mod power;
mod prior;
mod resolution;
mod scatter;
mod search;
mod series;
mod session_variance;
mod share;
mod spending;

pub use boundaries::Boundaries;
pub use change_points::{ChangePoint, MOST_P, change_points};
pub use comparison::{COMPARISON_PAIRS, compare_pairs};
pub use creep::{Anchor, CREEP_SESSIONS, Creep, creep};
pub use design::{Design, DesignError};
pub use direction::Direction;
pub use duet::{DUET_RUNS, Duet, DuetPlan};
pub use guard::{Guard, GuardError, MAX_BAND};
pub use json::{Input, InputError, Output, budget_is_used_up, judge_inputs};
pub use judge::{Judgement, Plan, Verdict, judge, too_few_starts};
pub use knowledge::{Kind, Knowledge};
pub use noise::Noise;
pub use pairs::Pairs;
pub use position::Offset;
pub use power::{Power, power};
pub use prior::Prior;
pub use resolution::{Resolution, resolution};
pub use search::{
    Answer, BLOCKS, LEAST_LENGTH, NextProbe, Probe, ProbeVerdict, Search, SearchError, SearchPlan,
    Unresolved,
};
pub use series::{Series, SeriesError};
pub use share::{Block, Share};
