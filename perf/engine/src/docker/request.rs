//! What Docker is asked to create. Main function: [`build`].

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use perf_model::spec::config::{Docker, Ipc};
use testcontainers::bollard::models::{DeviceRequest, HostConfig, PortBinding};
use testcontainers::core::{AccessMode, IntoContainerPort, Mount};
use testcontainers::{ContainerRequest, GenericImage, ImageExt};

use super::image::Image;
use super::reaper::ContainerRun;
use crate::compile_cache::{Mounted, made};
use crate::error::EngineError;
use crate::gpu::Gpu;
use crate::launch_spec::LaunchSpec;
use crate::models::Files;

/// Where vLLM listens inside the container.
pub(super) const PORT: u16 = 8000;

/// How long Docker may take to start a container that exists; the server's own start is timed
/// elsewhere.
const CREATION: Duration = Duration::from_mins(5);

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// What the container runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Job<'a> {
    /// The server, by the image's own entrypoint.
    Serve,
    /// `vllm bench throughput` with these options.
    Offline(&'a [String]),
}

/// The container that is to be created. It never joins Docker's own waiting: that does not notice a
/// dead container.
pub(super) fn build(
    image: &Image,
    files: &Files,
    config: &Docker,
    spec: &LaunchSpec,
    gpus: &[Gpu],
    run: &ContainerRun,
    job: Job<'_>,
) -> Result<ContainerRequest<GenericImage>, EngineError> {
    let inside = format!("/models/{}", spec.server.model);
    let (path, mount) = match files {
        Files::InImage(path) => (path.display().to_string(), None),
        Files::Host(files) => {
            let path = Path::new(&inside).join(&files.within);
            let path = path.display().to_string().trim_end_matches('/').to_owned();
            (path, Some(bind(&files.folder, &inside).with_access_mode(AccessMode::ReadOnly)))
        }
    };
    let created =
        GenericImage::new(image.name.clone(), image.tag.clone()).with_exposed_port(PORT.tcp());
    let (created, words): (_, Vec<String>) = match job {
        Job::Serve => {
            let model = image.entrypoint.model(&path).into_iter();
            (created, model.chain(spec.arguments("0.0.0.0", PORT)).collect())
        }
        Job::Offline(options) => {
            (created.with_entrypoint("vllm"), spec.offline_words(&path, options))
        }
    };
    let mut request = created
        .with_cmd(words)
        .with_labels(run.labels())
        .with_container_name(run.name())
        .with_startup_timeout(CREATION);
    for (name, value) in spec.variables() {
        request = request.with_env_var(name, value);
    }
    let compiled = spec.compile_cache.mount().map(|(what, inside)| kept(what, inside));
    for mount in mount.into_iter().chain(caches(config)?).chain(compiled) {
        request = request.with_mount(mount);
    }
    if !gpus.is_empty() {
        request = request.with_device_requests(vec![devices(gpus)]);
    }
    let settings = HostSettings {
        ipc: config.ipc,
        shm_bytes: bytes(config.shm_size_gib, GIB),
        memory_bytes: config.memory_mib.map(|mib| bytes(mib, MIB)),
    };
    Ok(request.with_host_config_modifier(move |host| settings.apply(host)))
}

/// What testcontainers has no method for, or a method that publishes the port to the whole network.
#[derive(Clone, Copy, Debug)]
struct HostSettings {
    ipc: Ipc,
    shm_bytes: i64,
    memory_bytes: Option<i64>,
}

impl HostSettings {
    fn apply(self, host: &mut HostConfig) {
        let binding =
            PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(String::new()) };
        host.publish_all_ports = Some(false);
        host.port_bindings = Some(HashMap::from([(format!("{PORT}/tcp"), Some(vec![binding]))]));
        // The server is no init: without one, its workers' orphans would stay as zombies and
        // signals would not reach it.
        host.init = Some(true);
        match self.ipc {
            Ipc::Host => host.ipc_mode = Some("host".to_owned()),
            Ipc::Private => {
                host.ipc_mode = Some("private".to_owned());
                host.shm_size = Some(self.shm_bytes);
            }
        }
        host.memory = self.memory_bytes;
        // The same as the memory means no swap: a server that swaps is not worth measuring.
        host.memory_swap = self.memory_bytes;
    }
}

