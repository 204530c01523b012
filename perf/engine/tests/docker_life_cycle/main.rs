//! The life of a container with a real vLLM in it: it starts, dies, is killed, and in each case
//! leaves neither a container nor a lease behind.
//!
//! `PERF_TEST_IMAGE` names the image, which carries a small model at `/models/tiny` and serves it
//! on the CPU. One test at a time: each start takes half a minute and all the cores there are.

#![allow(clippy::unwrap_used, reason = "these are tests, which clippy does not see in a helper")]

mod at_start;
mod derived;
mod followed;
mod from_outside;
mod killed;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use perf_clock::Clock;
use perf_engine::{Engine, EngineError, Running};
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::model_location::ModelLocation;
use perf_model::spec::server::{Server, parse_arguments};
use perf_model::spec::settings::{Settings, Variant};

use support::{Place, block_on};

const ARGUMENTS: &[&str] = &[
    "--dtype=bfloat16",
    "--enforce-eager",
    "--max-model-len=2048",
    "--max-num-seqs=64",
    "--distributed-executor-backend=uni",
];

fn image() -> String {
    std::env::var("PERF_TEST_IMAGE").unwrap_or_else(|_| "vllm-cpu:0.32.0".to_owned())
}

/// The tests of one program run one at a time, with any number of test threads.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn config() -> Config {
    let model = ModelLocation { in_image: Some("/models/tiny".into()), ..ModelLocation::default() };
    let mut config = Config {
        start_timeout_s: 240,
        models: [("tiny".to_owned(), model)].into(),
        ..Config::default()
    };
    config.docker.shm_size_gib = 1;
    config
}

fn engine(place: &Place, config: &Config) -> Engine {
    let settings = Settings {
        engine: EngineKind::Docker,
        candidate: Variant { image: Some(image()), ..Variant::default() },
        ..Settings::default()
    };
    Engine::new(&settings, config).unwrap().with_lock_folder(place.locks())
}

fn server() -> Server {
    Server {
        model: "tiny".into(),
        arguments: parse_arguments(ARGUMENTS).unwrap(),
        ..Server::default()
    }
}

async fn start(engine: &Engine, server: &Server) -> Result<Running, EngineError> {
    start_logged(engine, server, None).await
}

async fn start_logged(
    engine: &Engine,
    server: &Server,
    log: Option<&Path>,
) -> Result<Running, EngineError> {
    let begun = Instant::now();
    let started =
        engine.start(server, 1, log, Clock::real(), &mut |step| eprintln!("{step}")).await;
    eprintln!(
        "{} after {:.1} s",
        if started.is_ok() { "ready" } else { "failed" },
        begun.elapsed().as_secs_f64()
    );
    started
}

fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().unwrap();
    assert!(
        output.status.success(),
        "docker {words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The containers whose lock file is in this place, in any state.
fn containers(place: &Place) -> Vec<String> {
    containers_of(place, &["--all"])
}

/// Those that run.
fn running_containers(place: &Place) -> Vec<String> {
    containers_of(place, &[])
}

fn containers_of(place: &Place, options: &[&str]) -> Vec<String> {
    let format = r#"{{.ID}} {{.Label "vllm-perf.lock"}}"#;
    let words = ["ps", "--filter", "label=vllm-perf=1", "--format", format];
    let all = docker(&[&words, options].concat());
    let ours = all
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, lock)| lock.starts_with(&path(place)));
    ours.map(|(id, _)| id.to_owned()).collect()
}

fn path(place: &Place) -> String {
    place.locks().display().to_string()
}

