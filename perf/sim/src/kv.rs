//! The KV cache: [`BlockPool`] holds its blocks, [`BlockHash`] names their contents.

mod pool;
mod prefix;

pub(crate) use pool::{BlockId, BlockPool};
pub(crate) use prefix::{BlockHash, chain, root};
