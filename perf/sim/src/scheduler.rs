//! What each engine step computes: [`Scheduler`], continuous batching as vLLM does it.
//!
//! Pure: no clock and no tasks. The engine asks for a [`StepPlan`], lets its time pass, and reports
//! it as done.

mod sequence;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::kv::{BlockId, BlockPool};
use crate::speculation::Speculation;
use crate::step_time::StepLoad;
use crate::tokenizer::Tokenizer;

pub(crate) use sequence::NewSequence;
use sequence::Sequence;

/// The limits that a server is started with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_num_seqs: usize,
    pub(crate) max_num_batched_tokens: usize,
    pub(crate) block_size: usize,
    pub(crate) blocks: usize,
    pub(crate) prefix_caching: bool,
    pub(crate) speculation: Option<Speculation>,
}

/// A sequence that began to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) id: u64,
    pub(crate) prompt_tokens: usize,
    /// Prompt tokens found in the prefix cache.
    pub(crate) cached_tokens: usize,
    /// Whether it had run before, and was preempted.
    pub(crate) resumed: bool,
}

/// What the next step computes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StepPlan {
    /// Tokens per sequence, in the order of running sequences.
    scheduled: Vec<(u64, usize)>,
    pub(crate) load: StepLoad,
    pub(crate) admitted: Vec<Admission>,
    pub(crate) preempted: Vec<u64>,
}

impl StepPlan {
    /// Whether nothing can be computed.
    pub(crate) fn is_empty(&self) -> bool {
        self.scheduled.is_empty()
    }
}

/// A token that a step generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) id: u64,
    /// Tokens written so far, this one included.
    pub(crate) generated: usize,
    pub(crate) done: bool,
    /// Tokens that were drafted in the step, and those of them that were accepted.
    pub(crate) drafted: usize,
    pub(crate) accepted: usize,
}

/// Waiting and running sequences, and the KV blocks that they hold.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    limits: Limits,
    tokenizer: Tokenizer,
    pool: BlockPool,
    waiting: VecDeque<Sequence>,
    /// In order of arrival.
    running: Vec<Sequence>,
}

impl Scheduler {
    pub(crate) fn new(limits: Limits, tokenizer: Tokenizer) -> Self {
        let pool = BlockPool::new(limits.blocks);
        Self { limits, tokenizer, pool, waiting: VecDeque::new(), running: Vec::new() }
    }

    pub(crate) fn add(&mut self, new: NewSequence) {
        self.waiting.push_back(Sequence::new(new));
    }

