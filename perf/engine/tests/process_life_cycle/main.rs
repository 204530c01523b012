//! The life of a server process, with a script in place of `vllm`: it starts, answers, dies, hangs,
//! and in each case leaves neither a process nor a lease behind.

#![allow(clippy::unwrap_used, reason = "these are tests, which clippy does not see in a helper")]

mod compile_cache;
mod offline;
mod other_servers;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use perf_clock::Clock;
use perf_engine::{Address, Engine, EngineError, Running, ServerFailure};
use perf_model::record::gpu_setup::GpuSetup;
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::server::{Argument, Server, parse_arguments};
use perf_model::spec::settings::{Settings, Variant};

use support::{Place, block_on, wait_until};

/// Set for the copy of this test program that is to be killed while its server runs.
const VICTIM: &str = "PERF_TEST_VICTIM";

/// A server that behaves so, and an engine for it.
fn stand_in(place: &Place, behaviour: &str) -> (Engine, Server) {
    stand_in_of(place, stand_in_command(), behaviour)
}

fn stand_in_command() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_in/vllm")
}

/// The same by another name of its command.
fn stand_in_of(place: &Place, command: PathBuf, behaviour: &str) -> (Engine, Server) {
    let start_timeout_s = if behaviour == "hang" { 1 } else { 60 };
    by_config(place, command, behaviour, &Config { start_timeout_s, ..Config::default() })
}

/// The same by another configuration.
fn by_config(
    place: &Place,
    command: PathBuf,
    behaviour: &str,
    config: &Config,
) -> (Engine, Server) {
    let settings = Settings {
        engine: EngineKind::Process,
        candidate: vllm(command),
        models: [("tiny".to_owned(), place.folder("model"))].into(),
        ..Settings::default()
    };
    let server = Server {
        model: "tiny".into(),
        arguments: vec![Argument { flag: "--stand-in".into(), value: Some(behaviour.into()) }],
        environment: [("STAND_IN_FOLDER".to_owned(), place.path().display().to_string())].into(),
        ..Server::default()
    };
    (Engine::new(&settings, config).unwrap().with_lock_folder(place.locks()), server)
}

async fn start(engine: &Engine, server: &Server) -> Result<Running, EngineError> {
    start_logged(engine, server, None).await
}

async fn start_logged(
    engine: &Engine,
    server: &Server,
    log: Option<&Path>,
) -> Result<Running, EngineError> {
    engine.start(server, 1, log, Clock::real(), &mut |_| {}).await
}

/// The server and its worker are gone, and the CPU can be leased again.
fn assert_nothing_left(place: &Place) {
    for process in place.processes() {
        assert!(!support::is_alive(process), "process {process} is left");
    }
    assert!(support::is_unlocked(&place.locks().join("cpu.lock")), "the lease is left");
}

#[test]
fn a_server_starts_says_what_it_is_and_is_gone_after_its_stop() {
    let place = Place::new();
    let (engine, server) = stand_in(&place, "serve");
    block_on(async {
        let running = start(&engine, &server).await.unwrap();
        let Address::Url(url) = running.address() else { panic!("a process answers over HTTP") };
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        let fingerprint = running.fingerprint();
        assert_eq!(fingerprint.engine, EngineKind::Process);
        assert_eq!(fingerprint.vllm.as_deref(), Some("0.32.0"));
        assert!(fingerprint.hardware.starts_with("CPU: "), "{}", fingerprint.hardware);
        assert_eq!((&fingerprint.image, &fingerprint.driver), (&None, &None));
        assert_eq!(running.log_tail(), ["INFO starting with nothing to tell"]);
        assert!(support::is_alive(place.processes()[0]));
        assert!(!support::is_unlocked(&place.locks().join("cpu.lock")));
        running.stop().await.unwrap();
    });
    assert_nothing_left(&place);
    let arguments = place.read("arguments");
    assert!(
        arguments.starts_with("serve\n/") && arguments.contains("--served-model-name\ntiny\n"),
        "{arguments}"
    );
    let environment = place.read("environment");
    assert!(
        environment.contains("HF_HUB_OFFLINE=1") && environment.contains("VLLM_NO_USAGE_STATS=1")
    );
    assert!(environment.contains("VLLM_ENGINE_READY_TIMEOUT_S=60"), "vLLM's own limit is ours");
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand_in:");
    let path = environment.lines().find(|line| line.starts_with("PATH=")).unwrap();
    assert!(path.contains(beside), "what lies beside `vllm` is not found: {path}");
    assert!(
        environment.lines().any(|line| line == "CUDA_VISIBLE_DEVICES="),
        "a server on the CPU sees no GPU"
    );
}

