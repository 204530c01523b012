//! A server that is up: [`Running`].

use std::fmt;
use std::time::Duration;

use perf_clock::Clock;
use perf_model::record::compile_cache::CompileCache;
use perf_model::record::effective::EffectiveConfiguration;
use perf_model::record::fingerprint::Fingerprint;
use perf_model::record::start_up::StartUp;
use perf_sim::SimServer;

pub use crate::supervisor::ServerExit;

use crate::compile_cache::ColdFolder;
use crate::engine_processes::EngineProcesses;
use crate::error::EngineError;
use crate::failure::{Evidence, ServerFailure, failed_start};
use crate::gpu::{ServerGpus, wait_until_given_back};
use crate::lease::Lease;
use crate::log::shown;
use crate::supervisor::{ExitNotice, Supervisor};

/// Between two looks at the log of a server that starts.
const LOG_LOOK: Duration = Duration::from_millis(250);

/// How long a server may take to end after its log proved that its start failed.
const LAST_WORDS: Duration = Duration::from_millis(500);

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
    held: Handle,
    start_up: Option<StartUp>,
    gpus: ServerGpus,
}

/// What a running server consists of, by engine.
pub(crate) enum Handle {
    /// Started here, on leased hardware.
    Supervised(Option<SupervisedServer>),
    /// Up before and after.
    Elsewhere,
    /// In this process. Boxed, as it is the largest.
    Simulated(Box<SimServer>),
}

/// A server that was started here. What is dropped first must be first: the hardware is free when
/// the server is gone.
pub(crate) struct SupervisedServer {
    supervisor: Box<dyn Supervisor>,
    death: ExitNotice,
    /// The processes of its engine, when it is ready.
    engine: EngineProcesses,
    lease: Lease,
    /// A folder that ends with it.
    compile_cache: Option<ColdFolder>,
}

impl SupervisedServer {
    pub(crate) fn new(supervisor: Box<dyn Supervisor>, death: ExitNotice, lease: Lease) -> Self {
        let engine = EngineProcesses::default();
        Self { supervisor, death, engine, lease, compile_cache: None }
    }

    /// The same server, with the folder of its cold cache.
    pub(crate) fn compiling_in(mut self, folder: Option<ColdFolder>) -> Self {
        self.compile_cache = folder;
        self
    }

    pub(crate) fn death(&self) -> ExitNotice {
        self.death.clone()
    }

    pub(crate) fn log_tail(&self) -> Vec<String> {
        self.supervisor.log_tail()
    }

    /// What the log says that the server does, of one that is not up yet.
    pub(crate) fn doing(&self) -> Option<&'static str> {
        self.supervisor.start_log().start_up.doing()
    }

    /// Waits until the log proves that the start has failed though the server still runs. Gives the log and
    /// what it proves.
    pub(crate) async fn failed_start(&self, clock: Clock) -> (Vec<String>, ServerFailure) {
        loop {
            clock.sleep(LOG_LOOK).await;
            if failed_start(&self.supervisor.log().await).is_some() {
                // The end of the server says more, if it comes soon.
                clock.sleep(LAST_WORDS).await;
                let log = self.supervisor.log().await;
                if let Some(failure) = failed_start(&log) {
                    return (log, failure);
                }
            }
        }
    }

    /// The same server, with the processes of its engine watched.
    pub(crate) fn watching(mut self, engine: EngineProcesses) -> Self {
        self.engine = engine;
        self
    }

    /// Waits until the server ends, or its engine does and the log proves that this was no orderly end.
    async fn died(&mut self) -> ServerExit {
        let Self { supervisor, death, engine, .. } = self;
        let engine_died = async {
            engine.one_ended().await;
            loop {
                let log = supervisor.log().await;
                let (exit_code, oom_killed, deed) = (None, false, None);
                let death = ServerExit::read(Evidence { exit_code, oom_killed, deed, log: &log });
                if death.kind != ServerFailure::Other {
                    return death;
                }
                Clock::real().sleep(LOG_LOOK).await;
            }
        };
        tokio::select! {
            death = death.wait() => death,
            death = engine_died => death,
        }
    }

    /// What the log says of a server that is up now: how it started, what it runs with, and what it found in
    /// the compile cache.
    pub(crate) fn started(
        &self,
        ready: Duration,
        arguments: &[String],
    ) -> (StartUp, EffectiveConfiguration, Option<CompileCache>) {
        let block = arguments.iter().position(|word| word == "--block-size");
        let block = block.and_then(|at| arguments.get(at + 1)?.parse().ok());
        let log = self.supervisor.start_log();
        (log.start_up.finish(ready, block), log.effective.finish(), log.compile_cache.finish())
    }

    /// Stops on a thread of its own, so that it completes even when the caller no longer waits
    /// for it. Gives what the GPUs still hold.
    pub(crate) async fn stop(mut self) -> Result<Vec<String>, EngineError> {
        let (done, outcome) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let result = self.supervisor.stop();
            // The lease ends after that: the next server would not fit.
            let result = result.map(|()| wait_until_given_back(self.lease.leased()));
            drop(self);
            // The caller may no longer wait.
            let _ = done.send(result);
        });
        let result =
            outcome.await.unwrap_or_else(|_| Err("the thread that removes it panicked".to_owned()));
        result.map_err(|reason| EngineError::NotRemoved { reason })
    }
}

