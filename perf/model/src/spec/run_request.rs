//! What a run was asked to do, as far as a reader of its report needs it: [`RunRequest`].

use serde::{Deserialize, Serialize};

use crate::spec::merged::{Merged, PartOf};
use crate::spec::settings::Settings;
use crate::spec::tier::Tier;

/// What a run was asked to do on the command line, and what that left out. A report needs it to name
/// a command that repeats the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunRequest {
    /// The scenarios that were asked for; none for all.
    pub filters: Vec<String>,
    /// The tier that was asked for, if one was.
    pub tier: Option<Tier>,
    /// What that, or the default, leaves out: suites, and loads as `suite / load`.
    pub left_out: Vec<String>,
    /// Whether a suite that this machine cannot run is an error, not skipped.
    pub requires_hardware: bool,
    /// What was asked for, with the budget of the whole run.
    pub settings: Settings,
    /// The whole that this run is a part of, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<PartOf>,
    /// The parts that this run was merged from, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged: Option<Merged>,
}
