//! How much of the KV cache is in use during a load, sampled from `/metrics`: [`KvCacheUse`].

use std::time::Duration;

use perf_clock::{Clock, Stamp};
use perf_model::record::server_counts::KvReading;

use crate::http::endpoint::Endpoint;
use crate::server::exposition::sample;

/// The time between two samples.
const INTERVAL: Duration = Duration::from_millis(100);

/// The gauge of vLLM, and its name before version 0.10.
const GAUGES: [&str; 2] = ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"];

/// The most samples that are kept.
const MOST: usize = 240;

/// How much of the KV cache was seen in use.
#[derive(Debug, Default)]
pub(crate) struct KvCacheUse {
    /// The largest share, in millionths; absent where the server has no such gauge, or there was no
    /// time for a sample.
    pub(crate) max_ppm: Option<u64>,
    /// The share at each sample. Of a long load, every second one is kept, then every fourth.
    pub(crate) course: Vec<KvReading>,
    /// One of so many samples is kept, as a power of two.
    power: u32,
    seen: u64,
}

impl KvCacheUse {
    /// Samples until it is dropped, on a clock on which the load began at `began`.
    pub(crate) async fn sample(&mut self, endpoint: &Endpoint, clock: Clock, began: Stamp) {
        loop {
            clock.sleep(INTERVAL).await;
            let texts = endpoint.metrics_texts(clock).await;
            if let Some(used_ppm) = texts.iter().filter_map(|text| used_ppm(text)).max() {
                let passed = clock.now().saturating_sub(began);
                let at_us = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
                self.add(KvReading { at_us, used_ppm });
            }
        }
    }

    fn add(&mut self, reading: KvReading) {
        self.max_ppm = self.max_ppm.max(Some(reading.used_ppm));
        if self.seen.is_multiple_of(1 << self.power) {
            self.course.push(reading);
        }
        self.seen += 1;
        if self.course.len() > MOST {
            let mut number = 0_u32;
            self.course.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.power += 1;
            self.seen = (self.course.len() as u64) << self.power;
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
    fn a_long_load_keeps_few_samples_in_order_and_the_largest_share_of_all() {
        let mut found = KvCacheUse::default();
        for at_us in 0..10_000 {
            found.add(KvReading { at_us, used_ppm: if at_us == 7_777 { 900 } else { 100 } });
        }
        assert!(found.course.len() <= MOST && found.course.len() > MOST / 4);
        assert!(found.course.windows(2).all(|pair| pair[0].at_us < pair[1].at_us));
        assert_eq!(found.max_ppm, Some(900));
    }

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
