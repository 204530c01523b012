//! What is sent and when: prompts, lengths and arrivals from a seed, and the validation of a load.

pub(crate) mod content_hash;
pub(crate) mod conversation;
pub(crate) mod draw;
pub(crate) mod error;
pub(crate) mod files;
pub(crate) mod lengths;
pub(crate) mod limits;
pub(crate) mod model_mix;
pub(crate) mod prompt;
pub(crate) mod prose;
pub(crate) mod random;
pub(crate) mod schedule;
pub(crate) mod seed;
pub(crate) mod share_gpt;
pub(crate) mod skips;
pub(crate) mod trace;
pub(crate) mod validate;
pub(crate) mod verse;
