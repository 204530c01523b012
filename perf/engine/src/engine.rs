//! Brings servers up, by whichever engine the run asks for: [`Engine`].

mod leases;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use perf_clock::Clock;
use perf_machine::holder::Holder;
use perf_machine::{host, lock};
use perf_model::record::fingerprint::Fingerprint;
use perf_model::spec::compile_cache::CompileCacheConfig;
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::server::Server;
use perf_model::spec::settings::{Settings, Variant};
use perf_sim::Injection;

use crate::compile_cache::{self, CompileCacheFolder};
#[cfg(feature = "docker")]
use crate::docker::{self, DockerEngine};
use crate::error::EngineError;
use crate::gpu::{self, Gpu};
use crate::launch_spec::{LaunchSpec, UnderTest};
use crate::lease::Lease;
use crate::models::Models;
use crate::process::{self, ProcessEngine};
use crate::remote::Look;
use crate::running::{Running, ServerExit};
use crate::wanted::Wanted;
use crate::{remote, simulated};

/// Brings servers up, by the engine that a run asks for.
#[derive(Debug)]
pub struct Engine {
    under_test: UnderTest,
    how: How,
    gpus: Option<Vec<Gpu>>,
    locks: PathBuf,
    holder: Holder,
    /// How long to wait for hardware that is in use.
    wait: Duration,
    /// What a server is to find in its compile cache.
    compile_cache: CompileCacheConfig,
}

#[derive(Debug)]
enum How {
    #[cfg(feature = "docker")]
    Docker(DockerEngine),
    Process(ProcessEngine),
    Remote {
        url: String,
        look: Option<Look>,
    },
    Simulated {
        injection: Injection,
        session: u64,
    },
}

impl Engine {
    /// Reads what a run asks for, with its candidate under test. Touches neither Docker nor any
    /// hardware.
    pub fn new(settings: &Settings, config: &Config) -> Result<Self, EngineError> {
        Self::of(&settings.candidate, settings, config)
    }

    /// The same with another variant under test.
    pub fn of(
        variant: &Variant,
        settings: &Settings,
        config: &Config,
    ) -> Result<Self, EngineError> {
        let how = match settings.engine {
            #[cfg(not(feature = "docker"))]
            EngineKind::Docker => return Err(EngineError::feature_missing("docker", "Docker")),
            #[cfg(feature = "docker")]
            EngineKind::Docker => How::Docker(DockerEngine {
                image: variant.image.clone().unwrap_or_else(|| config.docker.image.clone()),
                docker: config.docker.clone(),
                models: Models::new(settings, config),
                start_timeout_s: config.start_timeout_s,
            }),
            EngineKind::Process => How::Process(ProcessEngine::new(variant, settings, config)?),
            EngineKind::Remote => {
                let message =
                    "the remote engine needs the address of a server; give one as http://HOST:PORT";
                let url = settings.url.clone().ok_or_else(|| EngineError::invalid(message))?;
                if !(variant.arguments.is_empty() && variant.environment.is_empty()) {
                    let message = "engine arguments and variables do nothing to a remote server, which is up already; start it \
                                   with them, and take them out here";
                    return Err(EngineError::invalid(message));
                }
                How::Remote { url, look: None }
            }
            EngineKind::Simulated => How::Simulated {
                injection: simulated::injection(variant.inject.as_deref())?,
                session: settings.noise,
            },
        };
        if variant.inject.is_some() && settings.engine != EngineKind::Simulated {
            let message = format!(
                "only the simulated engine shows faults on demand, and this is the {}",
                settings.engine
            );
            return Err(EngineError::invalid(format!("{message} engine; take the injection out")));
        }
        let run = settings.run_folder.as_ref().and_then(|folder| folder.file_name());
        let run = run.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut under_test = UnderTest::new(variant)?;
        if matches!(how, How::Process(_)) {
            under_test.server_command =
                config.process.server_command_of(variant).map(str::to_owned);
        }
        Ok(Self {
            under_test,
            how,
            gpus: None,
            locks: lock::folder(),
            holder: Holder::this_process().measuring(&run, ""),
            wait: settings.wait_s.map(Duration::from_secs).unwrap_or_default(),
            compile_cache: config.compile_cache.clone(),
        })
    }

