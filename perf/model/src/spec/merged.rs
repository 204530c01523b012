//! What a run that was merged from parts says of them: [`Merged`].

use serde::{Deserialize, Serialize};

use crate::spec::code::Code;
use crate::spec::split::Split;

/// That a run is a part of a split one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartOf {
    /// The part's name.
    pub name: String,
    /// The code that measured it.
    pub code: Code,
    /// The whole.
    pub split: Split,
}

/// The parts that a run was merged from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Merged {
    /// Every part of the split, in its order.
    pub parts: Vec<MergedPart>,
    /// The guards of all parts, which share the error rate.
    pub guards: u32,
    /// What a reader should know of the parts, and decides nothing.
    pub remarks: Vec<String>,
}

/// One part of a merged run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedPart {
    /// Its name.
    pub name: String,
    /// What was found of it.
    pub state: PartState,
    /// Its guards.
    pub guards: u32,
}

/// What was found of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// A run that came to its end.
    Complete,
    /// A run that did not: its machine died, or it was interrupted.
    Unfinished,
    /// No run.
    Missing,
}

impl Merged {
    /// The parts that have no run which came to its end.
    pub fn lacking(&self) -> impl Iterator<Item = &MergedPart> {
        self.parts.iter().filter(|part| part.state != PartState::Complete)
    }

    /// Whether anything was measured at all.
    pub fn has_measured(&self) -> bool {
        self.parts.iter().any(|part| part.state != PartState::Missing)
    }
}
