//! The simulated vLLM, in this process and on its clock. Main function: [`start`].

use perf_clock::Clock;
use perf_model::record::fingerprint::Fingerprint;
use perf_model::record::gpu_setup::GpuSetup;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::server::Server;
use perf_sim::{Injection, Options, SimServer, StartFailure};

use crate::error::EngineError;
use crate::failure::{Evidence, ServerFailure};
use crate::gpu::Gpu;
use crate::launch_spec::LaunchSpec;
use crate::log::{StartUpLog, shown};
use crate::running::{Address, Handle, Running};
use crate::wanted::Wanted;

/// The profile of a server that declares none.
const DEFAULT_PROFILE: &str = "generic";

/// Reads the faults that a run asks for.
pub(crate) fn injection(text: Option<&str>) -> Result<Injection, EngineError> {
    let parsed = text.unwrap_or_default().trim();
    if parsed.is_empty() {
        return Ok(Injection::default());
    }
    parsed
        .parse()
        .map_err(|error: perf_sim::InjectionError| EngineError::invalid(error.to_string()))
}

/// The seed of a start in a session: another start, or the same in another session, is another
/// draw.
pub(crate) fn seed(session: u64, start: u32) -> u64 {
    session.wrapping_shl(32).wrapping_add(u64::from(start))
}

/// The profile of a server.
fn profile(server: &Server) -> Result<perf_sim::Profile, EngineError> {
    let name = server.simulated_profile.as_deref().unwrap_or(DEFAULT_PROFILE);
    perf_sim::profile(name).map_err(|error| EngineError::invalid(error.to_string()))
}

/// The GPUs of the machine that a server's profile describes.
pub(crate) fn gpus(server: &Server) -> Result<Vec<Gpu>, EngineError> {
    let machine = profile(server)?.machine;
    let setup = |index| GpuSetup {
        index,
        uuid: format!("simulated-{index}"),
        name: machine.gpu.clone(),
        ..GpuSetup::default()
    };
    Ok((0..machine.gpus).map(|index| setup(index).into()).collect())
}

/// What a server wants of so many. One that needs more than there are has all of them: a simulated
/// server starts on any machine.
pub(crate) fn wanted(server: &Server, gpus: usize) -> Wanted {
    let most = u8::try_from(gpus).unwrap_or(u8::MAX);
    Wanted { gpus: server.gpus.min(most), ..Wanted::default() }
}

/// Starts the planned server.
pub(crate) async fn start(
    spec: LaunchSpec,
    injection: Injection,
    seed: u64,
    clock: Clock,
) -> Result<Running, EngineError> {
    let profile = profile(&spec.server)?;
    let name = spec.server.simulated_profile.as_deref().unwrap_or(DEFAULT_PROFILE);
    let args = spec.server.argument_words();
    let options = Options { profile, args, model: spec.server.model.clone(), seed, injection };
    let begun = clock.now();
    let server = SimServer::start(options, clock).await.map_err(|failure| explain(&failure))?;
    let ready = clock.now().saturating_sub(begun);
    let fingerprint = Fingerprint {
        hardware: format!("simulated: {name}"),
        vllm: Some("simulated".to_owned()),
        ..spec.fingerprint
    };
    let mut log = StartUpLog::default();
    server.log_stamps().for_each(|(at, line)| log.see(at.saturating_sub(begun), line));
    let address = Address::InProcess(server.router());
    let running = Running::new(address, fingerprint, Handle::Simulated(Box::new(server)));
    let start_up = log.finish(ready, None);
    Ok(match &spec.server {
        Server { simulates_start_up: true, .. } => running.started(start_up),
        Server { simulates_kv_cache: true, .. } => running.started(start_up.only_kv_cache()),
        _ => running,
    })
}

fn explain(failure: &StartFailure) -> EngineError {
    let exit_code = Some(i64::from(failure.exit_code));
    let evidence = Evidence { exit_code, oom_killed: false, deed: None, log: &failure.log };
    let kind = ServerFailure::classify(evidence);
    EngineError::StartFailed {
        engine: EngineKind::Simulated,
        kind,
        exit_code,
        oom_killed: false,
        cause: kind.cause(&failure.log).map(str::to_owned),
        log_tail: shown(&failure.log),
        log: None,
    }
}
