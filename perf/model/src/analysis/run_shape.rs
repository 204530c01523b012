//! What a chart of a run needs, gathered request by request: [`RunShape`]. It stays small however
//! many requests there are.

use crate::analysis::distribution::Distribution;
use crate::analysis::gpu_course::GpuCourse;
use crate::analysis::timeline::Timeline;
use crate::record::end::End;
use crate::record::gpu_reading::GpuReading;
use crate::record::sample::Sample;
use crate::record::server_counts::KvReading;
use crate::spec::metric::Quantity;

/// The distributions of the latencies of a run, and its course.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunShape {
    ttft: Distribution,
    tpot: Distribution,
    itl: Distribution,
    e2e: Distribution,
    /// Requests in flight and tokens over time.
    pub timeline: Timeline,
    /// What the GPUs did over the same time.
    pub gpus: GpuCourse,
    /// How much of the KV cache was in use, where that was sampled.
    pub kv_use: Vec<KvReading>,
    /// Requests that failed.
    pub failed: u64,
}

/// The latencies that have a distribution here, in the order of reports.
pub const LATENCIES: [Quantity; 4] = [Quantity::Ttft, Quantity::Tpot, Quantity::Itl, Quantity::E2e];

impl RunShape {
    /// Adds a request. One that failed counts in the course of the run, and in no latency.
    pub fn add(&mut self, sample: &Sample) {
        self.timeline.add(sample);
        if !sample.succeeded() {
            self.failed += 1;
            return;
        }
        for (distribution, value) in [
            (&mut self.ttft, sample.ttft_ms()),
            (&mut self.tpot, sample.tpot_ms()),
            (&mut self.e2e, Some(sample.e2e_ms())),
        ] {
            if let Some(value) = value {
                distribution.add(value, 1);
            }
        }
        for (before, chunk) in sample.chunks.iter().zip(sample.chunks.iter().skip(1)) {
            let tokens = u64::from(chunk.tokens);
            let gap_us = chunk.at_us.saturating_sub(before.at_us) as f64;
            self.itl.add(gap_us / 1_000.0 / tokens.max(1) as f64, tokens);
        }
    }

    /// Adds what a GPU did at a moment.
    pub fn add_gpu(&mut self, reading: &GpuReading) {
        self.gpus.add(reading);
    }

    /// Takes what the end of the record says of its course.
    pub fn finish(&mut self, end: &End) {
        self.gpus.begin(end.gpu_clock_us);
        self.kv_use = end.server.as_ref().map(|server| server.kv_use.clone()).unwrap_or_default();
    }

    /// Adds the latencies of another run of the same load. The course stays that of this one.
    pub fn merge_latencies(&mut self, other: &Self) {
        self.ttft.merge(&other.ttft);
        self.tpot.merge(&other.tpot);
        self.itl.merge(&other.itl);
        self.e2e.merge(&other.e2e);
        self.failed += other.failed;
    }

    /// Takes the course of another run of the same load in place of its own.
    pub fn take_course(&mut self, other: Self) {
        let Self { timeline, gpus, kv_use, .. } = other;
        (self.timeline, self.gpus, self.kv_use) = (timeline, gpus, kv_use);
    }

    /// The distribution of a latency; absent for another quantity, and where it has no value.
    pub fn latency(&self, quantity: Quantity) -> Option<&Distribution> {
        let distribution = match quantity {
            Quantity::Ttft => &self.ttft,
            Quantity::Tpot => &self.tpot,
            Quantity::Itl => &self.itl,
            Quantity::E2e => &self.e2e,
            _ => return None,
        };
        (distribution.total() > 0).then_some(distribution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::record::chunks::Chunk;
    use crate::record::sample::{FailureKind, Outcome};

    fn sample() -> Sample {
        let chunks = [(20_000, 1), (30_000, 1), (50_000, 2)];
        Sample {
            chunks: chunks.into_iter().map(Chunk::from).collect(),
            end_us: 50_000,
            output_tokens: Some(4),
            ..fixtures::sample()
        }
    }

    #[test]
    fn each_latency_has_as_many_values_as_the_glossary_says() {
        let mut shape = RunShape::default();
        shape.add(&sample());
        let totals = LATENCIES.map(|latency| shape.latency(latency).unwrap().total());
        assert_eq!(totals, [1, 1, 3, 1]);
        let ttft = shape.latency(Quantity::Ttft).unwrap().quantile(0.5).unwrap();
        assert!((20.0..20.2).contains(&ttft), "{ttft}");
        assert_eq!(shape.latency(Quantity::Goodput), None);
    }

    #[test]
    fn a_request_that_failed_is_in_no_latency() {
        let mut shape = RunShape::default();
        let outcome =
            Outcome::Failed { kind: FailureKind::Stalled, detail: "nothing for 60 s".into() };
        shape.add(&Sample { outcome, ..sample() });
        assert!(LATENCIES.iter().all(|latency| shape.latency(*latency).is_none()));
        assert_eq!((shape.failed, shape.timeline.moments().is_empty()), (1, false));
    }
}
