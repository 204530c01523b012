//! A distribution in a bounded number of bins, however many values it has: [`Distribution`]. For
//! charts; figures are computed from all values ([`crate::analysis::summary`]).

/// The ratio of a bin's upper to its lower edge.
const RATIO: f64 = 1.005;

/// The least value that has a bin of its own, in milliseconds; what is less falls into the first.
const LEAST: f64 = 0.001;

/// As many bins as reach from [`LEAST`] to more than a year.
const BINS: usize = 6_200;

/// A histogram whose bins are 0.5 % wide each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Grows up to the highest bin in use.
    counts: Vec<u64>,
    total: u64,
}

/// Values between two edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// The lower edge.
    pub from: f64,
    /// The upper edge.
    pub to: f64,
    /// How many values lie between them.
    pub count: u64,
}

impl Distribution {
    /// Adds a value, in milliseconds, as often as said. What is not a number is left out.
    pub fn add(&mut self, value_ms: f64, times: u64) {
        if value_ms.is_nan() || times == 0 {
            return;
        }
        let bin = bin_of(value_ms);
        if self.counts.len() <= bin {
            self.counts.resize(bin + 1, 0);
        }
        self.counts[bin] += times;
        self.total += times;
    }

    /// Adds all values of another.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, more) in self.counts.iter_mut().zip(&other.counts) {
            *mine += more;
        }
        self.total += other.total;
    }

    /// How many values it has.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The bins that hold values, in order.
    pub fn bins(&self) -> impl Iterator<Item = Bin> {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(bin, count)| Bin { from: edge(bin), to: edge(bin + 1), count: *count })
    }

    /// The cumulative distribution: the upper edge of each bin that holds values, and the share of
    /// values up to it.
    pub fn cumulative(&self) -> Vec<(f64, f64)> {
        let mut below = 0;
        let total = self.total.max(1) as f64;
        self.bins()
            .map(|bin| {
                below += bin.count;
                (bin.to, below as f64 / total)
            })
            .collect()
    }

    /// The upper edge of the bin in which a share of the values is reached: at most 0.5 % above the
    /// value. Absent without values.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        self.cumulative().into_iter().find(|(_, reached)| *reached >= share).map(|(value, _)| value)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded on both sides before"
)]
fn bin_of(value: f64) -> usize {
    if value <= LEAST {
        return 0;
    }
    let bin = (value / LEAST).ln() / RATIO.ln();
    (bin.min((BINS - 1) as f64)) as usize
}

#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "at most BINS")]
fn edge(bin: usize) -> f64 {
    LEAST * RATIO.powi(bin as i32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_grows_with_the_number_of_values() {
        let mut distribution = Distribution::default();
        for value in 0..100_000_u32 {
            distribution.add(f64::from(value), 1);
        }
        distribution.add(f64::MAX, 1);
        distribution.add(f64::INFINITY, 1);
        distribution.add(f64::NAN, 1);
        assert_eq!((distribution.total(), distribution.counts.len()), (100_002, BINS));
    }

    #[test]
    fn without_values_there_is_no_quantile() {
        assert_eq!(Distribution::default().quantile(0.5), None);
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_a_bin_of_the_true_one(
            mut values in prop::collection::vec(0.01..1e6_f64, 1..200), share in 0.01..1.0_f64,
        ) {
            let mut halves = [Distribution::default(), Distribution::default()];
            for (at, value) in values.iter().enumerate() {
                halves[at % 2].add(*value, 1);
            }
            let [mut whole, other] = halves;
            whole.merge(&other);
            values.sort_by(f64::total_cmp);
            let rank = (share * values.len() as f64).ceil().max(1.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
            let truth = values[(rank as usize - 1).min(values.len() - 1)];
            let found = whole.quantile(share).unwrap();
            // A share may fall just beside a rank by rounding.
            prop_assert!(found >= truth / (RATIO * RATIO) && (found <= truth * RATIO * RATIO
                || values.len() > 1), "{found} for {truth}");
        }
    }
}
