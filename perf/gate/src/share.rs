//! The share of requests that met every objective, with its confidence limits: [`Blocks`] →
//! [`Share`].
//!
//! Requests are not independent: a queue that grew long delays many in a row, so that those that
//! miss an objective come in clusters. The requests of a probe are therefore cut, in the order of
//! their intended starts, into blocks. The scatter of the blocks' shares says how many independent
//! requests the probe is worth (the *design effect*; Kish 1965): Wilson's interval is computed for
//! that number.
//!
//! Where few or no requests missed, their clusters cannot be seen. The same scatter is therefore
//! also taken for the near misses, and the larger design effect counts. The slowest tenth of the
//! requests are near misses, unless the limits are far out in their tail.

use serde::{Deserialize, Serialize};

use crate::distributions::{normal_z, t_of_z};

/// Consecutive requests of a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// How many.
    pub requests: u32,
    /// How many of them met every objective.
    pub met: u32,
    /// How many of them are among the slowest tenth of the probe; 0 where these are no near misses.
    pub slow: u32,
}

/// The estimated share of requests that met every objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The share.
    pub value: f64,
    /// Its lower confidence limit.
    pub low: f64,
    /// Its upper confidence limit.
    pub high: f64,
    /// How many independent requests the probe is worth.
    pub effective: f64,
}

impl Share {
    /// Estimates it from blocks of equal size. Each limit is wrong with probability `error`. `None`
    /// with fewer than two blocks, or without requests.
    pub fn of(blocks: &[Block], error: f64) -> Option<Self> {
        let requests: u32 = blocks.iter().map(|block| block.requests).sum();
        let met: u32 = blocks.iter().map(|block| block.met).sum();
        if requests == 0 || blocks.len() < 2 {
            return None;
        }
        let value = f64::from(met) / f64::from(requests);
        let effect =
            design_effect(blocks, |block| block.met).max(design_effect(blocks, |block| block.slow));
        let effective = f64::from(requests) / effect;
        let t = t_of_z(normal_z(error), blocks.len() as f64 - 1.0);
        let (low, high) = wilson(value, effective, t);
        Some(Self { value, low, high, effective })
    }

    /// The share as a normal quantile, with half a request added on both sides so that it exists
    /// for a share of 0 and 1.
    pub(crate) fn quantile(&self) -> f64 {
        -normal_z((self.value * self.effective + 0.5) / (self.effective + 1.0))
    }
}

/// By how much the blocks scatter more than independent requests would: their variance over the
/// binomial one, at least 1.
fn design_effect(blocks: &[Block], count: fn(&Block) -> u32) -> f64 {
    let requests: f64 = blocks.iter().map(|block| f64::from(block.requests)).sum();
    let share = blocks.iter().map(|block| f64::from(count(block))).sum::<f64>() / requests;
    let binomial = share * (1.0 - share);
    if binomial <= 0.0 {
        return 1.0;
    }
    let squares: f64 = blocks
        .iter()
        .map(|block| {
            let expected = share * f64::from(block.requests);
            (f64::from(count(block)) - expected).powi(2)
        })
        .sum();
    let size = requests / blocks.len() as f64;
    (squares / (blocks.len() as f64 - 1.0) / (size * binomial)).max(1.0)
}

/// Wilson's score interval of a share in `count` independent trials, `z` standard errors wide.
/// (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927.)
fn wilson(share: f64, count: f64, z: f64) -> (f64, f64) {
    let square = z * z / count;
    let middle = share + square / 2.0;
    let half = z * (share * (1.0 - share) / count + square / (4.0 * count)).sqrt();
    let limit = |side: f64| ((middle + side * half) / (1.0 + square)).clamp(0.0, 1.0);
    (limit(-1.0), limit(1.0))
}

/// The fewest independent requests, all of which met the objectives, that show a share.
pub(crate) fn fewest(share: f64, blocks: usize, error: f64) -> f64 {
    let t = t_of_z(normal_z(error), blocks as f64 - 1.0);
    t * t * share / (1.0 - share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(met: &[u32]) -> Vec<Block> {
        met.iter().map(|met| Block { requests: 50, met: *met, slow: 5 }).collect()
    }

    #[test]
    fn the_interval_is_wilsons() {
        // 9 of 10, 95 %: 0.596 to 0.982 (Newcombe, Stat. Med. 17, 1998, gives the method).
        let (low, high) = wilson(0.9, 10.0, 1.959_964);
        assert!((low - 0.5958).abs() < 1e-3 && (high - 0.9821).abs() < 1e-3, "{low} {high}");
        assert!(wilson(1.0, 10.0, 2.0).1 >= 1.0 - 1e-12);
    }

    #[test]
    fn clusters_make_a_probe_worth_less() {
        let even = Share::of(&blocks(&[45; 20]), 0.025).unwrap();
        let clustered = [vec![50; 10], vec![40; 10]].concat();
        let clustered = Share::of(&blocks(&clustered), 0.025).unwrap();
        assert!((even.value - 0.9).abs() < 1e-12 && (clustered.value - 0.9).abs() < 1e-12);
        assert!((even.effective - 1000.0).abs() < 1e-9);
        assert!(clustered.effective < 200.0, "{clustered:?}");
        assert!(clustered.low < even.low && clustered.high > even.high);
    }

    #[test]
    fn clusters_of_slow_requests_count_where_none_missed() {
        let slow = |slow: [u32; 2]| -> Vec<Block> {
            (0..20).map(|at| Block { requests: 50, met: 50, slow: slow[at % 2] }).collect()
        };
        let even = Share::of(&slow([5, 5]), 0.025).unwrap();
        let clustered = Share::of(&slow([10, 0]), 0.025).unwrap();
        assert!(clustered.effective < even.effective / 3.0, "{clustered:?}");
        assert!(clustered.low < even.low);
    }

    #[test]
    fn as_many_as_are_needed_are_enough_and_one_block_is_nothing() {
        let needed = fewest(0.99, 20, 0.025);
        let size = (needed / 20.0).ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "about 22")]
        let block = Block { requests: size as u32, met: size as u32, slow: 0 };
        assert!(Share::of(&[block; 20], 0.025).unwrap().low >= 0.99);
        assert!(Share::of(&[block; 18], 0.025).unwrap().low < 0.99);
        assert_eq!(Share::of(&[block], 0.025), None);
    }
}
