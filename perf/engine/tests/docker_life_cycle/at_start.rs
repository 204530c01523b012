//! Failures of a start, provoked on the real image: each has its name.

use std::net::TcpListener;
use std::path::Path;

use axum::Router;
use axum::http::{StatusCode, Uri};
use perf_engine::{EngineError, ServerFailure};
use perf_model::record::gpu_setup::GpuSetup;
use perf_model::spec::config::Config;
use perf_model::spec::server::{Server, parse_arguments};

use super::derived::{Derived, Fault, model};
use super::followed::failed_start;
use super::support::{self, Place, block_on};
use super::{alone, assert_nothing_left, config, engine, server, start_logged};

/// The failure of a start, of which nothing is left.
fn failure(place: &Place, config: &Config, server: &Server) -> (ServerFailure, EngineError) {
    let error = failed_start(place, &engine(place, config), server);
    assert_nothing_left(place);
    (error.failure().unwrap_or_else(|| panic!("it has no name: {error}")), error)
}

/// The server with more arguments.
fn with(arguments: &[&str]) -> Server {
    let mut server = server();
    for argument in parse_arguments(arguments).unwrap() {
        server.set_argument(argument);
    }
    server
}

/// The server with a variable.
fn with_variable(name: &str, value: &str) -> Server {
    let mut server = server();
    server.environment.insert(name.to_owned(), value.to_owned());
    server
}

/// The server by another image.
fn of_image(name: &str) -> Server {
    Server { image: Some(name.to_owned()), ..server() }
}

