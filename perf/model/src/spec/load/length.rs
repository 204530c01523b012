//! The length of a prompt or an answer, fixed or from a distribution: [`Length`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number of tokens, the same for every request or different for each.
///
/// Lengths that differ are not drawn one by one: a run takes them at even steps through the
/// distribution, and its seed decides only their order. Every engine start therefore gets
/// requests for the same number of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// The same for every request.
    Fixed(u32),
    /// Any number in a range, bounds included, all equally often.
    Uniform {
        /// The smallest length.
        min: u32,
        /// The largest length.
        max: u32,
    },
    /// Lognormal, as the lengths of real prompts and answers nearly are: many short, few very long.
    Lognormal {
        /// The median.
        median: u32,
        /// The standard deviation of the logarithm; with 0.7, one in a hundred has five times the
        /// median or more.
        sigma: f64,
        /// Longer lengths are cut to this.
        max: u32,
    },
}

impl Length {
    /// The smallest possible length.
    pub fn min(self) -> u32 {
        match self {
            Self::Fixed(tokens) => tokens,
            Self::Uniform { min, max } => min.min(max),
            Self::Lognormal { max, .. } => max.min(1),
        }
    }

    /// The largest possible length.
    pub fn max(self) -> u32 {
        match self {
            Self::Fixed(tokens) => tokens,
            Self::Uniform { max, .. } | Self::Lognormal { max, .. } => max,
        }
    }

    /// The reason why it is invalid, if there is one: text for an error message.
    pub fn fault(self) -> Option<String> {
        match self {
            Self::Uniform { min, max } if min > max => {
                Some(format!("its least length, {min}, is above its most, {max}"))
            }
            Self::Lognormal { sigma, .. } if !sigma.is_finite() || sigma < 0.0 => {
                Some(format!("the sigma of its lengths must be 0 or more, and it is {sigma}"))
            }
            Self::Lognormal { median: 0, .. } => Some("the median of its lengths is 0".to_owned()),
            _ if self.min() == 0 => {
                Some("its shortest length is 0 tokens; ask for at least one".to_owned())
            }
            _ => None,
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(tokens) => write!(f, "{tokens}"),
            Self::Uniform { min, max } => write!(f, "{min} to {max}"),
            Self::Lognormal { median, sigma, max } => {
                write!(f, "lognormal (median {median}, sigma {sigma}, at most {max})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_knows_its_bounds_and_its_words() {
        let lognormal = Length::Lognormal { median: 512, sigma: 0.7, max: 4_096 };
        assert_eq!(lognormal.to_string(), "lognormal (median 512, sigma 0.7, at most 4096)");
        assert_eq!((lognormal.min(), lognormal.max()), (1, 4_096));
        assert_eq!(Length::Uniform { min: 3, max: 9 }.to_string(), "3 to 9");
    }

    #[test]
    fn a_length_that_cannot_be_is_named() {
        for (length, why) in [
            (Length::Fixed(0), "0 tokens"),
            (Length::Uniform { min: 9, max: 3 }, "9, is above its most, 3"),
            (Length::Uniform { min: 0, max: 3 }, "0 tokens"),
            (Length::Lognormal { median: 5, sigma: -1.0, max: 9 }, "sigma"),
            (Length::Lognormal { median: 0, sigma: 1.0, max: 9 }, "median"),
            (Length::Lognormal { median: 5, sigma: 1.0, max: 0 }, "0 tokens"),
        ] {
            let fault = length.fault().unwrap();
            assert!(fault.contains(why), "{fault}");
        }
        assert_eq!(Length::Uniform { min: 1, max: 1 }.fault(), None);
    }
}
