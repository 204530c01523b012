//! How many tokens the model generates when no limit stops it: [`NaturalLengths`].

use crate::draw::{Stream, seed_for, unit};

/// This many consecutive requests visit every stratum of the distribution once.
const STRATA: u64 = 20;
/// Coprime to [`STRATA`], so that neighbours in time lie far apart in the distribution.
const STRIDE: u64 = 7;
/// The golden ratio's fraction: the sequence that fills a stratum most evenly.
const GOLDEN: f64 = 0.618_033_988_749_894_8;

/// Natural output lengths in order of arrival.
///
/// Independent draws would need hundreds of requests before their mean settles, and published
/// benchmarks send 20. These are stratified instead: any 20 in a row show the distribution, and its
/// mean, almost exactly.
#[derive(Clone, Debug)]
pub(crate) struct NaturalLengths {
    quantiles: Vec<(f64, f64)>,
    offset: f64,
    drawn: u64,
}

impl NaturalLengths {
    pub(crate) fn new(quantiles: &[(f64, f64)], seed: u64) -> Self {
        Self {
            quantiles: quantiles.to_vec(),
            offset: unit(seed_for(seed, Stream::Length), 0),
            drawn: 0,
        }
    }

    /// The next request's length in tokens, at least 1.
    pub(crate) fn draw(&mut self) -> usize {
        let turn = self.drawn;
        self.drawn += 1;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number from 0 to 19"
        )]
        let first = (self.offset * STRATA as f64) as u64;
        let stratum = (first + turn * STRIDE) % STRATA;
        let within = (turn as f64).mul_add(GOLDEN, self.offset).fract();
        let tokens = self.at((stratum as f64 + within) / STRATA as f64);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "profiles hold lengths from 1 on"
        )]
        let tokens = tokens.round().max(1.0) as usize;
        tokens
    }

    fn at(&self, share: f64) -> f64 {
        let mut below = self.quantiles[0];
        for &above in &self.quantiles {
            if share < above.0 {
                return below.1 + (above.1 - below.1) * (share - below.0) / (above.0 - below.0);
            }
            below = above;
        }
        below.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTILES: [(f64, f64); 3] = [(0.0, 100.0), (0.4, 256.0), (1.0, 1000.0)];

    #[test]
    fn any_twenty_in_a_row_have_the_mean_of_all() {
        for seed in 0..50 {
            let mut lengths = NaturalLengths::new(&QUANTILES, seed);
            let drawn: Vec<usize> = (0..400).map(|_| lengths.draw().min(256)).collect();
            for window in drawn.windows(20) {
                let mean = window.iter().sum::<usize>() as f64 / 20.0;
                assert!((mean / 224.8 - 1.0).abs() < 0.01, "seed {seed}: {mean}");
                let cut = window.iter().filter(|tokens| **tokens == 256).count();
                assert!((12..=13).contains(&cut), "seed {seed}: {cut}");
            }
        }
    }

    #[test]
    fn a_jump_in_the_distribution_leaves_a_gap() {
        let mut lengths =
            NaturalLengths::new(&[(0.0, 10.0), (0.5, 20.0), (0.5, 90.0), (1.0, 99.0)], 3);
        assert!(
            (0..200)
                .map(|_| lengths.draw())
                .all(|tokens| (10..=20).contains(&tokens) || tokens >= 90)
        );
    }
}
