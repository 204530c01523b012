//! How much of the KV cache is in use during a load, sampled from `/metrics`: [`KvCacheUse`].

use std::time::Duration;

use perf_clock::Clock;

use crate::http::endpoint::Endpoint;
use crate::server::exposition::sample;

/// The time between two samples.
const INTERVAL: Duration = Duration::from_millis(100);

/// The gauge of vLLM, and its name before version 0.10.
const GAUGES: [&str; 2] = ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"];

/// The largest share of the KV cache that was seen in use.
#[derive(Debug, Default)]
pub(crate) struct KvCacheUse {
    /// In millionths; absent where the server has no such gauge, or there was no time for a sample.
    pub(crate) max_ppm: Option<u64>,
}

impl KvCacheUse {
    /// Samples until it is dropped.
    pub(crate) async fn sample(&mut self, endpoint: &Endpoint, clock: Clock) {
        loop {
            clock.sleep(INTERVAL).await;
            for text in endpoint.metrics_texts(clock).await {
                self.max_ppm = self.max_ppm.max(used_ppm(&text));
            }
        }
    }
}

/// The share in use, of the fullest engine.
fn used_ppm(text: &str) -> Option<u64> {
    let shares = text.lines().filter_map(sample).filter(|(name, ..)| GAUGES.contains(name));
    let used = shares.map(|(_, _, share)| share).filter(|share| (0.0..=1.0).contains(share));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share from 0 to 1"
    )]
    used.map(|share| (share * 1e6).round() as u64).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_engine_counts_and_what_is_no_share_does_not() {
        let text = "# TYPE vllm:kv_cache_usage_perc gauge\n\
                    vllm:kv_cache_usage_perc{engine=\"0\"} 0.0125\n\
                    vllm:kv_cache_usage_perc{engine=\"1\"} 0.25\n\
                    vllm:kv_cache_usage_perc{engine=\"2\"} NaN\n";
        assert_eq!(used_ppm(text), Some(250_000));
        assert_eq!(used_ppm("vllm:gpu_cache_usage_perc 0.5"), Some(500_000));
        assert_eq!(used_ppm("vllm:num_preemptions_total 2"), None);
    }
}
