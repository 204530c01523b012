//! Which KV blocks are free, which are shared, and which are cached: [`BlockPool`].

use std::collections::{BTreeMap, HashMap};

use super::prefix::BlockHash;

/// Number of a block.
pub(crate) type BlockId = usize;

#[derive(Clone, Debug, Default)]
struct Block {
    users: u32,
    /// The hash of the block's content, when the block can be found by it.
    hash: Option<BlockHash>,
    /// Key in the queue of free blocks, while in it.
    freed_at: u64,
}

/// Blocks with reference counts. A freed block keeps its content until it is the least recently
/// freed one and a new block is needed.
#[derive(Clone, Debug)]
pub(crate) struct BlockPool {
    total: usize,
    /// Blocks that were used at least once; the others are free and are taken first, as in vLLM's
    /// queue.
    blocks: Vec<Block>,
    free: BTreeMap<u64, BlockId>,
    by_hash: HashMap<BlockHash, BlockId>,
    clock: u64,
}

impl BlockPool {
    pub(crate) fn new(total: usize) -> Self {
        Self { total, blocks: Vec::new(), free: BTreeMap::new(), by_hash: HashMap::new(), clock: 0 }
    }

    pub(crate) fn free_blocks(&self) -> usize {
        self.total - self.blocks.len() + self.free.len()
    }

    /// Share of the blocks that requests hold.
    pub(crate) fn usage(&self) -> f64 {
        (self.total - self.free_blocks()) as f64 / self.total.max(1) as f64
    }

    pub(crate) fn find(&self, hash: BlockHash) -> Option<BlockId> {
        self.by_hash.get(&hash).copied()
    }

    pub(crate) fn is_free(&self, id: BlockId) -> bool {
        self.blocks[id].users == 0
    }

    /// One more user of a block that was found.
    pub(crate) fn share(&mut self, id: BlockId) {
        let block = &mut self.blocks[id];
        if block.users == 0 {
            self.free.remove(&block.freed_at);
        }
        block.users += 1;
    }

    /// A block to write to, or none when all are in use.
    pub(crate) fn take(&mut self) -> Option<BlockId> {
        let id = if self.blocks.len() < self.total {
            self.blocks.push(Block::default());
            self.blocks.len() - 1
        } else {
            self.free.pop_first()?.1
        };
        let block = &mut self.blocks[id];
        block.users = 1;
        if let Some(hash) = block.hash.take() {
            self.by_hash.remove(&hash);
        }
        Some(id)
    }

    /// Makes a full block findable, unless an equal one already is.
    pub(crate) fn remember(&mut self, id: BlockId, hash: BlockHash) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.by_hash.entry(hash) {
            entry.insert(id);
            self.blocks[id].hash = Some(hash);
        }
    }

    /// Releases a request's blocks; the last are reused first, since a prefix is more likely to
    /// be used again than the blocks after it.
    pub(crate) fn release(&mut self, ids: &[BlockId]) {
        for id in ids.iter().rev() {
            let block = &mut self.blocks[*id];
            block.users -= 1;
            if block.users == 0 {
                self.clock += 1;
                block.freed_at = self.clock;
                self.free.insert(self.clock, *id);
            }
        }
    }

    /// Forgets all content; not possible while a request holds blocks.
    pub(crate) fn forget(&mut self) -> bool {
        if self.free_blocks() < self.total {
            return false;
        }
        self.by_hash.clear();
        self.blocks.iter_mut().for_each(|block| block.hash = None);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_freed_block_is_taken_first_and_forgotten() {
        let mut pool = BlockPool::new(3);
        let ids: Vec<BlockId> = (0..3).map(|_| pool.take().unwrap()).collect();
        for id in &ids {
            pool.remember(*id, 100 + *id as u64);
        }
        assert_eq!(pool.take(), None);
        pool.release(&ids[1..2]);
        pool.release(&ids[0..1]);
        assert_eq!(pool.take(), Some(1));
        assert_eq!((pool.find(101), pool.find(100)), (None, Some(0)));
    }

    #[test]
    fn a_shared_block_is_free_when_its_last_user_leaves() {
        let mut pool = BlockPool::new(2);
        let id = pool.take().unwrap();
        pool.share(id);
        pool.release(&[id]);
        assert_eq!(pool.free_blocks(), 1);
        pool.release(&[id]);
        assert_eq!(pool.free_blocks(), 2);
    }

    #[test]
    fn a_free_block_found_again_leaves_the_queue() {
        let mut pool = BlockPool::new(1);
        let id = pool.take().unwrap();
        pool.remember(id, 7);
        pool.release(&[id]);
        pool.share(pool.find(7).unwrap());
        assert_eq!(pool.take(), None);
    }

    #[test]
    fn a_request_gives_back_its_last_block_first() {
        let mut pool = BlockPool::new(2);
        let ids = [pool.take().unwrap(), pool.take().unwrap()];
        pool.release(&ids);
        assert_eq!(pool.take(), Some(ids[1]));
    }

    #[test]
    fn content_is_forgotten_only_when_no_request_holds_a_block() {
        let mut pool = BlockPool::new(2);
        let id = pool.take().unwrap();
        pool.remember(id, 7);
        assert!(!pool.forget());
        pool.release(&[id]);
        assert!(pool.forget());
        assert_eq!(pool.find(7), None);
    }
}
