//! The first line of a record, which says what the run was to be: [`Header`].

use serde::{Deserialize, Serialize};

use crate::record::client_load::Calibration;
use crate::record::fingerprint::Fingerprint;
use crate::record::gpu_setup::GpuSetup;
use crate::record::part::Part;
use crate::record::search_probe::SearchProbe;
use crate::record::start_up::StartUp;
use crate::spec::load::{Arrivals, Load, Objective};

/// The newest version of the format that this code reads and writes.
pub const SCHEMA: u32 = 2;

/// The version without readings of GPUs, which older versions of this suite read too.
pub const WITHOUT_GPUS: u32 = 1;

/// What the run was to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub schema: u32,
    /// The suite's name.
    pub suite: String,
    /// The load's name.
    pub load: String,
    /// The part of the run that the start belongs to.
    #[serde(default, skip_serializing_if = "Part::is_judged")]
    pub part: Part,
    /// Which engine start of that part, from 1.
    pub start: u32,
    /// Which run of that start, from 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub run: u32,
    /// The seed of prompts and arrivals.
    pub seed: u64,
    /// What was asked.
    pub workload: String,
    /// When it was asked.
    pub arrivals: String,
    /// The same, for what is computed from it; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Arrivals>,
    /// What a request had to meet to count for goodput.
    pub objectives: Vec<Objective>,
    /// What it ran on and against.
    pub fingerprint: Fingerprint,
    /// What the client can do on the machine that it ran on; absent in virtual time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// The load as it was declared, with its limits: what a run is held against. Absent where
    /// somebody else measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Load>,
    /// The search that it is a probe of; absent for a load that is put on the server as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchProbe>,
    /// How the server started; absent for one that was up already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_up: Option<StartUp>,
    /// The GPUs that it ran on; none where they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuSetup>,
}

impl Header {
    /// The header of a declared load that is judged, in its first run of the first start.
    pub fn of(load: &Load, suite: &str, fingerprint: Fingerprint) -> Self {
        Self {
            schema: WITHOUT_GPUS,
            suite: suite.to_owned(),
            load: load.name.clone(),
            part: Part::Judged,
            start: 1,
            run: 1,
            seed: 0,
            workload: load.describe(),
            arrivals: load.describe_arrivals(),
            pattern: Some(load.arrivals),
            objectives: load.objectives.clone(),
            fingerprint,
            calibration: None,
            declared: Some(load.clone()),
            search: None,
            start_up: None,
            gpus: Vec::new(),
        }
    }

    /// The same for a run whose GPUs are read.
    #[must_use]
    pub fn on(self, gpus: Vec<GpuSetup>) -> Self {
        let schema = if gpus.is_empty() { self.schema } else { SCHEMA };
        Self { schema, gpus, ..self }
    }
}

/// The run of a start that has one.
fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_first(run: &u32) -> bool {
    *run == 1
}
