//! What a server counted of a run, by its `/metrics`: [`ServerCounts`].

use serde::{Deserialize, Serialize};

use crate::record::rank_counts::{RankCounts, busiest};
use crate::spec::draft_position::DraftPosition;

/// What the server counted between the first send and the last response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCounts {
    /// `vllm:prompt_tokens_total`.
    pub prompt_tokens: Option<u64>,
    /// `vllm:generation_tokens_total`.
    pub output_tokens: Option<u64>,
    /// `vllm:request_success_total`, over all finish reasons.
    pub requests: Option<u64>,
    /// `vllm:prefix_cache_queries_total`, in tokens.
    pub prefix_queries: Option<u64>,
    /// `vllm:prefix_cache_hits_total`, in tokens.
    pub prefix_hits: Option<u64>,
    /// `vllm:num_preemptions_total`.
    pub preemptions: Option<u64>,
    /// `vllm:spec_decode_num_drafts`: steps that verified a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafts: Option<u64>,
    /// `vllm:spec_decode_num_draft_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_tokens: Option<u64>,
    /// `vllm:spec_decode_num_accepted_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_tokens: Option<u64>,
    /// `vllm:spec_decode_num_accepted_tokens_per_pos`: how many drafts were accepted at least up to each
    /// position, from the first; empty where the server does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_at: Vec<u64>,
    /// `vllm:time_to_first_token_seconds`: the sum, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_sum_us: Option<u64>,
    /// The count of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_count: Option<u64>,
    /// `vllm:e2e_request_latency_seconds`: the sum, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e2e_sum_us: Option<u64>,
    /// The count of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e2e_count: Option<u64>,
    /// The largest `vllm:kv_cache_usage_perc` of the samples during the load, in millionths of the
    /// cache; absent where the load does not ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_use_max_ppm: Option<u64>,
    /// The same at each sample, at most a few hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kv_use: Vec<KvReading>,
    /// What each engine counted, where there are several, as with data parallelism.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranks: Vec<RankCounts>,
    /// Whether counters that were there before the load could not be read behind it, or had shrunk.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lost: bool,
}

/// How much of the KV cache was in use at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvReading {
    /// When, in microseconds since the first measured request was due.
    pub at_us: u64,
    /// The share in use, of the fullest engine, in millionths.
    pub used_ppm: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl ServerCounts {
    /// The share of prompt tokens that the prefix cache served; absent when the server does not
    /// say.
    pub fn prefix_hit_rate(&self) -> Option<f64> {
        let queries = self.prefix_queries.filter(|queries| *queries > 0)?;
        Some(self.prefix_hits? as f64 / queries as f64)
    }

    /// The mean number of tokens that a step of speculative decoding gave: those accepted, and one of
    /// its own. Absent where nothing was drafted, and from vLLM before 0.9, which does not count
    /// its drafts.
    pub fn acceptance_length(&self) -> Option<f64> {
        let drafts = self.drafts.filter(|drafts| *drafts > 0)?;
        Some(1.0 + self.accepted_tokens? as f64 / drafts as f64)
    }

    /// The share of drafted tokens that were accepted; absent where nothing was drafted.
    pub fn acceptance_rate(&self) -> Option<f64> {
        let drafted = self.draft_tokens.filter(|drafted| *drafted > 0)?;
        Some(self.accepted_tokens? as f64 / drafted as f64)
    }

    /// The share of drafts whose token at a position was accepted; absent where nothing was drafted, and
    /// beyond the longest draft.
    pub fn acceptance_at(&self, position: DraftPosition) -> Option<f64> {
        let drafts = self.drafts.filter(|drafts| *drafts > 0)?;
        Some(*self.accepted_at.get(position.index())? as f64 / drafts as f64)
    }

    /// The largest share of the KV cache that was in use; absent where it was not sampled.
    pub fn kv_use_max(&self) -> Option<f64> {
        Some(self.kv_use_max_ppm? as f64 / 1e6)
    }

    /// The tokens of the busiest rank as a share of the mean of all; absent where there is one.
    pub fn busiest_rank(&self) -> Option<f64> {
        busiest(&self.ranks)
    }

    /// The mean TTFT as the server measured it, in milliseconds.
    pub fn ttft_mean_ms(&self) -> Option<f64> {
        mean_ms(self.ttft_sum_us, self.ttft_count)
    }

    /// The mean E2E as the server measured it, in milliseconds.
    pub fn e2e_mean_ms(&self) -> Option<f64> {
        mean_ms(self.e2e_sum_us, self.e2e_count)
    }
}

fn mean_ms(sum_us: Option<u64>, count: Option<u64>) -> Option<f64> {
    let count = count.filter(|count| *count > 0)?;
    Some(sum_us? as f64 / 1_000.0 / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_acceptance_of_a_position_is_a_share_of_the_drafts() {
        let counts = ServerCounts {
            drafts: Some(10),
            accepted_at: vec![9, 5, 0],
            ..ServerCounts::default()
        };
        let at = |counts: &ServerCounts, position: usize| {
            counts.acceptance_at(DraftPosition::new(position).unwrap())
        };
        assert_eq!([0, 1, 2, 3].map(|it| at(&counts, it)), [Some(0.9), Some(0.5), Some(0.0), None]);
        assert_eq!(at(&ServerCounts { drafts: Some(0), ..counts.clone() }, 0), None);
        assert_eq!(at(&ServerCounts { drafts: None, ..counts }, 0), None);
    }
}
