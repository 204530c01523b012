//! How much a run measures: a [`Tier`] of suites and loads.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much a run measures, and from which run on a suite or load is part of it. Each tier includes
/// those before it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Tier {
    /// For every pull request: small.
    #[default]
    #[serde(rename = "pr")]
    PullRequest,
    /// For every night: larger.
    #[serde(rename = "nightly")]
    Nightly,
    /// Everything: for a release, or for one suite that is named.
    #[serde(rename = "full")]
    Full,
}

impl Tier {
    /// All tiers, the smallest first.
    pub const ALL: [Self; 3] = [Self::PullRequest, Self::Nightly, Self::Full];

    /// Its name on the command line and in `perf.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::PullRequest => "pr",
            Self::Nightly => "nightly",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|tier| tier.name() == text);
        known.ok_or_else(|| format!("`{text}` is not a tier; there are pr, nightly and full"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_has_the_same_name_everywhere_and_includes_those_before_it() {
        for tier in Tier::ALL {
            assert_eq!(tier.to_string().parse(), Ok(tier));
            assert_eq!(serde_json::to_string(&tier).unwrap(), format!("\"{tier}\""));
        }
        assert!(Tier::PullRequest < Tier::Nightly && Tier::Nightly < Tier::Full);
        assert!("weekly".parse::<Tier>().unwrap_err().contains("pr, nightly and full"));
    }
}