    /// Drops a sequence whose client has disconnected.
    pub(crate) fn abort(&mut self, id: u64) {
        self.waiting.retain(|sequence| sequence.id != id);
        if let Some(index) = self.running.iter().position(|sequence| sequence.id == id) {
            let sequence = self.running.remove(index);
            self.pool.release(&sequence.blocks);
        }
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.waiting.is_empty() || !self.running.is_empty()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn cache_usage(&self) -> f64 {
        self.pool.usage()
    }

    /// Empties the prefix cache; not possible while a sequence holds blocks.
    pub(crate) fn reset_prefix_cache(&mut self) -> bool {
        self.pool.forget()
    }

    /// Plans the next step: running sequences continue first, then waiting sequences are admitted
    /// into the rest of the token budget.
    pub(crate) fn step(&mut self) -> StepPlan {
        let mut plan = StepPlan::default();
        let mut budget = self.limits.max_num_batched_tokens;
        let mut index = 0;
        while index < self.running.len() && budget > 0 {
            let sequence = &self.running[index];
            let tokens = (sequence.total() - sequence.computed).min(budget);
            if !self.make_room(index, tokens, &mut plan) {
                break;
            }
            self.schedule(index, tokens, &mut plan);
            budget -= tokens;
            index += 1;
        }
        if plan.preempted.is_empty() {
            self.admit(budget, &mut plan);
        }
        plan
    }

    /// Reports a step as computed; returns the tokens that it generated.
    pub(crate) fn finish_step(&mut self, plan: &StepPlan) -> Vec<Written> {
        let mut written = Vec::new();
        let mut scheduled = plan.scheduled.iter().peekable();
        for sequence in &mut self.running {
            let Some((_, tokens)) = scheduled.next_if(|(id, _)| *id == sequence.id) else {
                continue;
            };
            sequence.computed += tokens;
            if sequence.computed == sequence.total() {
                // The first token comes from the prompt, and nothing is drafted before it.
                let speculation = self.limits.speculation.filter(|_| sequence.generated > 0);
                let (drafted, accepted) = sequence.speculate(speculation);
                sequence.generated += 1 + accepted;
                written.push(Written {
                    id: sequence.id,
                    generated: sequence.generated,
                    done: sequence.is_done(),
                    drafted,
                    accepted,
                });
            }
        }
        for index in (0..self.running.len()).rev() {
            if self.running[index].is_done() {
                let sequence = self.running.remove(index);
                self.pool.release(&sequence.blocks);
            }
        }
        written
    }

    /// Gets the blocks for a running sequence's next tokens, preempting the latest
    /// arrivals where no block is free. False when the sequence itself was preempted.
    fn make_room(&mut self, index: usize, tokens: usize, plan: &mut StepPlan) -> bool {
        loop {
            let sequence = &self.running[index];
            let wanted =
                self.blocks_for(sequence.computed + tokens).saturating_sub(sequence.blocks.len());
            if wanted <= self.pool.free_blocks() {
                for _ in 0..wanted {
                    let block = self.pool.take();
                    self.running[index].blocks.extend(block);
                }
                return true;
            }
            let Some(mut victim) = self.running.pop() else { return false };
            self.pool.release(&victim.blocks);
            victim.blocks.clear();
            victim.computed = 0;
            victim.remembered = 0;
            victim.preemptions += 1;
            plan.preempted.push(victim.id);
            self.waiting.push_front(victim);
            if index >= self.running.len() {
                return false;
            }
        }
    }

    fn admit(&mut self, mut budget: usize, plan: &mut StepPlan) {
        while budget > 0
            && self.running.len() < self.limits.max_num_seqs
            && let Some(mut sequence) = self.waiting.pop_front()
        {
            let found = self.find_prefix(&mut sequence);
            let cached = found.len() * self.limits.block_size;
            let tokens = (sequence.total() - cached).min(budget);
            let wanted = self.blocks_for(cached + tokens) - found.len();
            let revived = found.iter().filter(|id| self.pool.is_free(**id)).count();
            if wanted + revived > self.pool.free_blocks() {
                self.waiting.push_front(sequence);
                return;
            }
            for id in &found {
                self.pool.share(*id);
            }
            sequence.computed = cached;
            sequence.remembered = found.len();
            sequence.blocks = found;
            for _ in 0..wanted {
                sequence.blocks.extend(self.pool.take());
            }
            plan.admitted.push(Admission {
                id: sequence.id,
                prompt_tokens: sequence.prompt_tokens(),
                cached_tokens: cached,
                resumed: sequence.preemptions > 0,
            });
            self.running.push(sequence);
            self.schedule(self.running.len() - 1, tokens, plan);
            budget -= tokens;
        }
    }

    /// Notes a sequence's tokens in the plan. Its full blocks can be found from now on, even by a
    /// sequence that is admitted to the same step: attention reads the cache after all of the
    /// step's tokens have been written to it.
    fn schedule(&mut self, index: usize, tokens: usize, plan: &mut StepPlan) {
        let sequence = &mut self.running[index];
        if self.limits.prefix_caching {
            let full = (sequence.computed + tokens) / self.limits.block_size;
            while sequence.remembered < full {
                let hash =
                    sequence.hash(sequence.remembered, self.limits.block_size, self.tokenizer);
                self.pool.remember(sequence.blocks[sequence.remembered], hash);
                sequence.remembered += 1;
            }
        }
        if sequence.decodes() {
            plan.load.decode_seqs += 1;
            plan.load.context_tokens += sequence.computed;
        } else {
            plan.load.prefill_tokens += tokens;
        }
        plan.scheduled.push((sequence.id, tokens));
    }

    /// The blocks that hold the sequence's beginning. The last token is always computed: it
    /// generates the next one.
    fn find_prefix(&self, sequence: &mut Sequence) -> Vec<BlockId> {
        if !self.limits.prefix_caching {
            return Vec::new();
        }
        let most = (sequence.total() - 1) / self.limits.block_size;
        (0..most)
            .map_while(|block| {
                self.pool.find(sequence.hash(block, self.limits.block_size, self.tokenizer))
            })
            .collect()
    }

    fn blocks_for(&self, tokens: usize) -> usize {
        tokens.div_ceil(self.limits.block_size)
    }
}