    /// Looks at a server that is up already in this way, in place of a plain one without a key.
    #[must_use]
    pub fn with_look(mut self, by: Look) -> Self {
        if let How::Remote { look, .. } = &mut self.how {
            *look = Some(by);
        }
        self
    }

    /// Takes these GPUs for those of the machine, in place of what NVML lists. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_gpus(mut self, gpus: Vec<Gpu>) -> Self {
        self.gpus = Some(gpus);
        self
    }

    /// Takes this folder for that of the lock files, in place of the machine's: for tests, and for
    /// simulated GPUs, which each run has for itself.
    #[must_use]
    pub fn with_lock_folder(mut self, folder: PathBuf) -> Self {
        self.locks = folder;
        self
    }

    /// Says in the files of its locks that they are for this suite.
    #[must_use]
    pub fn for_suite(mut self, suite: &str) -> Self {
        self.holder = self.holder.for_suite(suite);
        self
    }

    /// Which engine this is.
    pub fn kind(&self) -> EngineKind {
        match self.how {
            #[cfg(feature = "docker")]
            How::Docker(_) => EngineKind::Docker,
            How::Process(_) => EngineKind::Process,
            How::Remote { .. } => EngineKind::Remote,
            How::Simulated { .. } => EngineKind::Simulated,
        }
    }

    /// Whether this machine has what the server needs; if not, why not.
    pub fn can_run(&self, server: &Server) -> Result<(), String> {
        if matches!(self.how, How::Remote { .. } | How::Simulated { .. }) || server.gpus == 0 {
            return Ok(());
        }
        self.check_discovery().map_err(|error| error.to_string())?;
        let available = Wanted::by(server).count(&self.gpus());
        if available < usize::from(server.gpus) {
            let plural = if server.gpus == 1 { "" } else { "s" };
            let needs = format!("needs {} GPU{plural}", server.gpus);
            let fault = gpu::fault().filter(|_| self.gpus.is_none());
            let why = fault.map_or_else(String::new, |fault| format!(": {fault}"));
            return Err(format!("{needs}, this machine has {available}{why}"));
        }
        Ok(())
    }

    /// Refuses a server that this engine cannot be asked for, such as one with an argument that the
    /// engine sets itself, or with the value of a secret among the settings.
    ///
    /// # Errors
    /// With what is wrong and what to do instead.
    pub fn check(&self, server: &Server) -> Result<(), EngineError> {
        LaunchSpec::new(self.kind(), server, &self.under_test).map(drop)
    }

    /// The folder of `baselines/` in which those of a server lie, as far as that is known before a
    /// start: not where it may lease GPUs of one kind or another.
    pub fn baseline_folder(&self, server: &Server) -> Option<String> {
        let hardware = match &self.how {
            How::Simulated { .. } => String::new(),
            How::Remote { url, .. } => remote::hardware(url).ok()?,
            _ if server.gpus == 0 => host::describe_cpu(),
            _ => {
                let gpus = self.gpus();
                let are_alike =
                    gpus.windows(2).all(|pair| pair[0].setup.name == pair[1].setup.name);
                gpu::describe_all(gpus.get(..usize::from(server.gpus)).filter(|_| are_alike)?)
            }
        };
        let fingerprint = LaunchSpec::new(self.kind(), server, &self.under_test).ok()?.fingerprint;
        Some(Fingerprint { hardware, ..fingerprint }.folder())
    }

    /// Leases the hardware, removes what a killed run left behind, starts the server and waits
    /// until it is ready.
    ///
    /// `start` counts from 1, and is part of the seed of a simulated server. The log of a server
    /// that is started here is kept in the file `log`, up to a limit; all of it is there after the
    /// server was stopped. When the future is dropped half way, all that was started is removed.
    pub async fn start(
        &self,
        server: &Server,
        start: u32,
        log: Option<&Path>,
        clock: Clock,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Running, EngineError> {
        self.start_on(None, server, start, log, clock, progress).await
    }

    /// The same on hardware that [`lease`](Self::lease) or [`lease_now`](Self::lease_now) gave for
    /// this server. Only an engine that starts servers on this machine uses it.
    pub async fn start_on(
        &self,
        lease: Option<Lease>,
        server: &Server,
        start: u32,
        log: Option<&Path>,
        clock: Clock,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Running, EngineError> {
        let running = self.start_once(lease, server, start, log, clock, progress).await?;
        if !compile_cache::was_filled(&self.compile_cache, running.fingerprint().compile_cache) {
            return Ok(running);
        }
        progress("this start filled the compile cache and is not measured; starting again");
        running.stop().await?;
        let running = self.start_once(None, server, start, log, clock, progress).await?;
        if compile_cache::was_filled(&self.compile_cache, running.fingerprint().compile_cache) {
            progress(
                "warning: the server compiled again with a filled compile cache, so its start is a cold one; its log says why",
            );
        }
        Ok(running)
    }

    async fn start_once(
        &self,
        lease: Option<Lease>,
        server: &Server,
        start: u32,
        log: Option<&Path>,
        clock: Clock,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Running, EngineError> {
        let mut spec = LaunchSpec::new(self.kind(), server, &self.under_test)?;
        spec.log = log.map(Path::to_owned);
        if clock.is_virtual() && self.kind() != EngineKind::Simulated {
            return Err(EngineError::invalid(format!(
                "the {} engine needs a real clock",
                self.kind()
            )));
        }
        match &self.how {
            How::Simulated { injection, session } => {
                simulated::start(spec, injection.clone(), simulated::seed(*session, start), clock)
                    .await
            }
            How::Remote { url, look } => remote::find(url, look.as_ref(), spec).await,
            #[cfg(feature = "docker")]
            How::Docker(engine) => {
                spec.read_secrets()?;
                spec.start_timeout_s = Some(engine.start_timeout_s);
                let lease = self.lease_unless(lease, server, clock, progress).await?;
                spec.compile_cache =
                    CompileCacheFolder::in_container(&self.compile_cache, &spec.server)?;
                docker::start(engine, spec, lease, (&self.locks, clock), progress).await
            }
            How::Process(engine) => {
                spec.read_secrets()?;
                spec.start_timeout_s = Some(engine.start_timeout_s);
                let lease = self.lease_unless(lease, server, clock, progress).await?;
                spec.compile_cache =
                    CompileCacheFolder::of_process(&self.compile_cache, &spec.server, log)?;
                process::start(engine, spec, lease, clock, progress).await
            }
        }
    }

    /// Runs `vllm bench throughput` with these options, and the server's model and engine arguments,
    /// in place of a server: the same image or command on hardware that is leased for it. Gives how it
    /// ended, with the end of its log; all of that is kept in the file `log`.
    ///
    /// # Errors
    /// Where the engine has no such command to run, or it could not be run.
    pub async fn run_offline(
        &self,
        server: &Server,
        options: &[String],
        log: &Path,
        clock: Clock,
        progress: &mut dyn FnMut(&str),
    ) -> Result<ServerExit, EngineError> {
        let mut spec = LaunchSpec::new(self.kind(), server, &self.under_test)?;
        spec.log = Some(log.to_owned());
        match &self.how {
            How::Simulated { .. } | How::Remote { .. } => Err(EngineError::invalid(format!(
                "the {} engine cannot run `vllm bench throughput`; use the docker or the process engine",
                self.kind()
            ))),
            #[cfg(feature = "docker")]
            How::Docker(engine) => {
                spec.read_secrets()?;
                let lease = self.lease(server, clock, progress).await?;
                spec.compile_cache =
                    CompileCacheFolder::in_container(&self.compile_cache, &spec.server)?;
                docker::run_offline(engine, spec, lease, options, (&self.locks, clock), progress)
                    .await
            }
            How::Process(engine) => {
                spec.read_secrets()?;
                let lease = self.lease(server, clock, progress).await?;
                spec.compile_cache =
                    CompileCacheFolder::of_process(&self.compile_cache, &spec.server, Some(log))?;
                progress(&format!("running `{} bench throughput`", engine.vllm.display()));
                process::run_offline(engine, spec, lease, options).await
            }
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())
    }
}
