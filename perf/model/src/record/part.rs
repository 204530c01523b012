//! The part of a run that an engine start belongs to: [`Part`].

use serde::{Deserialize, Serialize};

/// The part of a run that an engine start belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The starts that are held against the baseline.
    #[default]
    Judged,
    /// The side of a duet that the other is held against.
    Base,
    /// The side of a duet that is under test.
    Candidate,
}

impl Part {
    /// The folder of the records of a run in a start, both counted from 1.
    pub fn folder(self, start: u32, run: u32) -> String {
        let start = match self {
            Self::Judged => format!("start-{start}"),
            Self::Base => format!("base-{start}"),
            Self::Candidate => format!("candidate-{start}"),
        };
        if run > 1 { format!("{start}/run-{run}") } else { start }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_judged(&self) -> bool {
        *self == Self::Judged
    }
}
