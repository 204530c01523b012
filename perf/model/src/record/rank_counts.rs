//! What one engine of a server counted of a run: [`RankCounts`].

use serde::{Deserialize, Serialize};

/// What one engine counted between the first send and the last response. A data-parallel server has an
/// engine for each rank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankCounts {
    /// The place of its server among those whose counters are read, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub server: u32,
    /// The label `engine` of its counters: its data-parallel rank.
    pub engine: u32,
    /// `vllm:prompt_tokens_total`.
    pub prompt_tokens: u64,
    /// `vllm:generation_tokens_total`.
    pub output_tokens: u64,
    /// `vllm:request_success_total`, over all finish reasons.
    pub requests: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

impl RankCounts {
    /// Nothing yet, of this engine.
    pub fn of(server: u32, engine: u32) -> Self {
        Self { server, engine, prompt_tokens: 0, output_tokens: 0, requests: 0 }
    }

    /// By how much it has grown; `None` where a counter has shrunk, or it is of another engine.
    pub fn since(&self, before: &Self) -> Option<Self> {
        let is_same = (self.server, self.engine) == (before.server, before.engine);
        let grown = |counter: fn(&Self) -> u64| counter(self).checked_sub(counter(before));
        is_same.then_some(Self {
            prompt_tokens: grown(|rank| rank.prompt_tokens)?,
            output_tokens: grown(|rank| rank.output_tokens)?,
            requests: grown(|rank| rank.requests)?,
            ..*self
        })
    }

    /// Prompt and output tokens.
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.output_tokens)
    }
}

/// The tokens of the busiest rank, as a share of the mean of all: 1 where the load is spread evenly.
/// Absent for fewer than two ranks, and where none had a token.
pub fn busiest(ranks: &[RankCounts]) -> Option<f64> {
    let tokens = || ranks.iter().map(|rank| rank.tokens() as f64);
    let most = tokens().reduce(f64::max).filter(|most| ranks.len() > 1 && *most > 0.0)?;
    Some(most * ranks.len() as f64 / tokens().sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_rank_is_held_against_the_mean() {
        let rank =
            |engine, tokens| RankCounts { output_tokens: tokens, ..RankCounts::of(0, engine) };
        assert_eq!(busiest(&[rank(0, 50), rank(1, 50)]), Some(1.0));
        assert_eq!(busiest(&[rank(0, 100), rank(1, 0), rank(2, 0), rank(3, 100)]), Some(2.0));
        assert_eq!(busiest(&[rank(0, 50)]), None);
        assert_eq!(busiest(&[rank(0, 0), rank(1, 0)]), None);
    }
}
