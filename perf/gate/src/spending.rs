//! How much of an error rate may be spent by when: [`late`] and [`early`].
//!
//! Lan and DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983).
//! `information` is the share of all information that is there, 0 to 1.

use crate::distributions::{normal_tail, normal_z};

/// The power of the information by which misses are spent: 0.62 of them by a quarter of it.
const EARLY: f64 = 0.35;

/// The way of O'Brien and Fleming: hardly anything early, so that the last look is almost as sharp
/// as if it were the only one. For false alarms.
pub(crate) fn late(rate: f64, information: f64) -> f64 {
    2.0 * normal_tail(normal_z(rate / 2.0) / information.sqrt())
}

/// Most of it early (Kim and DeMets' power family): what is clearly fine stops at the first start.
/// For misses. Between 0.25 and 1 the power decides little but the cost.
pub(crate) fn early(rate: f64, information: f64) -> f64 {
    rate * information.powf(EARLY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_end_everything_is_spent_and_never_less_than_before() {
        for spend in [late, early] {
            assert!((spend(0.05, 1.0) - 0.05).abs() < 1e-9);
            let spent: Vec<f64> =
                (1..=20).map(|step| spend(0.05, f64::from(step) / 20.0)).collect();
            assert!(spent.windows(2).all(|pair| pair[0] < pair[1]));
        }
        assert!(late(0.05, 0.2) < 1e-4 && early(0.05, 0.2) > 0.01);
    }
}
