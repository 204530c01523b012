//! The identity of a full KV block: [`BlockHash`], the hash of its tokens and of all tokens before
//! them.

use crate::draw::mix;

/// Identity of a block's content.
pub(crate) type BlockHash = u64;

/// Where a chain begins: with the request's `cache_salt`, so that only requests of one salt share
/// blocks.
pub(crate) fn root(salt: &str) -> BlockHash {
    salt.bytes().fold(0x0005_eed5_a17e_d000, |hash, byte| mix(hash, u64::from(byte)))
}

/// The hash of the block that follows `parent`.
pub(crate) fn chain(parent: BlockHash, tokens: impl IntoIterator<Item = u32>) -> BlockHash {
    tokens.into_iter().fold(parent, |hash, token| mix(hash, u64::from(token)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_differs_by_its_tokens_its_prefix_and_its_salt() {
        let block = chain(root(""), [1, 2, 3]);
        assert_eq!(block, chain(root(""), [1, 2, 3]));
        assert_ne!(block, chain(root(""), [1, 2, 4]));
        assert_ne!(block, chain(root("other"), [1, 2, 3]));
        assert_ne!(chain(block, [9]), chain(root(""), [9]));
    }
}
