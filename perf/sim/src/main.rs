//! `perf-sim`: the simulated vLLM on a port, in real time.
//!
//! It accepts the command line of `vllm`, so that it can replace it in tests of a server's life
//! cycle. Its own settings come from the environment: an unknown flag must stay an error.

use std::env::VarError;
use std::future::IntoFuture;
use std::io::{self, Write};
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use axum::serve::ListenerExt;
use perf_clock::Clock;
use perf_sim::{
    Environment, Injection, Options, ServeArgs, SimServer, StartFailure, bind_failure,
    missing_model_failure, profile,
};
use tokio::net::{TcpSocket, lookup_host};
use tokio::signal::unix::{SignalKind, signal};

/// How long the start takes unless `PERF_SIM_STARTUP_MS` says otherwise.
const STARTUP_MS: u64 = 200;
/// How long a server with a dead engine still answers, so that a client can see its health.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

const HELP: &str = "\
A simulated vLLM server

Usage:
  perf-sim serve MODEL [FLAGS]  serve a model over HTTP, with the arguments of `vllm serve`, such as
                                --host, --port, --served-model-name, --max-model-len
  perf-sim profiles             list the built-in profiles
  perf-sim --help | --version

Environment:
  PERF_SIM_PROFILE     profile by name, or the path of a TOML file [default: generic]
  PERF_SIM_SEED        seed of everything random [default: 0]
  PERF_SIM_INJECT      faults, such as decode=1.05,fail=0.02,cut=0.02,error-in-band=0.02,stall=0.01,oom,die-after=12
  PERF_SIM_STARTUP_MS  how long the start takes, in milliseconds [default: 200]
  VLLM_SERVER_DEV_MODE 1 adds POST /reset_prefix_cache

Examples:
  perf-sim serve tiny --port 8321 --max-model-len 2048
  PERF_SIM_PROFILE=tiny-cpu PERF_SIM_INJECT=die-after=3 perf-sim serve tiny --port 8321
  perf-sim profiles";

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let outcome = match command.as_str() {
        "serve" if matches!(rest.first().map(String::as_str), Some("--help" | "-h")) => print(HELP),
        "serve" if rest.is_empty() => {
            Err(Failure::Usage("`serve` needs a model; see `perf-sim --help`".into()))
        }
        "serve" => serve(rest).await,
        "profiles" if rest.is_empty() => list_profiles(),
        "--help" | "-h" | "help" => print(HELP),
        "--version" | "-V" => print(concat!("perf-sim ", env!("CARGO_PKG_VERSION"))),
        _ => Err(Failure::Usage(format!(
            "unknown command `{}`; see `perf-sim --help`",
            std::env::args().skip(1).collect::<Vec<_>>().join(" ")
        ))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Start(failure)) => {
            ExitCode::from(u8::try_from(failure.exit_code).unwrap_or(1))
        }
        Err(Failure::Usage(message)) => {
            eprintln!("perf-sim: error: {message}");
            ExitCode::from(2)
        }
    }
}

/// Why the server ends with an exit code other than 0.
enum Failure {
    /// A failure that vLLM has too; its log has the reason.
    Start(StartFailure),
    /// The simulator's own settings are invalid.
    Usage(String),
}

impl From<StartFailure> for Failure {
    fn from(failure: StartFailure) -> Self {
        Self::Start(failure)
    }
}

fn list_profiles() -> Result<(), Failure> {
    for name in perf_sim::profile_names() {
        let profile = profile(name).map_err(|error| Failure::Usage(error.to_string()))?;
        print(&format!("{name}\n    {}", profile.description.trim().replace('\n', "\n    ")))?;
    }
    Ok(())
}

fn print(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}")
        .map_err(|error| Failure::Usage(format!("cannot write the output: {error}")))
}