#[test]
fn a_secret_reaches_the_server_and_is_in_no_log_of_it() {
    let place = Place::new();
    let (engine, mut server) = stand_in(&place, "tell");
    // It stands in for a secret, as it is set everywhere and a test cannot set variables of its own
    // process.
    server.secrets = vec!["HOME".into()];
    let log = place.path().join("start-1/server.log");
    let error = block_on(start_logged(&engine, &server, Some(&log))).unwrap_err();
    let EngineError::StartFailed { log_tail, .. } = &error else { panic!("{error}") };
    assert_eq!(log_tail, &["INFO starting with HOME=[secret]"]);
    assert_eq!(place.read("start-1/server.log"), "INFO starting with HOME=[secret]\n");
    assert!(place.read("environment").contains(&std::env::var("HOME").unwrap()));
}

#[test]
fn a_wrong_argument_is_reported_with_exit_code_and_log() {
    let place = Place::new();
    let (engine, server) = stand_in(&place, "usage");
    let log = place.path().join("start-1/server.log");
    let error = block_on(start_logged(&engine, &server, Some(&log))).unwrap_err();
    assert!(
        error.to_string().ends_with(&format!("all of its log is in {}", log.display())),
        "{error}"
    );
    assert_eq!(place.read("start-1/server.log").lines().count(), 3);
    let EngineError::StartFailed { kind, exit_code, oom_killed, cause, log_tail, .. } = error
    else {
        panic!("{error}")
    };
    assert_eq!((kind, oom_killed), (ServerFailure::UnknownArgument, false));
    // Its log proves it, perhaps before it has ended.
    assert!(matches!(exit_code, None | Some(2)), "{exit_code:?}");
    assert_eq!(cause.as_deref(), Some("vllm: error: unrecognized arguments: --no-such-flag 3"));
    assert_eq!(log_tail.len(), 3);
    assert_nothing_left(&place);
}

#[test]
fn a_worker_that_outlives_its_server_is_ended_too() {
    let place = Place::new();
    let (engine, server) = stand_in(&place, "orphan");
    let error = block_on(start(&engine, &server)).unwrap_err();
    assert!(matches!(error, EngineError::StartFailed { exit_code: Some(1), .. }), "{error}");
    assert_nothing_left(&place);
}

#[test]
fn a_server_that_hangs_is_given_up_and_ended() {
    let place = Place::new();
    let (engine, server) = stand_in(&place, "hang");
    let error = block_on(start(&engine, &server)).unwrap_err();
    assert!(matches!(error, EngineError::StartTimedOut { seconds: 1, .. }), "{error}");
    assert_nothing_left(&place);
}