impl Drop for SupervisedServer {
    fn drop(&mut self) {
        if let Err(reason) = self.supervisor.stop() {
            // A drop cannot return an error, and what is left may hold a GPU.
            eprintln!("warning: {}", EngineError::NotRemoved { reason });
        }
    }
}

impl Running {
    pub(crate) fn new(address: Address, fingerprint: Fingerprint, held: Handle) -> Self {
        let gpus = match &held {
            Handle::Supervised(Some(kept)) => ServerGpus::ready(kept.lease.leased()),
            Handle::Supervised(None) | Handle::Elsewhere | Handle::Simulated(_) => {
                ServerGpus::default()
            }
        };
        Self { address, fingerprint, held, start_up: None, gpus }
    }

    /// The same server, with how it started.
    pub(crate) fn started(self, start_up: StartUp) -> Self {
        Self { start_up: Some(start_up), ..self }
    }

    /// How it started; absent for a server that was up already, and for a simulated one unless its
    /// declaration wants it.
    pub fn start_up(&self) -> Option<StartUp> {
        self.start_up
    }

    /// Where the server answers.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What it is and runs on.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The GPUs that it was started on; none for a server that was not.
    pub fn gpus(&self) -> &ServerGpus {
        &self.gpus
    }

    /// Waits until the server dies by itself, for ever if it does not. A server elsewhere is not
    /// watched.
    ///
    /// May be dropped and called again.
    pub async fn died(&mut self) -> ServerExit {
        match &mut self.held {
            Handle::Supervised(Some(kept)) => kept.died().await.while_serving(),
            Handle::Simulated(server) => {
                server.died().await;
                // vLLM's API server shuts down in good order when its engine is dead.
                let (exit_code, deed) = (Some(0), Some(ServerFailure::EngineDied));
                let log = server.log();
                ServerExit::read(Evidence { exit_code, oom_killed: false, deed, log })
            }
            Handle::Supervised(None) | Handle::Elsewhere => std::future::pending().await,
        }
    }

    /// The last lines of the server's log; nothing for a server elsewhere.
    pub fn log_tail(&self) -> Vec<String> {
        match &self.held {
            Handle::Supervised(Some(kept)) => kept.log_tail(),
            Handle::Simulated(server) => shown(server.log()),
            Handle::Supervised(None) | Handle::Elsewhere => Vec::new(),
        }
    }

    /// Stops the server, removes what belongs to it, checks that it is gone, and gives the hardware
    /// back. A server elsewhere stays up. Gives the GPUs that hold more memory than before it was
    /// started, with who holds it.
    ///
    /// When this future is dropped half way, the removal still goes on to its end.
    pub async fn stop(mut self) -> Result<Vec<String>, EngineError> {
        match &mut self.held {
            Handle::Supervised(kept) => match kept.take() {
                Some(kept) => kept.stop().await,
                None => Ok(Vec::new()),
            },
            Handle::Elsewhere | Handle::Simulated(_) => Ok(Vec::new()),
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