fn assert_nothing_left(place: &Place) {
    assert_eq!(containers(place), Vec::<String>::new());
    assert!(support::is_unlocked(&place.locks().join("cpu.lock")), "the lease is left");
    let runs = std::fs::read_dir(place.locks()).unwrap();
    let runs = runs
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("run-"));
    assert_eq!(runs.count(), 0, "a lock file of a run is left");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_server_starts_says_what_it_is_and_is_gone_after_its_stop() {
    let (_alone, place) = (alone(), Place::new());
    block_on(async {
        let file = place.path().join("start-1/server.log");
        let running =
            start_logged(&engine(&place, &config()), &server(), Some(&file)).await.unwrap();
        let fingerprint = running.fingerprint();
        assert_eq!(fingerprint.image, Some(image()));
        assert!(
            fingerprint.image_digest.as_ref().unwrap().starts_with("sha256:"),
            "{fingerprint:?}"
        );
        assert!(fingerprint.vllm.as_ref().unwrap().starts_with("0."), "{fingerprint:?}");
        assert!(fingerprint.hardware.starts_with("CPU: "), "{fingerprint:?}");
        let log = running.log_tail().join("\n");
        assert!(log.contains("Application startup complete."), "{log}");
        let ports = docker(&[
            "inspect",
            "--format",
            "{{json .NetworkSettings.Ports}}",
            &containers(&place)[0],
        ]);
        assert!(ports.contains(r#""HostIp":"127.0.0.1""#) && !ports.contains("0.0.0.0"), "{ports}");
        let begun = Instant::now();
        running.stop().await.unwrap();
        eprintln!("removed after {:.1} s", begun.elapsed().as_secs_f64());
        let kept = place.read("start-1/server.log");
        assert!(
            kept.starts_with(log.lines().next().unwrap())
                || kept.lines().count() > log.lines().count(),
            "{kept}"
        );
        assert!(kept.contains("Application startup complete."), "{kept}");
    });
    assert_nothing_left(&place);
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_model_of_this_machine_is_mounted_read_only_and_a_cache_is_kept() {
    let (_alone, place) = (alone(), Place::new());
    let created = docker(&["create", &image()]);
    docker(&[
        "cp",
        &format!("{}:/models/tiny", created.trim()),
        &place.folder("models").display().to_string(),
    ]);
    docker(&["rm", created.trim()]);
    let mut config = config();
    config.models.clear();
    config.models_folder = Some(place.path().join("models"));
    config.docker.caches = [(place.path().join("cache"), "/cache".into())].into();
    block_on(async {
        let running = start(&engine(&place, &config), &server()).await.unwrap();
        let container = &containers(&place)[0];
        docker(&["exec", container, "touch", "/cache/kept"]);
        let script = "touch /models/tiny/x 2>&1 || true";
        let refused = docker(&["exec", container, "sh", "-c", script]);
        assert!(refused.contains("Read-only file system"), "{refused}");
        running.stop().await.unwrap();
    });
    assert!(place.has("cache/kept"));
    assert_nothing_left(&place);
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_server_that_is_dropped_is_gone() {
    let (_alone, place) = (alone(), Place::new());
    let running = block_on(start(&engine(&place, &config()), &server())).unwrap();
    // Outside of any runtime, as when a test keeps it longer than its runtime.
    drop(running);
    assert_nothing_left(&place);
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_panic_leaves_nothing() {
    let (_alone, place) = (alone(), Place::new());
    let result = std::panic::catch_unwind(|| {
        block_on(async {
            let _running = start(&engine(&place, &config()), &server()).await.unwrap();
            panic!("in the middle");
        });
    });
    assert!(result.is_err());
    assert_nothing_left(&place);
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_start_that_is_abandoned_leaves_nothing() {
    let (_alone, place) = (alone(), Place::new());
    // Once as early as possible, and once when the container is there.
    for awaited in [0, 1] {
        block_on(async {
            let (engine, server) = (engine(&place, &config()), server());
            let far_enough = async {
                while containers(&place).len() < awaited {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                // The start comes first: one that was never begun has nothing to leave.
                biased;
                result = start(&engine, &server) => panic!("it started: {result:?}"),
                () = far_enough => {}
            }
        });
        assert_nothing_left(&place);
    }
}

/// A copy of this program looks for a daemon where none is, as a test cannot set variables of its
/// own process.
#[test]
fn a_daemon_that_is_not_there_is_reported() {
    const SOCKET: &str = "unix:///no/such/docker.sock";
    if std::env::var("DOCKER_HOST").as_deref() == Ok(SOCKET) {
        let place = Place::new();
        let error = block_on(start(&engine(&place, &config()), &server())).unwrap_err();
        assert!(matches!(error, EngineError::DockerUnavailable { .. }), "{error}");
        assert!(error.to_string().contains("/no/such/docker.sock"), "{error}");
        assert!(error.to_string().contains("DOCKER_HOST"), "{error}");
        return;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["a_daemon_that_is_not_there_is_reported", "--exact"])
        .env("DOCKER_HOST", SOCKET)
        .status()
        .unwrap();
    assert!(status.success());
}
