//! Owns the KV cache: its blocks, and which of them hold what. Main type: [`BlockPool`].

mod pool;
mod prefix;

pub(crate) use pool::{BlockId, BlockPool};
pub(crate) use prefix::{BlockHash, chain, root};
