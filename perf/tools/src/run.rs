//! What was asked for, whole: finds the server, puts every load on it and prints what came of them: [`all`].

use std::pin::pin;

use anyhow::{Context, anyhow};
use perf_clock::Clock;
use perf_load::Endpoint;
use perf_model::judge::exit_code;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Cli, Format};
use crate::save::Save;
use crate::server::{Failure, Server};
use crate::{output, search, sweep, target};

/// Puts every load on the server, prints the results, and gives the exit code.
///
/// What was measured is printed and saved even when a later load fails; that failure is printed
/// last and decides the code.
pub(crate) async fn all(asked: &Cli) -> Result<u8, Failure> {
    let mut loads = sweep::points(asked)?;
    let is_search = loads.iter().any(|load| load.search.is_some());
    if is_search && (asked.format != Format::Table || asked.save.is_some()) {
        return Err(anyhow!(
            "a search is shown as a table; leave out --format and --save, its probes are in --records"
        )
        .into());
    }
    if asked.format == Format::VllmBench && asked.sweep.is_some() {
        return Err(
            anyhow!("--format vllm-bench holds one run; with --sweep take --format json").into()
        );
    }
    for load in &mut loads {
        perf_load::check(load).map_err(|error| Failure::Usage(error.into()))?;
        perf_load::identify(load).map_err(|error| Failure::Usage(error.into()))?;
    }
    let endpoint = Endpoint::connect(&asked.url, &asked.access()?)
        .map_err(|error| Failure::Usage(error.into()))?;
    endpoint.warnings().iter().for_each(|warning| eprintln!("warning: {warning}"));
    let save = asked.save.as_deref().map(Save::begin).transpose()?;
    let clock = Clock::real();
    let mut interrupt = pin!(interrupt()?);
    let found = tokio::select! {
        found = target::find(asked, &endpoint, clock) => found.map_err(Failure::Unmeasured)?,
        signal = &mut interrupt => {
            eprintln!("interrupted by {signal} before anything was sent; nothing was recorded");
            return Ok(exit_code::INTERRUPTED);
        }
    };
    let server = Server { asked, endpoint, found, clock };
    if let Some(searched) = loads.iter().find(|load| load.search.is_some()) {
        return search::search(&server, searched, &mut interrupt).await;
    }
    let points = loads.len();
    let mut all = Vec::new();
    let mut failed = None;
    for load in loads {
        eprintln!("{}: {}", load.name, load.describe_arrivals());
        match server.put(load, None, &mut interrupt).await {
            Ok(ran) => all.push(ran),
            Err(failure) => failed = Some(failure),
        }
        let last = all.last_mut().filter(|_| failed.is_none());
        if last.is_none_or(|ran| !ran.record.is_complete() || ran.trouble.is_some()) {
            break;
        }
    }
    if all.is_empty()
        && let Some(failure) = failed
    {
        return Err(failure);
    }
    output::result(asked, &all, save)?;
    if let Some(failure) = failed {
        eprintln!("{} of {points} points were measured; the next could not be", all.len());
        return Err(failure);
    }
    if let Some(trouble) = all.iter_mut().find_map(|ran| ran.trouble.take()) {
        return Err(anyhow::Error::from(trouble).context("the record is incomplete").into());
    }
    let interrupted = all.iter().any(|ran| !ran.record.is_complete());
    Ok(match all.iter().any(|ran| !ran.analysis.faults.is_empty()) {
        _ if interrupted => exit_code::INTERRUPTED,
        true => exit_code::INVALID,
        false => exit_code::HELD,
    })
}

/// Listens for Ctrl-C, SIGTERM and the end of the terminal. The future waits for any of them and
/// names it.
fn interrupt() -> anyhow::Result<impl Future<Output = &'static str>> {
    let listen = |kind| signal(kind).context("cannot listen for Ctrl-C, so nothing is sent");
    let (mut interrupted, mut terminated) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut hung_up = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => "Ctrl-C (SIGINT)",
            _ = terminated.recv() => "SIGTERM",
            _ = hung_up.recv() => "the end of its terminal (SIGHUP)",
        }
    })
}
