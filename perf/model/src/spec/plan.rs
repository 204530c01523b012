//! What a suite would measure, found out without measuring anything: [`Plan`].

use serde::{Deserialize, Serialize};

use crate::spec::engine_kind::EngineKind;
use crate::spec::guard::Guard;
use crate::spec::load::Load;
use crate::spec::tier::Tier;

/// What a suite would measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The suite's name.
    pub suite: String,
    /// The engine it would run on.
    pub engine: EngineKind,
    /// The model that the server serves.
    pub model: String,
    /// The GPUs that the server needs.
    pub gpus: u8,
    /// Why the suite is declared or called wrongly, if it is. It has no loads then.
    pub refused: Option<String>,
    /// Why this machine cannot run it, if it cannot.
    pub skipped: Option<String>,
    /// Its loads, in the order declared, without those that the tier leaves out.
    pub loads: Vec<PlannedLoad>,
    /// What the tier leaves out: the suite by its name, or some of its loads as `suite / load`.
    pub left_out: Vec<String>,
    /// What it would measure if it is a sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<PlannedSweep>,
}

impl Plan {
    /// Whether the tier leaves out the whole suite.
    pub fn is_left_out(&self) -> bool {
        self.left_out.contains(&self.suite)
    }
}

/// The size of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSweep {
    /// Its cells.
    pub cells: usize,
    /// The server configurations that they share.
    pub servers: usize,
}

/// One load of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedLoad {
    /// The suite's name.
    pub suite: String,
    /// What is declared.
    pub load: Load,
    /// From which tier on it is measured.
    #[serde(default)]
    pub tier: Tier,
    /// What is guarded.
    pub guards: Vec<Guard>,
    /// Its baseline.
    pub baseline: BaselineStatus,
}

/// What is known of a load's baseline before anything is measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BaselineStatus {
    /// Its file, from the repository's root; empty where only a start shows which one it is.
    pub file: String,
    /// Whether there is a baseline that can be used.
    pub is_recorded: bool,
    /// Why measuring the load would be of no use.
    pub fault: Option<String>,
    /// What happens to the file that is there, where a user would not expect it.
    pub note: Option<String>,
}
