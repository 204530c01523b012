//! What went on over the time of a run, in a bounded number of bins: [`Timeline`].

use crate::record::sample::Sample;

/// The most bins; twice as many at the moment before they are joined.
const BINS: usize = 240;

/// The width of a bin at first, in microseconds.
const FIRST_WIDTH_US: u64 = 1_000;

/// Requests in flight and output tokens over time. Its bins become wider as the run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    width_us: u64,
    /// The time that requests spent in flight in each bin, in microseconds.
    busy_us: Vec<u64>,
    tokens: Vec<u64>,
}

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// The middle of the bin, in seconds since the run began.
    pub at_s: f64,
    /// Requests in flight, on average.
    pub in_flight: f64,
    /// Output tokens per second.
    pub tokens_per_s: f64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { width_us: FIRST_WIDTH_US, busy_us: Vec::new(), tokens: Vec::new() }
    }
}

impl Timeline {
    /// Adds a request.
    pub fn add(&mut self, sample: &Sample) {
        self.reach(sample.end_us.max(sample.last_token_us()));
        self.busy(sample.sent_us, sample.end_us);
        if sample.chunks.is_empty() {
            let tokens = sample.output_tokens.filter(|_| sample.succeeded());
            self.token(sample.end_us, u64::from(tokens.unwrap_or_default()));
        }
        for chunk in &sample.chunks {
            // Stamps that go back are not trusted to lie within the run.
            self.reach(chunk.at_us);
            self.token(chunk.at_us, u64::from(chunk.tokens));
        }
    }

    /// The moments of the run, in order; none for a run without length.
    pub fn moments(&self) -> Vec<Moment> {
        let width = self.width_us as f64;
        let bins = self.busy_us.iter().zip(&self.tokens).enumerate();
        bins.map(|(bin, (busy, tokens))| Moment {
            at_s: (bin as f64 + 0.5) * width / 1e6,
            in_flight: *busy as f64 / width,
            tokens_per_s: *tokens as f64 / width * 1e6,
        })
        .collect()
    }

    /// How long the run is, in seconds, to a whole bin.
    pub fn length_s(&self) -> f64 {
        self.busy_us.len() as f64 * self.width_us as f64 / 1e6
    }

    /// Makes room for a moment.
    fn reach(&mut self, us: u64) {
        while self.bin(us) >= BINS {
            self.width_us *= 2;
            for bins in [&mut self.busy_us, &mut self.tokens] {
                *bins = bins.chunks(2).map(|pair| pair.iter().sum()).collect();
            }
        }
        let length = self.bin(us) + 1;
        for bins in [&mut self.busy_us, &mut self.tokens] {
            if bins.len() < length {
                bins.resize(length, 0);
            }
        }
    }

    fn bin(&self, us: u64) -> usize {
        usize::try_from(us / self.width_us).unwrap_or(usize::MAX)
    }

    fn busy(&mut self, from_us: u64, to_us: u64) {
        let mut at = from_us;
        while at < to_us {
            let bin = self.bin(at);
            let until = (at / self.width_us + 1).saturating_mul(self.width_us).min(to_us);
            self.busy_us[bin] += until - at;
            at = until;
        }
    }

    fn token(&mut self, us: u64, tokens: u64) {
        let bin = self.bin(us);
        self.tokens[bin] += tokens;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures;
    use crate::record::chunks::Chunk;

    fn sample(sent_us: u64, end_us: u64, at_us: &[u64]) -> Sample {
        Sample {
            sent_us,
            end_us,
            chunks: at_us.iter().map(|at_us| Chunk { at_us: *at_us, tokens: 2 }).collect(),
            ..fixtures::sample()
        }
    }

    #[test]
    fn two_requests_at_once_are_two_in_flight() {
        let mut timeline = Timeline::default();
        timeline.add(&sample(0, 2_000, &[500, 1_500]));
        timeline.add(&sample(1_000, 2_000, &[1_200]));
        let moments = timeline.moments();
        assert!((moments[0].in_flight - 1.0).abs() < 1e-9);
        assert!((moments[1].in_flight - 2.0).abs() < 1e-9);
        assert!((moments[1].tokens_per_s - 4_000.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn wider_bins_lose_neither_tokens_nor_time(
            spans in prop::collection::vec((0..50_000_000_u64, 1..20_000_000_u64), 1..40)
        ) {
            let mut timeline = Timeline::default();
            for (from, length) in &spans {
                timeline.add(&sample(*from, from + length, &[from + length / 2]));
            }
            prop_assert!(timeline.busy_us.len() <= BINS);
            let busy: u64 = spans.iter().map(|(_, length)| length).sum();
            prop_assert_eq!(timeline.busy_us.iter().sum::<u64>(), busy);
            prop_assert_eq!(timeline.tokens.iter().sum::<u64>(), 2 * spans.len() as u64);
        }
    }
}
