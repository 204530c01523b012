//! An image that serves vLLM, as a container through Docker. Main function: [`start`].

mod daemon;
mod ending;
mod image;
mod model_in_image;
mod reaper;
mod request;
mod stamp;
mod supervisor;
mod watcher;

use std::path::{Path, PathBuf};

use perf_clock::{Clock, Stamp};
use perf_machine::host::describe_cpu;
use perf_model::record::fingerprint::Fingerprint;
use perf_model::spec::config::Docker;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::image_reference;
use testcontainers::bollard::query_parameters::InspectContainerOptions;

use crate::engine_processes::EngineProcesses;
use crate::error::EngineError;
use crate::gpu;
use crate::launch_spec::LaunchSpec;
use crate::lease::Lease;
use crate::model_files;
use crate::models::{Files, Models};
use crate::process::{start_failed, wait};
use crate::readiness::Probe;
use crate::running::{Address, Handle, Running, ServerExit, SupervisedServer};
use crate::supervisor::ExitNotice;

use reaper::ContainerRun;
use request::Job;
use supervisor::ContainerSupervisor;

/// How to start a container.
#[derive(Debug)]
pub(crate) struct DockerEngine {
    /// The image under test; a test may pin another.
    pub(crate) image: String,
    pub(crate) docker: Docker,
    pub(crate) models: Models,
    pub(crate) start_timeout_s: u64,
}

/// A container that is about to run, and what it runs on.
struct Created {
    supervisor: ContainerSupervisor,
    death: ExitNotice,
    /// What the container is called.
    container: String,
    /// Where the image has its model, if it has it.
    model_in_image: Option<PathBuf>,
    /// The commit of a model of the hub.
    revision: Option<String>,
    daemon: testcontainers::bollard::Docker,
    name: String,
    digest: String,
    hardware: String,
    driver: Option<String>,
    begun: Stamp,
}

/// Begins to start a container of the image for a job.
async fn create(
    engine: &DockerEngine,
    spec: &LaunchSpec,
    lease: &Lease,
    (locks, clock): (&Path, Clock),
    job: Job<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<Created, EngineError> {
    let name = spec.server.image.clone().unwrap_or_else(|| engine.image.clone());
    image_reference::check(&name).map_err(EngineError::invalid)?;
    let files = engine.models.for_container(&spec.server.model)?;
    if let Files::Host(files) = &files {
        model_files::check(&files.path(), &spec.arguments("0.0.0.0", 0))?;
    }
    let daemon = daemon::connect().await?;
    for name in reaper::remove_orphans(&daemon).await? {
        progress(&format!(
            "warning: a run that was killed had left the container {name} behind; it was removed"
        ));
    }
    let image = image::find(&daemon, &name, progress).await?;
    let hardware =
        if lease.leased().is_empty() { describe_cpu() } else { gpu::describe_all(lease.leased()) };
    let driver = if lease.leased().is_empty() { None } else { gpu::driver() };

    progress(&match job {
        Job::Serve => format!("starting {name} on {hardware}"),
        Job::Offline(_) => format!("running `vllm bench throughput` of {name} on {hardware}"),
    });
    let mut run = ContainerRun::new(locks)?;
    if let Err(reason) = run.watch() {
        progress(&format!(
            "warning: {reason}, so the container stays until the next start if this run is killed by SIGKILL"
        ));
    }
    let request = request::build(&image, &files, &engine.docker, spec, lease.leased(), &run, job)?;
    let (model_in_image, revision) = match files {
        Files::InImage(folder) => (Some(folder), None),
        Files::Host(files) => (None, files.revision),
    };
    let (begun, container) = (clock.now(), run.name().to_owned());
    let (supervisor, death) = ContainerSupervisor::spawn(daemon.clone(), request, run, spec);
    Ok(Created {
        supervisor,
        death,
        container,
        model_in_image,
        revision,
        daemon,
        name,
        digest: image.digest,
        hardware,
        driver,
        begun,
    })
}

/// Runs `vllm bench throughput` with these options in place of the server, until it ends.
pub(crate) async fn run_offline(
    engine: &DockerEngine,
    spec: LaunchSpec,
    lease: Lease,
    options: &[String],
    at: (&Path, Clock),
    progress: &mut dyn FnMut(&str),
) -> Result<ServerExit, EngineError> {
    let job = Job::Offline(options);
    let Created { mut supervisor, mut death, .. } =
        create(engine, &spec, &lease, at, job, progress).await?;
    let started = supervisor.started();
    let kept = SupervisedServer::new(Box::new(supervisor), death.clone(), lease);
    started.await?;
    let ended = death.wait().await;
    kept.stop().await?;
    Ok(ended)
}

/// Starts the planned server and waits until it is ready.
pub(crate) async fn start(
    engine: &DockerEngine,
    spec: LaunchSpec,
    lease: Lease,
    (locks, clock): (&Path, Clock),
    progress: &mut dyn FnMut(&str),
) -> Result<Running, EngineError> {
    let created = create(engine, &spec, &lease, (locks, clock), Job::Serve, progress).await?;
    let Created { mut supervisor, mut death, begun, .. } = created;
    let started = supervisor.started();
    let gpu_settings = lease.settings();
    let kept = SupervisedServer::new(Box::new(supervisor), death.clone(), lease);
    let Some(port) = started.await? else {
        // It ended before anybody could look at its port.
        return Err(start_failed(EngineKind::Docker, death.wait().await));
    };
    if let Some(folder) = &created.model_in_image {
        let arguments = spec.arguments("0.0.0.0", 0);
        model_in_image::check(&created.daemon, &created.container, folder, &arguments).await?;
    }
    // Not what Docker calls its host: inside a container that is the gateway, where nothing of
    // 127.0.0.1 answers.
    let url = format!("http://127.0.0.1:{port}");
    let probe =
        Probe::new(&url).map_err(|reason| EngineError::Unreachable { url: url.clone(), reason })?;
    wait(&kept, &probe, &spec, engine.start_timeout_s, clock, progress).await?;
    let ready = clock.now().saturating_sub(begun);
    let (start_up, logged, compile_cache) = kept.started(ready, &spec.server.argument_words());
    let effective = logged.joined(probe.configuration().await).of_model(created.revision);
    let kept = kept.watching(engine_processes(&created.daemon, &created.container).await);

    let Created { name, digest, hardware, driver, .. } = created;
    let fingerprint = Fingerprint {
        hardware,
        driver,
        image: Some(name),
        image_digest: Some(digest),
        vllm: spec.version(&probe).await,
        effective: spec.redacted(&effective),
        gpu_settings,
        compile_cache,
        ..spec.fingerprint
    };
    let running = Running::new(Address::Url(url), fingerprint, Handle::Supervised(Some(kept)));
    Ok(running.started(start_up))
}

/// The processes of the engine in a container, where Docker runs on this machine.
async fn engine_processes(
    daemon: &testcontainers::bollard::Docker,
    container: &str,
) -> EngineProcesses {
    let seen = daemon.inspect_container(container, None::<InspectContainerOptions>).await;
    let id = seen.ok().and_then(|container| container.id);
    id.map(|id| EngineProcesses::of_container(&id)).unwrap_or_default()
}
