//! Servers behind TLS on loopback: what is accepted, and what is said of a certificate that is not.
//!
//! `cargo test -p vllm-perf-load --features tls`. The certificates are in `tests/tls`.

#![expect(clippy::unwrap_used, reason = "a helper that unwraps fails the test that calls it")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use perf_clock::Clock;
use perf_load::{Endpoint, measure, models};
use perf_model::record::sample::Outcome;
use perf_model::spec::access::Access;
use perf_model::spec::load::{Arrivals, Load, OutputLength, Prompts, Workload};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "tls", name].iter().collect()
}

/// The port of a server with this certificate, below a path, that demands the variable
/// `CARGO_PKG_NAME` as its key.
fn server(certificate: &str) -> u16 {
    let chain = CertificateDer::pem_file_iter(file(&format!("{certificate}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(file(&format!("{certificate}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, socket.unwrap());
            std::thread::spawn(move || while serve(&mut stream).is_some() {});
        }
    });
    port
}

/// Answers one request; `None` when the client has gone.
fn serve(stream: &mut (impl Read + Write)) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    stream.read_exact(&mut vec![0; length.parse().unwrap()]).ok()?;
    let is_known = head.contains(concat!("authorization: Bearer ", env!("CARGO_PKG_NAME"), "\r\n"));
    let (status, body) = if !is_known {
        ("401 Unauthorized", "{\"error\":\"Unauthorized\"}".to_owned())
    } else if head.starts_with("GET /team-a/v1/models ") {
        ("200 OK", "{\"data\":[{\"id\":\"tiny\"}]}".to_owned())
    } else if head.starts_with("POST /team-a/v1/completions ") {
        let chunk = r#"{"choices":[{"text":"x","finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
        ("200 OK", format!("data: {chunk}\n\ndata: [DONE]\n\n"))
    } else {
        ("404 Not Found", String::new())
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).ok()?;
    stream.flush().ok()
}

fn trusting(ca: &str) -> Access {
    let api_key_env = Some("CARGO_PKG_NAME".to_owned());
    Access { api_key_env, ca: Some(file(ca)), ..Access::default() }
}

fn insecure() -> Access {
    Access { ca: None, insecure: true, ..trusting("ca.pem") }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The models of a server at this host with this certificate, or why there are none.
fn asked(host: &str, certificate: &str, access: &Access) -> Result<Vec<String>, String> {
    let url = format!("https://{host}:{}/team-a/v1", server(certificate));
    let endpoint = Endpoint::connect(&url, access).map_err(|error| error.to_string())?;
    let said = runtime().block_on(models(&endpoint, Clock::real()));
    said.map_err(|error| error.to_string())
}

#[test]
fn a_server_whose_authority_is_given_is_believed() {
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(asked(host, "server", &trusting("ca.pem")), Ok(vec!["tiny".to_owned()]));
    }
    // Its own certificate will do as well.
    let own = trusting("self-signed.pem");
    assert_eq!(asked("127.0.0.1", "self-signed", &own), Ok(vec!["tiny".to_owned()]));
}

#[test]
fn a_certificate_that_is_not_accepted_is_explained() {
    let known = trusting("ca.pem");
    for (certificate, access, why, remedy) in [
        ("server", &trusting("other-ca.pem"), "unknown issuer", "--ca FILE"),
        ("self-signed", &known, "self-signed", "--ca FILE"),
        ("expired", &known, "it has expired", "renew it"),
        ("other", &known, "it is for gpu.example, not for 127.0.0.1", "use a name that it has"),
    ] {
        let error = asked("127.0.0.1", certificate, access).unwrap_err();
        assert!(error.contains(why) && error.contains(remedy), "{certificate}: {error}");
        assert!(error.contains("--insecure"), "{error}");
        assert_eq!(asked("127.0.0.1", certificate, &insecure()), Ok(vec!["tiny".to_owned()]));
    }
}

#[test]
fn a_file_that_holds_no_certificate_is_named() {
    for name in ["README.md", "none.pem"] {
        let error = asked("localhost", "server", &trusting(name)).unwrap_err();
        assert!(error.contains("the file of --ca, ") && error.contains(name), "{error}");
    }
}

#[test]
fn a_server_that_does_not_speak_tls_is_recognised() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let _ = socket.read(&mut [0; 1024]);
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let endpoint = Endpoint::connect(&url, &insecure()).unwrap();
    let error = runtime().block_on(models(&endpoint, Clock::real())).unwrap_err().to_string();
    assert!(error.contains("does not speak TLS there; write http://"), "{error}");
}

#[test]
fn a_load_is_measured_over_tls_and_connections_are_kept() {
    let load = Load {
        workload: Workload {
            prompts: Prompts::Text("hi".to_owned()),
            output: OutputLength::Exactly(1),
            ..perf_model::fixtures::load().workload
        },
        arrivals: Arrivals::Concurrency(4),
        requests: 40,
        warmup: 4,
        objectives: Vec::new(),
        ..perf_model::fixtures::load()
    };
    let url = format!("https://localhost:{}/team-a", server("server"));
    for access in [trusting("ca.pem"), insecure()] {
        let endpoint = Endpoint::connect(&url, &access).unwrap();
        let mut samples = Vec::new();
        let mut observe = |sample| samples.push(sample);
        let measuring = measure(&load, &endpoint, "tiny", 7, Clock::real(), &mut observe);
        let measured = runtime().block_on(measuring).unwrap();
        assert_eq!(measured.unchecked_certificate, access.insecure);
        assert_eq!(samples.len(), 40);
        assert!(
            samples.iter().all(|sample| sample.outcome == Outcome::Succeeded && !sample.resent)
        );
        let warned = endpoint.warnings().join("\n");
        assert_eq!(warned.contains("INSECURE"), access.insecure, "{warned}");
        assert!(
            warned.contains("the API key of CARGO_PKG_NAME goes with every request"),
            "{warned}"
        );
    }
}