fn devices(gpus: &[Gpu]) -> DeviceRequest {
    DeviceRequest {
        device_ids: Some(gpus.iter().map(|gpu| gpu.setup.uuid.clone()).collect()),
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        ..DeviceRequest::default()
    }
}

/// The folders for caches. They are made here, as Docker would not make them for this kind of
/// mount.
fn caches(config: &Docker) -> Result<Vec<Mount>, EngineError> {
    let mount = |(host, inside): (&std::path::PathBuf, &std::path::PathBuf)| {
        Ok(bind(&made(host)?, &inside.display().to_string()))
    };
    config.caches.iter().map(mount).collect()
}

/// The mount of a warm compile cache.
fn kept(what: &Mounted, inside: &Path) -> Mount {
    match what {
        Mounted::Volume(name) => Mount::volume_mount(*name, inside.display().to_string()),
        Mounted::Folder(folder) => bind(folder, &inside.display().to_string()),
    }
}

fn bind(host: &Path, inside: &str) -> Mount {
    Mount::bind_mount(host.display().to_string(), inside)
}

fn bytes(count: u64, unit: u64) -> i64 {
    i64::try_from(count.saturating_mul(unit)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use perf_model::record::gpu_setup::GpuSetup;
    use perf_model::spec::engine_kind::EngineKind;
    use perf_model::spec::server::Server;

    use super::super::image::Entrypoint;
    use super::*;
    use crate::launch_spec::UnderTest;
    use crate::models::HostFiles;

    fn build_for(config: &Docker, gpus: &[Gpu]) -> ContainerRequest<GenericImage> {
        let folder = tempfile::tempdir().unwrap();
        let image = Image {
            name: "vllm/vllm-openai".into(),
            tag: "v0.32.0".into(),
            digest: "sha256:aa".into(),
            entrypoint: Entrypoint::Serve,
        };
        let server = Server { model: "tiny".into(), ..Server::default() };
        let spec = LaunchSpec::new(EngineKind::Docker, &server, &UnderTest::default()).unwrap();
        let run = ContainerRun::new(folder.path()).unwrap();
        let files = HostFiles { folder: "/data/tiny".into(), within: "".into(), revision: None };
        let files = Files::Host(files);
        build(&image, &files, config, &spec, gpus, &run, Job::Serve).unwrap()
    }

    #[test]
    fn the_model_is_mounted_read_only_and_served_from_there() {
        let request = build_for(&Docker::default(), &[]);
        let words: Vec<String> = request.cmd().map(|word| word.to_string()).collect();
        assert_eq!(
            words.join(" "),
            "/models/tiny --served-model-name tiny --host 0.0.0.0 --port 8000"
        );
        let mounts: Vec<&Mount> = request.mounts().collect();
        assert_eq!(mounts.len(), 1);
        assert_eq!(mounts[0].source(), Some("/data/tiny"));
        assert_eq!(mounts[0].target(), Some("/models/tiny"));
        assert_eq!(mounts[0].access_mode(), AccessMode::ReadOnly);
    }

    #[test]
    fn the_leased_gpus_are_named_and_without_any_there_is_no_request_for_one() {
        assert!(build_for(&Docker::default(), &[]).device_requests().is_none());
        let gpu = GpuSetup { index: 2, uuid: "GPU-2".into(), ..GpuSetup::default() };
        let request = build_for(&Docker::default(), &[gpu.into()]);
        let devices = request.device_requests().unwrap();
        assert_eq!(devices[0].device_ids.as_deref().unwrap(), ["GPU-2"]);
        assert_eq!(devices[0].driver, None);
    }

    #[test]
    fn the_port_is_published_on_the_loopback_address_alone() {
        let mut host = HostConfig { publish_all_ports: Some(true), ..HostConfig::default() };
        let settings = HostSettings {
            ipc: Ipc::Private,
            shm_bytes: bytes(16, GIB),
            memory_bytes: Some(bytes(700, MIB)),
        };
        settings.apply(&mut host);
        assert_eq!(host.publish_all_ports, Some(false));
        let bindings = host.port_bindings.unwrap();
        let binding = &bindings["8000/tcp"].as_ref().unwrap()[0];
        assert_eq!(binding.host_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!((host.shm_size, host.memory), (Some(17_179_869_184), Some(734_003_200)));
        assert_eq!(host.memory_swap, host.memory);
    }
}
