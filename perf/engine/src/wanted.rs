//! Which GPUs a server wants: [`Wanted`].

use perf_model::spec::server::Server;

use crate::gpu::Gpu;

/// What a server wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// So many GPUs; 0 for the CPU.
    pub(crate) gpus: u8,
    /// A part of their name, if not any will do.
    pub(crate) model: Option<String>,
    /// The least memory of each, in MiB.
    pub(crate) memory_mib: Option<u64>,
}

impl Wanted {
    /// What a server is declared to need.
    pub(crate) fn by(server: &Server) -> Self {
        let (model, memory_mib) = (server.gpu_model.clone(), server.gpu_memory_mib);
        Self { gpus: server.gpus, model, memory_mib }
    }

    /// How many of these would do.
    pub(crate) fn count(&self, all: &[Gpu]) -> usize {
        all.iter().filter(|gpu| self.fits(gpu)).count()
    }

    /// Whether this one would do.
    pub(crate) fn fits(&self, gpu: &Gpu) -> bool {
        let lower = |text: &str| text.to_lowercase();
        let model = self.model.as_ref();
        model.is_none_or(|model| lower(&gpu.setup.name).contains(&lower(model)))
            && self
                .memory_mib
                .is_none_or(|least| gpu.setup.memory_mib.is_none_or(|mib| mib >= least))
    }
}
