//! One sequence's progress through the scheduler: [`Sequence`].

use std::sync::Arc;

use crate::kv::{BlockHash, BlockId, chain, root};
use crate::speculation::Speculation;
use crate::tokenizer::Tokenizer;

/// A sequence to generate.
#[derive(Clone, Debug)]
pub(crate) struct NewSequence {
    pub(crate) id: u64,
    pub(crate) prompt: Arc<[u32]>,
    /// Tokens to generate, at least 1.
    pub(crate) target: usize,
    /// What the written tokens are drawn from.
    pub(crate) output_state: u64,
    pub(crate) cache_salt: String,
}

/// A sequence that waits or runs.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) id: u64,
    prompt: Arc<[u32]>,
    pub(super) target: usize,
    output_state: u64,
    /// Hash chain over the full blocks known so far; the first entry is the root.
    hashes: Vec<BlockHash>,
    pub(super) generated: usize,
    /// Tokens whose KV entries exist.
    pub(super) computed: usize,
    pub(super) blocks: Vec<BlockId>,
    /// Blocks that have been made findable, or were found.
    pub(super) remembered: usize,
    pub(super) preemptions: usize,
}

impl Sequence {
    pub(super) fn new(new: NewSequence) -> Self {
        Self {
            id: new.id,
            hashes: vec![root(&new.cache_salt)],
            prompt: new.prompt,
            target: new.target,
            output_state: new.output_state,
            generated: 0,
            computed: 0,
            blocks: Vec::new(),
            remembered: 0,
            preemptions: 0,
        }
    }

    /// Tokens of prompt and output so far.
    pub(super) fn total(&self) -> usize {
        self.prompt.len() + self.generated
    }

    pub(super) fn prompt_tokens(&self) -> usize {
        self.prompt.len()
    }

    /// Whether its next step only reads the token that it wrote last.
    pub(super) fn decodes(&self) -> bool {
        self.generated > 0 && self.total() == self.computed + 1
    }

    pub(super) fn is_done(&self) -> bool {
        self.generated >= self.target
    }

    /// Drafts tokens and verifies them: how many were drafted, and how many of them are part of the
    /// output. Verifying has computed those that were accepted.
    pub(super) fn speculate(&mut self, speculation: Option<Speculation>) -> (usize, usize) {
        let Some(speculation) = speculation else { return (0, 0) };
        let accepted = speculation.accepted(self.output_state, self.generated);
        let accepted = accepted.min(self.target - self.generated - 1);
        self.computed += accepted;
        (speculation.tokens, accepted)
    }

    /// The hash of a full block.
    pub(super) fn hash(
        &mut self,
        block: usize,
        block_size: usize,
        tokenizer: Tokenizer,
    ) -> BlockHash {
        while self.hashes.len() <= block + 1 {
            let known = self.hashes.len() - 1;
            let places = known * block_size..(known + 1) * block_size;
            let tokens: Vec<u32> = places.map(|place| self.token(place, tokenizer)).collect();
            self.hashes.push(chain(self.hashes[known], tokens));
        }
        self.hashes[block + 1]
    }

    fn token(&self, place: usize, tokenizer: Tokenizer) -> u32 {
        match place.checked_sub(self.prompt.len()) {
            None => self.prompt[place],
            Some(place) => tokenizer.written(self.output_state, place),
        }
    }
}
