//! A server that is up: [`Running`].

use std::fmt;

use perf_model::record::fingerprint::Fingerprint;
use perf_sim::SimServer;

pub use crate::keeper::Death;

use crate::error::EngineError;
use crate::keeper::{DeathNotice, Keeper};
use crate::lease::Lease;
use crate::tail::shown;

/// Where a server answers.
#[derive(Clone, Debug)]
pub enum Address {
    /// Over HTTP, at this address, which has no slash at its end.
    Url(String),
    /// In this process and without a socket.
    InProcess(axum::Router),
}

/// A server that is up. Dropping it stops and removes it just as [`Running::stop`] does, which also
/// says how that went.
pub struct Running {
    address: Address,
    fingerprint: Fingerprint,
    held: Held,
}

/// What a running server consists of, by engine.
pub(crate) enum Held {
    /// Started here, on leased hardware.
    Kept(Option<Kept>),
    /// Up before and after.
    Elsewhere,
    /// In this process. Boxed, as it is the largest.
    Simulated(Box<SimServer>),
}

/// A server that was started here. What is dropped first must be first: the hardware is free when
/// the server is gone.
pub(crate) struct Kept {
    keeper: Box<dyn Keeper>,
    death: DeathNotice,
    _lease: Lease,
}

impl Kept {
    pub(crate) fn new(keeper: Box<dyn Keeper>, death: DeathNotice, lease: Lease) -> Self {
        Self { keeper, death, _lease: lease }
    }

    pub(crate) fn death(&self) -> DeathNotice {
        self.death.clone()
    }

    pub(crate) fn log_tail(&self) -> Vec<String> {
        self.keeper.log_tail()
    }

    /// Stops on a thread of its own, so that it goes on to the end even when nobody waits for it
    /// any more.
    pub(crate) async fn stop(mut self) -> Result<(), EngineError> {
        let (done, outcome) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let result = self.keeper.stop();
            drop(self);
            // Nobody may be waiting any more.
            let _ = done.send(result);
        });
        let result =
            outcome.await.unwrap_or_else(|_| Err("the thread that removes it broke".to_owned()));
        result.map_err(|reason| EngineError::NotRemoved { reason })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Err(reason) = self.keeper.stop() {
            // A drop has nobody to tell, and what is left may hold a GPU.
            eprintln!("warning: {}", EngineError::NotRemoved { reason });
        }
    }
}

impl Running {
    pub(crate) fn new(address: Address, fingerprint: Fingerprint, held: Held) -> Self {
        Self { address, fingerprint, held }
    }

    /// Where the server answers.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What it is and runs on.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Waits until the server dies by itself, for ever if it does not. A server elsewhere is not
    /// watched.
    ///
    /// May be dropped and called again.
    pub async fn died(&mut self) -> Death {
        match &mut self.held {
            Held::Kept(Some(kept)) => kept.death.wait().await,
            Held::Simulated(server) => {
                server.died().await;
                // vLLM's API server shuts down in good order when its engine is dead.
                Death::read(Some(0), false, server.log())
            }
            Held::Kept(None) | Held::Elsewhere => std::future::pending().await,
        }
    }

    /// The last lines of the server's log; nothing for a server elsewhere.
    pub fn log_tail(&self) -> Vec<String> {
        match &self.held {
            Held::Kept(Some(kept)) => kept.log_tail(),
            Held::Simulated(server) => shown(server.log()),
            Held::Kept(None) | Held::Elsewhere => Vec::new(),
        }
    }

    /// Stops the server, removes what belongs to it, checks that it is gone, and gives the hardware
    /// back. A server elsewhere stays up.
    ///
    /// When this future is dropped half way, the removal still goes on to its end.
    pub async fn stop(mut self) -> Result<(), EngineError> {
        match &mut self.held {
            Held::Kept(kept) => match kept.take() {
                Some(kept) => kept.stop().await,
                None => Ok(()),
            },
            Held::Elsewhere | Held::Simulated(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("address", &self.address)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}
