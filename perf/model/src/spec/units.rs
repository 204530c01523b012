//! Units as types, so that a bare number never stands for a share, a rate or a time.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A share in percent; 2.5 means two and a half of a hundred.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percent(f64);

impl Percent {
    /// The share as a fraction: 2.5 % is 0.025.
    pub fn fraction(self) -> f64 {
        self.0 / 100.0
    }

    /// The number before the percent sign.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

/// `percent(2.5)` is two and a half of a hundred.
pub const fn percent(value: f64) -> Percent {
    Percent(value)
}

/// A rate of arrivals, in requests per second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PerSecond(f64);

impl PerSecond {
    /// Requests per second.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl fmt::Display for PerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests/s", self.0)
    }
}

/// `per_second(8.0)` is eight requests each second.
pub const fn per_second(value: f64) -> PerSecond {
    PerSecond(value)
}

/// A time in milliseconds, which may have a fraction: `millis(7001.09)`.
///
/// Negative and non-finite values become zero, which the output of an objective or a
/// published figure shows.
pub fn millis(value: f64) -> Duration {
    Duration::try_from_secs_f64(value / 1_000.0).unwrap_or_default()
}

/// A duration in milliseconds as a number, for rendering and arithmetic.
pub fn as_millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_keep_their_fraction() {
        assert_eq!(millis(7_001.09), Duration::from_micros(7_001_090));
        assert!((as_millis(millis(0.25)) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn a_share_knows_its_fraction() {
        assert!((percent(2.5).fraction() - 0.025).abs() < 1e-15);
        assert_eq!(percent(2.5).to_string(), "2.5 %");
    }
}
