//! A `vllm serve`, or another server by its own command line, as a process of this machine. Main
//! function: [`start`].

mod listener;
mod oom_kills;
mod process_group;
mod supervisor;
mod template;

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use perf_clock::Clock;
use perf_machine::host::describe_cpu;
use perf_model::record::fingerprint::Fingerprint;
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::settings::{Settings, Variant};

use crate::engine_processes::EngineProcesses;
use crate::error::EngineError;
use crate::gpu;
use crate::launch_spec::LaunchSpec;
use crate::lease::Lease;
use crate::log::shown;
use crate::model_files;
use crate::models::Models;
use crate::readiness::{NotReady, Probe};
use crate::running::{Address, Handle, Running, ServerExit, SupervisedServer};

use process_group::Members;
use supervisor::ProcessSupervisor;
use template::{Template, Values};

/// The only address the server listens on.
const HOST: &str = "127.0.0.1";

/// Between two looks at who listens on the port.
const LOOK: Duration = Duration::from_secs(1);

/// How to start a server.
#[derive(Debug)]
pub(crate) struct ProcessEngine {
    pub(crate) vllm: PathBuf,
    /// The command line of another server, in place of `vllm serve`.
    server_command: Option<Template>,
    models: Models,
    pub(crate) start_timeout_s: u64,
}

impl ProcessEngine {
    /// For a variant, with what `perf.toml` says where that leaves something open.
    pub(crate) fn new(
        variant: &Variant,
        settings: &Settings,
        config: &Config,
    ) -> Result<Self, EngineError> {
        let command = config.process.server_command_of(variant).map(Template::parse).transpose();
        Ok(Self {
            vllm: variant.vllm.clone().unwrap_or_else(|| config.process.vllm.clone()),
            server_command: command.map_err(EngineError::invalid)?,
            models: Models::new(settings, config),
            start_timeout_s: config.start_timeout_s,
        })
    }
}

/// Starts the planned server and waits until it is ready.
pub(crate) async fn start(
    engine: &ProcessEngine,
    spec: LaunchSpec,
    lease: Lease,
    clock: Clock,
    progress: &mut dyn FnMut(&str),
) -> Result<Running, EngineError> {
    let cold_cache = spec.compile_cache.cold();
    let port = free_port()?;
    let CommandLine { program, words, revision } = command_line(engine, &spec, port, progress)?;
    let url = format!("http://{HOST}:{port}");
    let hardware =
        if lease.leased().is_empty() { describe_cpu() } else { gpu::describe_all(lease.leased()) };
    let driver = if lease.leased().is_empty() { None } else { gpu::driver() };
    let gpu_settings = lease.settings();
    let command = command(&program, words, &spec, &lease);

    progress(&format!("starting {} on {hardware}", program.display()));
    let begun = clock.now();
    let (supervisor, death) = ProcessSupervisor::spawn(command, &spec.secrets, spec.log.clone())
        .map_err(|reason| match &engine.server_command {
            Some(_) => EngineError::CommandNotFound { command: program.clone(), reason },
            None => EngineError::VllmNotFound { vllm: program.clone(), reason },
        })?;
    let members = supervisor.members();
    let server = || members.as_ref().map(Members::with_descendants);
    let foreign = || listener::foreign(port, &server()?);
    let kept = SupervisedServer::new(Box::new(supervisor), death, lease).compiling_in(cold_cache);
    let probe =
        Probe::new(&url).map_err(|reason| EngineError::Unreachable { url: url.clone(), reason })?;
    let taken = async {
        loop {
            clock.sleep(LOOK).await;
            if let Some(holder) = foreign() {
                return holder;
            }
        }
    };
    tokio::select! {
        ready = wait(&kept, &probe, &spec, engine.start_timeout_s, clock, progress) => ready?,
        holder = taken => return Err(EngineError::PortTaken { port, holder }),
    }
    let ready = clock.now().saturating_sub(begun);
    let (start_up, logged, compile_cache) = kept.started(ready, &spec.server.argument_words());
    let effective = logged.joined(probe.configuration().await).of_model(revision);
    // The server that answered must be the one that was started here, or another one is measured.
    if let Some(holder) = foreign() {
        return Err(EngineError::PortTaken { port, holder });
    }
    let kept = kept.watching(EngineProcesses::among(server().unwrap_or_default()));

    let fingerprint = Fingerprint {
        hardware,
        driver,
        vllm: spec.version(&probe).await,
        effective: spec.redacted(&effective),
        gpu_settings,
        compile_cache,
        ..spec.fingerprint
    };
    let running = Running::new(Address::Url(url), fingerprint, Handle::Supervised(Some(kept)));
    Ok(running.started(start_up))
}

/// How a server is started.
struct CommandLine {
    program: PathBuf,
    words: Vec<String>,
    /// The commit of its model, of one of the hub.
    revision: Option<String>,
}

fn command_line(
    engine: &ProcessEngine,
    spec: &LaunchSpec,
    port: u16,
    progress: &mut dyn FnMut(&str),
) -> Result<CommandLine, EngineError> {
    let Some(template) = &engine.server_command else {
        let files = engine.models.on_host(&spec.server.model)?;
        let model = files.path();
        model_files::check(&model, &spec.arguments(HOST, 0))?;
        let mut words = vec!["serve".to_owned(), model.display().to_string()];
        words.extend(spec.arguments(HOST, port));
        let program = command_of(&engine.vllm)?;
        return Ok(CommandLine { program, words, revision: files.revision });
    };
    // Other servers read other files than vLLM, and have their own words for what is wrong with them.
    let (model, revision) = if template.needs_model() {
        let files = engine.models.file_or_folder(&spec.server.model)?;
        (files.path().display().to_string(), files.revision)
    } else {
        (String::new(), None)
    };
    let arguments = spec.server.argument_words();
    if !arguments.is_empty() && !template.takes_arguments() {
        progress(&format!(
            "warning: the server command has no {{args}}, so these engine arguments are not handed on: {}",
            arguments.join(" ")
        ));
    }
    let name = &spec.server.model;
    let values = Values { model: &model, name, host: HOST, port, arguments: &arguments };
    let mut words = template.words(values).into_iter();
    let program = words.next().map(PathBuf::from).unwrap_or_default();
    Ok(CommandLine { program, words: words.collect(), revision })
}