/// The configuration with the model of this machine in place of the image's.
fn with_model(folder: &Path) -> Config {
    let mut config = config();
    config.models.clear();
    config.models_folder = folder.parent().map(Path::to_owned);
    config
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn an_unknown_flag_is_reported() {
    let (_alone, place) = (alone(), Place::new());
    let file = place.path().join("start-1/server.log");
    let (engine, server) = (engine(&place, &config()), with(&["--no-such-flag=3"]));
    let error = block_on(start_logged(&engine, &server, Some(&file))).unwrap_err();
    let EngineError::StartFailed { kind, exit_code, oom_killed, cause, log, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!((*kind, *oom_killed), (ServerFailure::UnknownArgument, false), "{error}");
    // Its log proves it before it ends.
    assert!(matches!(exit_code, None | Some(2)), "{error}");
    assert!(cause.as_ref().unwrap().contains("--no-such-flag"), "{error}");
    assert_eq!(log.as_ref(), Some(&file));
    assert!(place.read("start-1/server.log").contains("unrecognized arguments: --no-such-flag"));
    let (name, _) = failure(&place, &config(), &server);
    assert_eq!(name, ServerFailure::UnknownArgument);
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_value_that_vllm_does_not_take_is_reported() {
    let (_alone, place) = (alone(), Place::new());
    let (name, error) = failure(&place, &config(), &with(&["--max-num-seqs=lots"]));
    assert_eq!(name, ServerFailure::BadArgument, "{error}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_context_beyond_the_models_is_reported() {
    let (_alone, place) = (alone(), Place::new());
    let (name, error) = failure(&place, &config(), &with(&["--max-model-len=1000000"]));
    assert_eq!(name, ServerFailure::ContextTooLong, "{error}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_kv_cache_that_does_not_fit_is_reported() {
    let (_alone, place) = (alone(), Place::new());
    let server = with_variable("VLLM_CPU_KVCACHE_SPACE", "1000");
    let (name, error) = failure(&place, &config(), &server);
    assert_eq!(name, ServerFailure::KvCacheTooSmall, "{error}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_failure_of_an_engine_in_a_process_of_its_own_is_reported() {
    let (_alone, place) = (alone(), Place::new());
    let mut server = with_variable("VLLM_CPU_KVCACHE_SPACE", "1000");
    server.environment.insert("VLLM_ENABLE_V1_MULTIPROCESSING".into(), "1".into());
    let (name, error) = failure(&place, &config(), &server);
    assert_eq!(name, ServerFailure::KvCacheTooSmall, "{error}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn an_image_without_the_model_is_reported() {
    let (_alone, place) = (alone(), Place::new());
    let mut config = config();
    config.models.get_mut("tiny").unwrap().in_image = Some("/models/no-such-model".into());
    let (name, error) = failure(&place, &config, &server());
    assert_eq!(name, ServerFailure::ModelMissing, "{error}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_damaged_model_of_this_machine_is_reported_before_a_container_starts() {
    let (_alone, faults) = (
        alone(),
        [
            (Fault::ConfigCorrupt, ServerFailure::ConfigCorrupt),
            (Fault::WeightsCut, ServerFailure::WeightsDamaged),
            (Fault::TokenizerMissing, ServerFailure::TokenizerMissing),
        ],
    );
    for (fault, expected) in faults {
        let place = Place::new();
        let model = model(&place);
        fault.put_into(&model);
        let (name, error) = failure(&place, &with_model(&model), &server());
        assert_eq!(name, expected, "{error}");
        assert!(matches!(error, EngineError::ModelUnusable { .. }), "{error}");
    }
}

/// The failure of an image whose model has a fault.
fn failure_of_image_with(fault: Fault) -> (ServerFailure, EngineError) {
    let place = Place::new();
    let model = model(&place);
    fault.put_into(&model);
    let broken = Derived::new("model", &[(&model, "/models/broken")], &[]);
    let mut config = config();
    config.models.get_mut("tiny").unwrap().in_image = Some("/models/broken".into());
    failure(&place, &config, &of_image(broken.name()))
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_corrupt_configuration_in_the_image_is_reported() {
    let _alone = alone();
    let (name, error) = failure_of_image_with(Fault::ConfigCorrupt);
    assert_eq!(name, ServerFailure::ConfigCorrupt, "{error}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn weights_that_are_cut_short_in_the_image_are_reported() {
    let _alone = alone();
    let (name, error) = failure_of_image_with(Fault::WeightsCut);
    assert_eq!(name, ServerFailure::WeightsDamaged, "{error}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_model_without_a_tokenizer_in_the_image_is_reported() {
    let _alone = alone();
    let (name, error) = failure_of_image_with(Fault::TokenizerMissing);
    assert_eq!(name, ServerFailure::TokenizerMissing, "{error}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn an_architecture_that_vllm_does_not_know_is_reported() {
    let _alone = alone();
    let (name, error) = failure_of_image_with(Fault::ArchitectureUnknown);
    assert_eq!(name, ServerFailure::UnsupportedModel, "{error}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_port_that_something_else_in_the_container_holds_is_reported() {
    let (_alone, place) = (alone(), Place::new());
    let script = "#!/bin/sh\npython3 -c 'import socket, time\ns = socket.socket()\ns.bind((\"0.0.0.0\", 8000))\n\
                  s.listen()\ntime.sleep(600)' &\nexec vllm \"$@\"\n";
    place.write("squatter", script);
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.path().join("squatter"), executable).unwrap();
    let squatter = place.path().join("squatter");
    let entrypoint = r#"ENTRYPOINT ["/squatter", "serve"]"#;
    let taken = Derived::new("port", &[(&squatter, "/squatter")], &[entrypoint]);
    let (name, error) = failure(&place, &config(), &of_image(taken.name()));
    assert_eq!(name, ServerFailure::PortTaken, "{error}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn an_entrypoint_that_is_no_file_is_reported() {
    let (_alone, place) = (alone(), Place::new());
    let bad = Derived::new("entrypoint", &[], &[r#"ENTRYPOINT ["/no/such/vllm", "serve"]"#]);
    let (name, error) = failure(&place, &config(), &of_image(bad.name()));
    assert_eq!(name, ServerFailure::BadEntrypoint, "{error}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn an_image_that_is_nowhere_is_named() {
    let (_alone, place) = (alone(), Place::new());
    // Nothing listens there, so there is nothing to wait for either.
    let (name, error) = failure(&place, &config(), &of_image("127.0.0.1:1/no/such-image:v1"));
    assert_eq!(name, ServerFailure::ImageMissing, "{error}");
    assert!(error.to_string().contains("`127.0.0.1:1/no/such-image:v1`"), "{error}");
}

/// The port of a registry that answers every question about an image so.
fn registry(status: StatusCode, code: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = move |uri: Uri| async move {
        if uri.path() == "/v2/" {
            return (StatusCode::OK, "{}".to_owned());
        }
        (status, format!(r#"{{"errors":[{{"code":"{code}","message":"{code} of {uri}"}}]}}"#))
    };
    std::thread::spawn(move || {
        block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, Router::new().fallback(answer)).await.unwrap();
        });
    });
    port
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn each_answer_of_a_registry_about_an_image_is_named() {
    let _alone = alone();
    for (status, code, expected) in [
        (StatusCode::FORBIDDEN, "DENIED", ServerFailure::PullDenied),
        (StatusCode::UNAUTHORIZED, "UNAUTHORIZED", ServerFailure::PullDenied),
        (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", ServerFailure::ImageMissing),
    ] {
        let place = Place::new();
        let image = format!("127.0.0.1:{}/vllm/private:v1", registry(status, code));
        let (name, error) = failure(&place, &config(), &of_image(&image));
        assert_eq!(name, expected, "{error}");
    }
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_gpu_without_the_nvidia_runtime_is_reported_and_no_container_is_left() {
    let (_alone, place) = (alone(), Place::new());
    let (uuid, name) = ("GPU-0".into(), "no such GPU".into());
    let gpu = GpuSetup { uuid, name, ..GpuSetup::default() };
    let server = Server { gpus: 1, ..server() };
    let engine = engine(&place, &config()).with_gpus(vec![gpu.into()]);
    let error = failed_start(&place, &engine, &server);
    assert!(matches!(error, EngineError::GpuRuntimeMissing { .. }), "{error}");
    assert_nothing_left(&place);
    assert!(support::is_unlocked(&place.locks().join("gpu-GPU-0.lock")));
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_server_that_the_kernel_kills_is_reported() {
    let (_alone, place) = (alone(), Place::new());
    let mut config = config();
    config.docker.memory_mib = Some(700);
    let (_, error) = failure(&place, &config, &server());
    let EngineError::StartFailed { kind, oom_killed, exit_code, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (*kind, *oom_killed, *exit_code),
        (ServerFailure::KilledByKernel, true, Some(137)),
        "{error}"
    );
}

/// A small disk in memory, which is full.
struct FullDisk(std::path::PathBuf);

impl FullDisk {
    fn at(folder: std::path::PathBuf) -> Self {
        let mount = ["-t", "tmpfs", "-o", "size=64k,nr_inodes=1", "tmpfs"];
        let status = std::process::Command::new("mount").args(mount).arg(&folder).status();
        assert!(status.unwrap().success(), "this test mounts a disk, which needs root");
        Self(folder)
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
#[ignore = "needs Docker, the image in PERF_TEST_IMAGE, and root"]
fn a_full_disk_is_reported() {
    let (_alone, place) = (alone(), Place::new());
    let disk = FullDisk::at(place.folder("full"));
    let mut config = config();
    config.docker.caches = [(disk.0.clone(), "/full".into())].into();
    // Where vLLM puts the sockets between its processes.
    let mut server = with_variable("VLLM_RPC_BASE_PATH", "/full");
    server.environment.insert("VLLM_ENABLE_V1_MULTIPROCESSING".into(), "1".into());
    let (name, error) = failure(&place, &config, &server);
    assert_eq!(name, ServerFailure::DiskFull, "{error}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_server_that_is_not_ready_in_time_is_reported() {
    let (_alone, place) = (alone(), Place::new());
    let config = Config { start_timeout_s: 3, ..config() };
    let (name, error) = failure(&place, &config, &server());
    assert_eq!(name, ServerFailure::NotReadyInTime, "{error}");
    assert!(matches!(error, EngineError::StartTimedOut { seconds: 3, .. }), "{error}");
}