async fn serve(rest: Vec<String>) -> Result<(), Failure> {
    let (model, args) = split_model(rest);
    let startup = setting("PERF_SIM_STARTUP_MS")?.unwrap_or(STARTUP_MS);
    let environment = Environment {
        dev_mode: std::env::var("VLLM_SERVER_DEV_MODE").is_ok_and(|value| value == "1"),
        startup: Some(Duration::from_millis(startup)),
        log_to_stderr: true,
    };
    let options = Options {
        profile: chosen_profile()?,
        args,
        model,
        seed: setting("PERF_SIM_SEED")?.unwrap_or(0),
        injection: setting::<Injection>("PERF_SIM_INJECT")?.unwrap_or_default(),
    };
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let running = async {
        // As vLLM does: arguments first, then the port, then the model.
        let socket = match ServeArgs::parse(&options.args) {
            Ok(args) => Some(bind(&args, &environment).await?),
            Err(_) => None,
        };
        if socket.is_some() && options.model.contains('/') && !Path::new(&options.model).exists() {
            return Err(Failure::from(missing_model_failure(&options.model, &environment)));
        }
        let sim = SimServer::start_in(environment, options, Clock::real()).await?;
        // Without a socket the start has failed because of its arguments.
        let Some(socket) = socket else { return Ok(()) };
        // Listen only now: a client that connects earlier is refused at once and does not wait.
        let listener = socket
            .listen(BACKLOG)
            .map_err(|error| Failure::Usage(format!("cannot listen: {error}")))?;
        if let Some(ready) = sim.log().last() {
            eprintln!("{ready}");
        }
        // Without this, small chunks of a stream would wait for each other.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let mut serving = pin!(axum::serve(listener, sim.router()).into_future());
        tokio::select! {
            served = &mut serving => return serving_failed(served),
            () = sim.died() => {}
        }
        eprintln!(
            "(APIServer pid=1) ERROR [async_llm.py:906] EngineDeadError: EngineCore encountered an issue."
        );
        tokio::select! {
            served = &mut serving => serving_failed(served),
            () = tokio::time::sleep(LAST_WORDS) => Ok(()),
        }
    };
    tokio::select! {
        outcome = running => return outcome,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    eprintln!("INFO:     Shutting down");
    Ok(())
}

fn serving_failed(served: io::Result<()>) -> Result<(), Failure> {
    served.map_err(|error| Failure::Usage(format!("the server stopped: {error}; start it again")))
}

/// The model is the first argument, or follows `--model`.
fn split_model(mut rest: Vec<String>) -> (String, Vec<String>) {
    if rest[0].starts_with('-') {
        let flag = rest.iter().position(|arg| arg == "--model");
        let model = flag.and_then(|place| rest.get(place + 1)).cloned().unwrap_or_default();
        return (model, rest);
    }
    (rest.remove(0), rest)
}

/// Binds the port, without listening yet.
async fn bind(args: &ServeArgs, environment: &Environment) -> Result<TcpSocket, Failure> {
    let host = args.host.as_deref().unwrap_or("0.0.0.0");
    let taken = async {
        let mut addresses = lookup_host((host, args.port)).await?;
        let address = addresses.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    taken.await.map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => Failure::Start(bind_failure(environment)),
        _ => Failure::Usage(format!(
            "cannot listen on {host}:{}: {error}; choose another --host or --port",
            args.port
        )),
    })
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Failure> {
    signal(kind).map_err(|error| Failure::Usage(format!("cannot wait for signals: {error}")))
}

fn chosen_profile() -> Result<perf_sim::Profile, Failure> {
    let name = setting::<String>("PERF_SIM_PROFILE")?.unwrap_or_else(|| "generic".into());
    let usage =
        |error: perf_sim::ProfileError| Failure::Usage(format!("PERF_SIM_PROFILE: {error}"));
    let is_file = Path::new(&name).extension().is_some_and(|extension| extension == "toml");
    if !is_file {
        return profile(&name).map_err(usage);
    }
    let text = std::fs::read_to_string(&name).map_err(|error| {
        Failure::Usage(format!("PERF_SIM_PROFILE: cannot read {name}: {error}; check the path"))
    })?;
    perf_sim::Profile::from_toml(&text).map_err(usage)
}

/// A setting from the environment; none when it is not set or empty.
fn setting<T: FromStr<Err: std::fmt::Display>>(name: &str) -> Result<Option<T>, Failure> {
    match std::env::var(name) {
        Err(VarError::NotPresent) => Ok(None),
        Err(error) => Err(Failure::Usage(format!("{name}: {error}"))),
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => text
            .parse()
            .map(Some)
            .map_err(|error| Failure::Usage(format!("{name}=`{text}`: {error}"))),
    }
}