/// Runs `vllm bench throughput` with these options in place of the server, until it ends.
pub(crate) async fn run_offline(
    engine: &ProcessEngine,
    spec: LaunchSpec,
    lease: Lease,
    options: &[String],
) -> Result<ServerExit, EngineError> {
    if engine.server_command.is_some() {
        let message =
            "another server than vLLM has no `vllm bench throughput`; leave out --cross-check";
        return Err(EngineError::invalid(message));
    }
    let cold_cache = spec.compile_cache.cold();
    let model = engine.models.on_host(&spec.server.model)?.path();
    model_files::check(&model, &spec.arguments(HOST, 0))?;
    let vllm = command_of(&engine.vllm)?;
    let words = spec.offline_words(&model.display().to_string(), options);
    let command = command(&vllm, words, &spec, &lease);
    let (supervisor, mut death) =
        ProcessSupervisor::spawn(command, &spec.secrets, spec.log.clone())
            .map_err(|reason| EngineError::VllmNotFound { vllm, reason })?;
    let kept = SupervisedServer::new(Box::new(supervisor), death.clone(), lease);
    let kept = kept.compiling_in(cold_cache);
    let ended = death.wait().await;
    kept.stop().await?;
    Ok(ended)
}

/// Waits until a server that was started here is ready. On an error the caller drops, and thereby
/// removes, it.
pub(crate) async fn wait(
    kept: &SupervisedServer,
    probe: &Probe,
    spec: &LaunchSpec,
    limit_s: u64,
    clock: Clock,
    progress: &mut dyn FnMut(&str),
) -> Result<(), EngineError> {
    let limit = Duration::from_secs(limit_s);
    let mut death = kept.death();
    let doing = || kept.doing();
    let ready = tokio::select! {
        ready = probe.wait_until_ready(&mut death, limit, clock, &doing, progress) => ready,
        (log, kind) = kept.failed_start(clock) => {
            let death = ServerExit {
                exit_code: None,
                oom_killed: false,
                cause: kind.cause(&log).map(str::to_owned),
                log_tail: shown(&log),
                log: None,
                kind,
            };
            Err(NotReady::Died(death.logged(spec.log.as_deref())))
        }
    };
    match ready {
        Ok(()) => Ok(()),
        Err(NotReady::Died(death)) => Err(start_failed(spec.fingerprint.engine, death)),
        Err(NotReady::TimedOut) => {
            let log_tail = shown(&kept.log_tail());
            let log = spec.log.clone().filter(|_| !log_tail.is_empty());
            Err(EngineError::StartTimedOut { seconds: limit_s, log_tail, log })
        }
    }
}

/// The error of a server that died before it was ready.
pub(crate) fn start_failed(engine: EngineKind, death: ServerExit) -> EngineError {
    let ServerExit { exit_code, oom_killed, cause, log_tail, log, kind } = death;
    EngineError::StartFailed { engine, kind, exit_code, oom_killed, cause, log_tail, log }
}

/// The command itself, where the folder of its virtual environment was named.
fn command_of(vllm: &Path) -> Result<PathBuf, EngineError> {
    if vllm.to_str().is_some_and(|words| words.ends_with(" serve")) {
        let message = format!(
            "`{}` is a command with arguments; leave out `serve`, which is added",
            vllm.display()
        );
        return Err(EngineError::invalid(message));
    }
    let inside = vllm.join("bin/vllm");
    Ok(if inside.is_file() { inside } else { vllm.to_owned() })
}

/// The PATH with the folder of a command first that was named by its path, as if its virtual
/// environment were active: vLLM compiles kernels with the `ninja` in the same folder.
fn path_for(vllm: &Path) -> Option<OsString> {
    let folder = vllm.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    let folder = std::path::absolute(folder).ok()?;
    let before = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&before))).ok()
}

fn command(vllm: &Path, words: Vec<String>, spec: &LaunchSpec, lease: &Lease) -> Command {
    let mut command = Command::new(vllm);
    command.args(words);
    if let Some(path) = path_for(vllm) {
        command.env("PATH", path);
    }
    // The user has set it for another server; with it, this one would refuse every request.
    command.env_remove("VLLM_API_KEY");
    command.envs(spec.variables());
    // Numbers, in the order of the PCI bus that NVML counts in: not every vLLM reads UUIDs here. A
    // server on the CPU is shown no GPU at all.
    let numbers: Vec<String> =
        lease.leased().iter().map(|gpu| gpu.setup.index.to_string()).collect();
    command.env("CUDA_DEVICE_ORDER", "PCI_BUS_ID").env("CUDA_VISIBLE_DEVICES", numbers.join(","));
    command
}

/// A port that is free now. Another process may take it before the server does; the start then
/// fails and names that process.
fn free_port() -> Result<u16, EngineError> {
    TcpListener::bind((HOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| {
            EngineError::invalid(format!("no port of {HOST} can be listened on: {error}"))
        })
}