#[test]
fn a_process_that_took_the_port_is_named_and_not_measured() {
    let place = Place::new();
    let (engine, server) = stand_in(&place, "late");
    let error = block_on(async {
        let other = async {
            while !place.has("started") {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            let arguments = place.read("arguments");
            let port = arguments.lines().skip_while(|word| *word != "--port").nth(1).unwrap();
            let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await;
            let healthy = axum::Router::new().fallback(|| async { "{}" });
            axum::serve(listener.unwrap(), healthy).await.unwrap();
        };
        tokio::select! {
            started = start(&engine, &server) => started.unwrap_err(),
            () = other => unreachable!("it serves until it is dropped"),
        }
    });
    let EngineError::PortTaken { holder, .. } = &error else { panic!("{error}") };
    assert!(holder.contains(&format!("process {} (", std::process::id())), "{error}");
    assert_nothing_left(&place);
}

#[test]
fn a_death_in_the_middle_is_reported() {
    let place = Place::new();
    let (engine, server) = stand_in(&place, "serve");
    let death = block_on(async {
        let mut running = start(&engine, &server).await.unwrap();
        let Address::Url(url) = running.address() else { panic!("a process answers over HTTP") };
        let mut connection =
            std::net::TcpStream::connect(url.trim_start_matches("http://")).unwrap();
        write!(connection, "GET /die HTTP/1.0\r\n\r\n").unwrap();
        let death = running.died().await;
        running.stop().await.unwrap();
        death
    });
    assert_eq!((death.exit_code, death.oom_killed), (Some(7), false));
    assert_eq!(death.log_tail, ["INFO starting with nothing to tell"]);
    assert_nothing_left(&place);
}

#[test]
fn a_server_that_is_dropped_is_gone() {
    let place = Place::new();
    let (engine, server) = stand_in(&place, "serve");
    let running = block_on(start(&engine, &server)).unwrap();
    // Outside of any runtime, as when a test keeps it longer than its runtime.
    drop(running);
    assert_nothing_left(&place);
}

#[test]
fn a_panic_leaves_nothing() {
    let place = Place::new();
    let (engine, server) = stand_in(&place, "serve");
    let result = std::panic::catch_unwind(|| {
        block_on(async {
            let _running = start(&engine, &server).await.unwrap();
            panic!("in the middle");
        });
    });
    assert!(result.is_err());
    assert_nothing_left(&place);
}

#[test]
fn a_start_that_is_abandoned_leaves_nothing() {
    let place = Place::new();
    let (engine, mut server) = stand_in(&place, "serve");
    server.arguments[0].value = Some("hang".into());
    block_on(async {
        tokio::select! {
            result = start(&engine, &server) => panic!("it started: {result:?}"),
            () = async {
                while !place.has("started") {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
    });
    assert_nothing_left(&place);
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let place = Place::new();
    let settings = Settings {
        engine: EngineKind::Process,
        candidate: vllm("/no/such/vllm".into()),
        models: [("tiny".to_owned(), place.folder("model"))].into(),
        ..Settings::default()
    };
    let engine =
        Engine::new(&settings, &Config::default()).unwrap().with_lock_folder(place.locks());
    let server = Server { model: "tiny".into(), ..Server::default() };
    let error = block_on(start(&engine, &server)).unwrap_err();
    assert!(matches!(error, EngineError::VllmNotFound { .. }), "{error}");
    assert!(error.to_string().contains("/no/such/vllm"), "{error}");
    assert_nothing_left(&place);
}

#[test]
fn a_virtual_environment_is_as_good_as_its_command_and_a_command_line_is_none() {
    let place = Place::new();
    place.folder("venv/bin");
    std::os::unix::fs::symlink(stand_in_command(), place.path().join("venv/bin/vllm")).unwrap();
    let (engine, server) = stand_in_of(&place, place.path().join("venv"), "serve");
    block_on(async { start(&engine, &server).await.unwrap().stop().await.unwrap() });
    assert!(place.read("arguments").starts_with("serve\n"));
    assert_nothing_left(&place);
    let (engine, server) = stand_in_of(&place, "vllm serve".into(), "serve");
    let error = block_on(start(&engine, &server)).unwrap_err();
    assert!(error.to_string().contains("leave out `serve`"), "{error}");
    assert_nothing_left(&place);
}

#[test]
fn a_second_run_on_the_same_hardware_is_refused_with_the_number_of_the_first() {
    let place = Place::new();
    let (engine, server) = stand_in(&place, "serve");
    block_on(async {
        let running = start(&engine, &server).await.unwrap();
        let error = start(&engine, &server).await.unwrap_err();
        assert_eq!(
            error,
            EngineError::Busy { what: "the CPU".into(), pid: Some(std::process::id()) }
        );
        running.stop().await.unwrap();
        start(&engine, &server).await.unwrap().stop().await.unwrap();
    });
    assert_nothing_left(&place);
}

#[test]
fn leased_gpus_are_the_ones_the_server_sees() {
    let place = Place::new();
    let (engine, mut server) = stand_in(&place, "serve");
    let gpu = |index: u32| GpuSetup {
        index,
        uuid: format!("GPU-{index}"),
        name: "NVIDIA H200".into(),
        used_before_mib: Some(if index == 0 { 70_000 } else { 0 }),
        ..GpuSetup::default()
    };
    let engine = engine.with_gpus([0, 1, 2].map(|index| gpu(index).into()).to_vec());
    server.gpus = 2;
    assert_eq!(engine.can_run(&server), Ok(()));
    block_on(async {
        let running = start(&engine, &server).await.unwrap();
        assert_eq!(running.fingerprint().hardware, "2 × NVIDIA H200");
        assert!(!support::is_unlocked(&place.locks().join("gpu-GPU-1.lock")));
        running.stop().await.unwrap();
    });
    assert!(place.read("environment").lines().any(|line| line == "CUDA_VISIBLE_DEVICES=1,2"));
    assert!(support::is_unlocked(&place.locks().join("gpu-GPU-1.lock")));
    let error = block_on(async {
        server.gpus = 3;
        start(&engine, &server).await.unwrap_err()
    });
    let used =
        "GPU 0 (NVIDIA H200) is in use by a process that the driver does not name (70000 MiB); ";
    assert!(error.to_string().starts_with(used), "{error}");
    server.gpus = 4;
    assert_eq!(engine.can_run(&server), Err("needs 4 GPUs, this machine has 3".into()));
}

#[test]
#[ignore = "needs a vllm in PERF_TEST_VLLM and a small model in PERF_TEST_MODEL"]
fn a_real_vllm_starts_on_the_cpu_and_is_gone_after_its_stop() {
    let place = Place::new();
    let settings = Settings {
        engine: EngineKind::Process,
        candidate: Variant {
            vllm: std::env::var_os("PERF_TEST_VLLM").map(Into::into),
            ..Variant::default()
        },
        models: std::env::var_os("PERF_TEST_MODEL")
            .map(|path| ("tiny".to_owned(), path.into()))
            .into_iter()
            .collect(),
        ..Settings::default()
    };
    let words = ["--dtype=bfloat16", "--enforce-eager", "--max-model-len=2048", "--max-num-seqs=8"];
    let server = Server {
        model: "tiny".into(),
        arguments: parse_arguments(&words).unwrap(),
        environment: [("VLLM_CPU_KVCACHE_SPACE".to_owned(), "1".to_owned())].into(),
        ..Server::default()
    };
    let engine =
        Engine::new(&settings, &Config::default()).unwrap().with_lock_folder(place.locks());
    block_on(async {
        let running = start(&engine, &server).await.unwrap();
        assert!(running.fingerprint().vllm.as_ref().unwrap().starts_with("0."), "{running:?}");
        let log = running.log_tail().join("\n");
        assert!(log.contains("Application startup complete."), "{log}");
        running.stop().await.unwrap();
    });
    assert_nothing_left(&place);
}

/// Starts a copy of this program that starts a server, kills the copy, and looks for the server.
#[test]
fn a_run_that_is_killed_takes_its_server_along() {
    if let Some(folder) = std::env::var_os(VICTIM) {
        return be_killed(&Place::at(folder.into()));
    }
    let place = Place::new();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["a_run_that_is_killed_takes_its_server_along", "--exact", "--nocapture"])
        .env(VICTIM, place.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| place.has("ready") || victim.try_wait().unwrap().is_some());
    assert!(place.has("ready"), "the victim ended before its server was up");
    let processes = place.processes();
    assert_eq!(processes.len(), 3);
    assert!(processes.iter().all(|process| support::is_alive(*process)));
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until(|| !processes.iter().any(|process| support::is_alive(*process)));
    assert_nothing_left(&place);
}

fn be_killed(place: &Place) {
    let (engine, server) = stand_in(place, "serve");
    block_on(async {
        let _running = start(&engine, &server).await.unwrap();
        place.write("ready", "");
        std::future::pending::<()>().await;
    });
}

/// This command under test.
fn vllm(command: PathBuf) -> Variant {
    Variant { vllm: Some(command), ..Variant::default() }
}
