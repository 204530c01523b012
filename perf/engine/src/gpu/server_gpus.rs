//! The GPUs that a server was started on: [`ServerGpus`].

use perf_clock::Clock;
use perf_model::record::gpu_setup::GpuSetup;

use super::{Gpu, Owners, Telemetry, now};

/// The GPUs that a server was started on, and the processes that it has on them.
#[derive(Clone, Debug, Default)]
pub struct ServerGpus {
    gpus: Vec<Gpu>,
    owners: Owners,
}

impl ServerGpus {
    /// Those of a server that is ready now.
    pub(crate) fn ready(gpus: &[Gpu]) -> Self {
        Self { gpus: gpus.to_owned(), owners: Owners::now(&now(gpus)) }
    }

    /// What they are and how they were set up before the start.
    pub fn setups(&self) -> Vec<GpuSetup> {
        self.gpus.iter().map(|gpu| gpu.setup.clone()).collect()
    }

    /// Begins to read them; `None` for a server without GPUs.
    pub fn telemetry(&self, clock: Clock) -> Option<Telemetry> {
        Telemetry::begin(&self.gpus, &self.owners, clock)
    }
}
