//! What a server's start found in the cache of compiled kernels: [`CompileCache`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::quantity::Quantity;

/// What a start found in the compile cache, as the server's log shows it. Starts that found another state
/// differ in their start-up time by a minute, and in nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompileCache {
    /// It compiled some or all of its graphs.
    Cold,
    /// It loaded all of them.
    Warm,
    /// Of several starts: some compiled, and some did not.
    Mixed,
}

impl CompileCache {
    /// That of several starts; `None` where it is known of none.
    pub fn of(starts: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        let both = |before, now| if before == now { before } else { Self::Mixed };
        starts.into_iter().flatten().reduce(both)
    }

    /// Whether a figure depends on it.
    pub fn matters_to(quantity: Quantity) -> bool {
        matches!(
            quantity,
            Quantity::StartUp
                | Quantity::StartProfiling
                | Quantity::StartCompilation
                | Quantity::StartGraphCapture
                | Quantity::StartRemainder
        )
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::Mixed => "mixed",
        }
    }
}

impl fmt::Display for CompileCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::Mixed => "cold and warm",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_that_found_another_state_are_mixed_and_unknown_ones_do_not_count() {
        let (cold, warm) = (Some(CompileCache::Cold), Some(CompileCache::Warm));
        assert_eq!(CompileCache::of([warm, None, warm]), warm);
        assert_eq!(CompileCache::of([cold, warm, warm]), Some(CompileCache::Mixed));
        assert_eq!(CompileCache::of([None, None]), None);
    }
}
