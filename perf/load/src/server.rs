//! Questions about the server itself: health, version, models, counters, prefix cache and
//! tokenizer.

mod draft_positions;
pub(crate) mod exposition;
pub(crate) mod fields;
pub(crate) mod kv_cache;
pub(crate) mod metrics;
pub(crate) mod prefix_cache;
pub(crate) mod probe;
mod ranks;
pub(crate) mod replicas;
pub(crate) mod tokenize;
