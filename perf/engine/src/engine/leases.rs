//! How an engine leases what its servers need.

use perf_clock::Clock;
use perf_model::spec::server::Server;

use super::{Engine, How};
use crate::error::EngineError;
use crate::gpu::{self, Gpu};
use crate::lease::Lease;
use crate::leasing::{LOOK, Leasing};
use crate::simulated;
use crate::wanted::Wanted;

impl Engine {
    /// Refuses to report too few GPUs where this build only cannot see them.
    pub(super) fn check_discovery(&self) -> Result<(), EngineError> {
        if self.gpus.is_none() && gpu::are_hidden_from_this_build() {
            return Err(EngineError::feature_missing("nvml", "GPUs"));
        }
        Ok(())
    }

    pub(super) fn gpus(&self) -> Vec<Gpu> {
        self.gpus.clone().unwrap_or_else(gpu::list)
    }

    /// Leases what the server needs, and waits for it as long as was asked for. Dropping the future
    /// ends the wait.
    pub async fn lease(
        &self,
        server: &Server,
        clock: Clock,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Lease, EngineError> {
        let gpus = self.gpus_for(server)?;
        self.leasing(server, &gpus).lease(clock, progress).await
    }

    /// Leases what the server needs if that is possible now; `None` if it is not.
    pub async fn lease_now(
        &self,
        server: &Server,
        clock: Clock,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Option<Lease>, EngineError> {
        let gpus = self.gpus_for(server)?;
        self.leasing(server, &gpus).lease_now(clock, progress).await
    }

    pub(super) async fn lease_unless(
        &self,
        lease: Option<Lease>,
        server: &Server,
        clock: Clock,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Lease, EngineError> {
        match lease {
            Some(lease) => Ok(lease),
            None => self.lease(server, clock, progress).await,
        }
    }

    /// Lists the GPUs among which those of a server are leased. A simulated server's machine is that
    /// of its profile.
    fn gpus_for<'a>(
        &'a self,
        server: &Server,
    ) -> Result<Box<dyn Fn() -> Vec<Gpu> + 'a>, EngineError> {
        if matches!(self.how, How::Simulated { .. }) {
            let gpus = simulated::gpus(server)?;
            return Ok(Box::new(move || gpus.clone()));
        }
        if server.gpus > 0 {
            self.check_discovery()?;
        }
        Ok(Box::new(|| self.gpus()))
    }

    fn leasing<'a>(&'a self, server: &Server, gpus: &'a dyn Fn() -> Vec<Gpu>) -> Leasing<'a> {
        let wanted = match self.how {
            How::Simulated { .. } => simulated::wanted(server, gpus().len()),
            _ => Wanted::by(server),
        };
        Leasing {
            folder: &self.locks,
            gpus,
            wanted,
            holder: self.holder.clone(),
            wait: self.wait,
            look: LOOK,
        }
    }
}
