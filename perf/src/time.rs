//! In which time something runs: virtual for the simulated engine, real for every other.

use std::thread::Scope;

use perf_clock::{Clock, run_virtual};
use perf_model::spec::engine_kind::EngineKind;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

/// Runs `body` in virtual time for the simulated engine, in real time for every other.
pub(crate) fn run_in_time<T, F>(
    kind: EngineKind,
    body: impl FnOnce(Clock, Interrupt) -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    if kind == EngineKind::Simulated {
        return run_virtual(|clock| body(clock, Interrupt::never()));
    }
    real()?.block_on(async {
        let interrupt = Interrupt::listen().map_err(|error| {
            Error::Usage(format!("cannot listen for Ctrl-C, so no server was started: {error}"))
        })?;
        body(Clock::real(), interrupt).await
    })
}

/// Begins `body` on a thread with a time of its own, which it shares with nothing else: what it does
/// is the same, with or without others beside it. Gives what it came to; nothing if it panicked,
/// which the end of the scope passes on.
///
/// # Errors
/// When a runtime cannot be made.
pub(crate) fn begin_apart<'scope, T, F>(
    scope: &'scope Scope<'scope, '_>,
    kind: EngineKind,
    body: impl FnOnce(Clock) -> F + Send + 'scope,
) -> Result<oneshot::Receiver<T>>
where
    T: Send + 'scope,
    F: Future<Output = T>,
{
    let (sender, receiver) = oneshot::channel();
    let runtime = if kind == EngineKind::Simulated { None } else { Some(real()?) };
    let thread = scope.spawn(move || {
        let ended = match runtime {
            Some(runtime) => runtime.block_on(body(Clock::real())),
            None => run_virtual(body),
        };
        // Who began it may have given up.
        let _ = sender.send(ended);
    });
    if kind == EngineKind::Simulated {
        // Virtual time stands still meanwhile, so that one comes after the other in every run.
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
    Ok(receiver)
}

/// A runtime in which one thread makes the requests, so that none waits for another thread to be
/// woken; what becomes of samples and records stays on the thread that blocks on it.
fn real() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(
        |error| Error::Usage(format!("cannot start the load generator's threads: {error}")),
    )
}
