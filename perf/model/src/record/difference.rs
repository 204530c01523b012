//! One thing in which a run differs from its baseline: [`Difference`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing in which a run differs from its baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What it is: `image`, `driver`, `argument`.
    pub what: String,
    /// In the baseline.
    pub baseline: String,
    /// Now.
    pub measured: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} → {}", self.what, brief(&self.baseline), brief(&self.measured))
    }
}

/// A digest cut to the twelve digits that people compare; anything else as it is.
fn brief(value: &str) -> &str {
    let digits = value.strip_prefix("sha256:").map_or(0, str::len);
    if digits > 12 { &value[.."sha256:".len() + 12] } else { value }
}
