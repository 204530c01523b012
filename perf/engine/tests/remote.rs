//! The remote engine, against a server that is up before and after.

#![allow(clippy::unwrap_used, reason = "these are tests, which clippy does not see in a helper")]

mod support;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use perf_clock::Clock;
use perf_engine::{Address, Engine, EngineError, Running};
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::server::Server;
use perf_model::spec::settings::{Settings, Variant};
use tokio::net::TcpListener;

use support::block_on;

const MODELS: &str = r#"{"object":"list","data":[{"id":"tiny"},{"id":"small"}]}"#;

/// Serves on a port of its own until the runtime ends, and gives the address.
async fn serve(health: StatusCode) -> String {
    let router = Router::new()
        .route("/health", get(move || async move { health }))
        .route("/version", get(|| async { r#"{"version":"0.31.0"}"# }))
        .route("/v1/models", get(|| async { MODELS }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn find(url: &str, model: &str) -> Result<Running, EngineError> {
    let settings =
        Settings { engine: EngineKind::Remote, url: Some(url.to_owned()), ..Settings::default() };
    let server = Server { model: model.into(), ..Server::default() };
    Engine::new(&settings, &Config::default())?
        .start(&server, 1, None, Clock::real(), &mut |_| {})
        .await
}

#[test]
fn a_server_that_is_up_is_found_and_stays_up() {
    block_on(async {
        let url = serve(StatusCode::OK).await;
        let running = find(&format!("{url}/v1/"), "tiny").await.unwrap();
        assert!(matches!(running.address(), Address::Url(found) if *found == url));
        assert_eq!(running.fingerprint().hardware, "remote: 127.0.0.1");
        assert_eq!(running.fingerprint().vllm.as_deref(), Some("0.31.0"));
        running.stop().await.unwrap();
        find(&url, "small").await.unwrap();
    });
}

#[test]
fn a_model_that_is_not_served_names_those_that_are() {
    let error = block_on(async { find(&serve(StatusCode::OK).await, "big").await }).unwrap_err();
    assert!(matches!(error, EngineError::ModelNotServed { .. }), "{error}");
    assert!(error.to_string().contains("it serves `tiny`, `small`"), "{error}");
}

#[test]
fn a_server_that_is_not_well_is_not_measured() {
    let error =
        block_on(async { find(&serve(StatusCode::SERVICE_UNAVAILABLE).await, "tiny").await })
            .unwrap_err();
    assert!(
        matches!(&error, EngineError::Unhealthy { answer, .. } if answer == "503 to /health"),
        "{error}"
    );
}

#[test]
fn a_server_that_is_not_there_is_reported() {
    // Nothing listens on port 1.
    let error = block_on(find("http://127.0.0.1:1", "tiny")).unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error}");
}

#[test]
fn what_cannot_reach_a_server_that_is_up_is_refused() {
    let candidate = Variant { arguments: vec!["--max-num-seqs=4".into()], ..Variant::default() };
    let url = Some("http://127.0.0.1:1".to_owned());
    let settings = Settings { engine: EngineKind::Remote, url, candidate, ..Settings::default() };
    let error = Engine::new(&settings, &Config::default()).unwrap_err().to_string();
    assert!(error.contains("do nothing to a remote server"), "{error}");
}

#[test]
fn a_run_without_an_address_is_refused() {
    let settings = Settings { engine: EngineKind::Remote, ..Settings::default() };
    let error = Engine::new(&settings, &Config::default()).unwrap_err();
    assert!(error.to_string().contains("http://HOST:PORT"), "{error}");
}
