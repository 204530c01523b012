//! Servers that are no vLLM, each by its own command line: when they are ready, and what they are given.

use std::path::Path;

use perf_engine::{Engine, EngineError, ServerFailure};
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::server::{Server, parse_arguments};
use perf_model::spec::settings::{Settings, Variant};

use crate::support::{Place, block_on};
use crate::{assert_nothing_left, stand_in_command, start};

/// An engine that starts servers by this command line, and a server for it.
fn by_command(place: &Place, command: &str, model: &Path) -> (Engine, Server) {
    let settings = Settings {
        engine: EngineKind::Process,
        candidate: Variant { server_command: Some(command.to_owned()), ..Variant::default() },
        models: [("tiny".to_owned(), model.to_owned())].into(),
        ..Settings::default()
    };
    let server = Server {
        model: "tiny".into(),
        arguments: parse_arguments(&["--ctx-size=4096"]).unwrap(),
        environment: [("STAND_IN_FOLDER".to_owned(), place.path().display().to_string())].into(),
        ..Server::default()
    };
    let config = Config { start_timeout_s: 60, ..Config::default() };
    (Engine::new(&settings, &config).unwrap().with_lock_folder(place.locks()), server)
}

#[test]
fn a_server_without_a_health_path_is_ready_when_it_lists_its_models() {
    let place = Place::new();
    place.write("tiny.gguf", "");
    let command = format!(
        "'{}' -m {{model}} --stand-in no-health --host {{host}} {{args}} --port {{port}}",
        stand_in_command().display()
    );
    let (engine, server) = by_command(&place, &command, &place.path().join("tiny.gguf"));
    block_on(async {
        let running = start(&engine, &server).await.unwrap();
        assert_eq!(running.fingerprint().under_test, [format!("server_command={command}")]);
        running.stop().await.unwrap();
    });
    let (arguments, model) = (place.read("arguments"), place.path().join("tiny.gguf"));
    let expected = format!(
        "-m {} --stand-in no-health --host 127.0.0.1 --ctx-size 4096 --port ",
        model.display()
    );
    assert!(arguments.replace('\n', " ").starts_with(&expected), "{arguments}");
    assert_nothing_left(&place);
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let place = Place::new();
    // The model is not looked for, as the command does not ask for it.
    let command = "/no/such/server --port {port}";
    let (engine, server) = by_command(&place, command, Path::new("/no/such/model"));
    let error = block_on(start(&engine, &server)).unwrap_err();
    assert!(matches!(error, EngineError::CommandNotFound { .. }), "{error}");
    assert_eq!(error.failure(), Some(ServerFailure::BadEntrypoint));
    assert!(error.to_string().contains("cannot run `/no/such/server`, the first word"), "{error}");
    assert_nothing_left(&place);
}

#[test]
fn a_model_that_the_command_asks_for_must_be_there() {
    let place = Place::new();
    let (engine, server) = by_command(&place, "serve {model} {port}", Path::new("/no/such/model"));
    let error = block_on(start(&engine, &server)).unwrap_err();
    assert_eq!(error.failure(), Some(ServerFailure::ModelMissing), "{error}");
    assert_nothing_left(&place);
}
