//! The simulated engine: starts and failures in virtual time, through the same door as the real
//! ones.

#![allow(clippy::unwrap_used, reason = "these are tests, which clippy does not see in a helper")]

use perf_clock::run_virtual;
use perf_engine::{Address, Engine, EngineError, Running, ServerFailure};
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::server::{Server, parse_arguments};
use perf_model::spec::settings::{Settings, Variant};

fn start(settings: &Settings, server: &Server) -> Result<Running, EngineError> {
    let engine = Engine::new(settings, &Config::default())?;
    run_virtual(|clock| async move { engine.start(server, 1, None, clock, &mut |_| {}).await })
}

fn server(arguments: &[&str]) -> Server {
    Server {
        model: "tiny".into(),
        arguments: parse_arguments(arguments).unwrap(),
        ..Server::default()
    }
}

fn failure(error: &EngineError) -> (ServerFailure, Option<i64>) {
    let EngineError::StartFailed { kind, exit_code, engine, .. } = error else { panic!("{error}") };
    assert_eq!(*engine, EngineKind::Simulated);
    (*kind, *exit_code)
}

#[test]
fn it_starts_in_this_process_and_is_marked_as_simulated() {
    let settings =
        of(Variant { arguments: vec!["--max-num-seqs=32".into()], ..Variant::default() });
    let running = start(&settings, &server(&["--max-model-len=2048"])).unwrap();
    assert!(matches!(running.address(), Address::InProcess(_)));
    let fingerprint = running.fingerprint();
    assert_eq!(fingerprint.engine, EngineKind::Simulated);
    assert_eq!(fingerprint.hardware, "simulated: generic");
    assert_eq!(fingerprint.vllm.as_deref(), Some("simulated"));
    assert_eq!(fingerprint.arguments, ["--max-model-len=2048"]);
    assert_eq!(fingerprint.under_test, ["--max-num-seqs=32"]);
    assert!(running.log_tail().iter().any(|line| line.contains("Application startup complete.")));
}

#[test]
fn a_start_that_is_to_be_recorded_has_the_phases_of_the_profile_and_nothing_is_left_over() {
    let profile = perf_sim::profile("qwen2-1.5b-bf16-1x3090").unwrap();
    let quiet = Server {
        simulated_profile: Some("qwen2-1.5b-bf16-1x3090".into()),
        ..server(&["--max-model-len=2048"])
    };
    let of = |server: &Server| start(&Settings::default(), server).unwrap().start_up();
    assert_eq!(of(&quiet), None);

    let cache = of(&Server { simulates_kv_cache: true, ..quiet.clone() }).unwrap();
    let started = of(&Server { simulates_start_up: true, ..quiet }).unwrap();
    assert_eq!(cache, started.only_kv_cache());
    let near = |value: Option<f64>, wanted: f64| (value.unwrap() - wanted).abs() < 0.01;
    let startup = &profile.startup;
    assert!(near(started.engine_process_s, startup.init_s), "{started}");
    assert!(near(started.weights_s, startup.weights_s), "{started}");
    let rest = startup.capture_s - started.graph_capture_s.unwrap();
    assert!(near(started.profiling_s, rest), "{started}");
    assert!(near(started.remainder_s(), 0.0), "{started}");
    assert!(started.kv_cache_tokens.unwrap() > 500_000, "{started}");
}

#[test]
fn its_failures_are_read_like_those_of_a_real_server() {
    let oom = of(inject("oom"));
    assert_eq!(
        failure(&start(&oom, &server(&[])).unwrap_err()),
        (ServerFailure::OutOfMemory, Some(1))
    );

    let unknown = start(&Settings::default(), &server(&["--no-such-flag=3"])).unwrap_err();
    assert_eq!(failure(&unknown), (ServerFailure::UnknownArgument, Some(2)));

    let long = start(&Settings::default(), &server(&["--max-model-len=99999999"])).unwrap_err();
    assert_eq!(failure(&long), (ServerFailure::ContextTooLong, Some(1)));

    let capture = Server {
        simulated_profile: Some("qwen2.5-32b-awq-marlin-2x4090".into()),
        ..server(&[
            "--quantization=awq_marlin",
            "--tensor-parallel-size=2",
            "--gpu-memory-utilization=0.85",
            "--max-model-len=8192",
        ])
    };
    assert_eq!(
        failure(&start(&Settings::default(), &capture).unwrap_err()),
        (ServerFailure::GraphCapture, Some(1))
    );
}

#[test]
fn what_does_not_exist_is_refused_with_what_does() {
    let profile = Server { simulated_profile: Some("generik".into()), ..server(&[]) };
    let error = start(&Settings::default(), &profile).unwrap_err();
    assert!(
        matches!(error, EngineError::Invalid { .. }) && error.to_string().contains("generic"),
        "{error}"
    );

    let error = start(&of(inject("decoed=1.1")), &server(&[])).unwrap_err();
    assert!(
        matches!(error, EngineError::Invalid { .. }) && error.to_string().contains("decode"),
        "{error}"
    );
}

#[test]
fn faults_on_demand_are_for_the_simulated_engine_alone() {
    let settings = Settings { engine: EngineKind::Process, ..of(inject("oom")) };
    let error = Engine::new(&settings, &Config::default()).unwrap_err();
    assert!(matches!(error, EngineError::Invalid { .. }), "{error}");
}

#[test]
#[cfg(not(feature = "docker"))]
fn a_build_without_docker_says_how_to_turn_it_on() {
    let settings = Settings { engine: EngineKind::Docker, ..Settings::default() };
    let error = Engine::new(&settings, &Config::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this build has no support for Docker; add `--features docker` to the cargo command, or start \
         the tests with `cargo xtask perf`, which adds it"
    );
}

#[test]
fn a_real_engine_refuses_virtual_time() {
    let settings = Settings { engine: EngineKind::Process, ..Settings::default() };
    let error = start(&settings, &server(&[])).unwrap_err();
    assert_eq!(error.to_string(), "the process engine needs a real clock");
}

#[test]
fn it_needs_no_gpu_of_this_machine() {
    let engine =
        Engine::new(&Settings::default(), &Config::default()).unwrap().with_gpus(Vec::new());
    assert_eq!(engine.can_run(&Server { gpus: 8, ..server(&[]) }), Ok(()));
    assert_eq!(engine.kind(), EngineKind::Simulated);
}

/// This under test.
fn of(candidate: Variant) -> Settings {
    Settings { candidate, ..Settings::default() }
}

fn inject(faults: &str) -> Variant {
    Variant { inject: Some(faults.to_owned()), ..Variant::default() }
}
