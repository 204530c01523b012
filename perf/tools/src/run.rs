//! Puts the loads on the server, keeps their records and judges whether they may be believed:
//! [`all`].

use std::pin::pin;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use perf_clock::Clock;
use perf_load::{Endpoint, LoadError, Measured};
use perf_model::analysis::run_analysis::RunAnalysis;
use perf_model::judge::exit_code;
use perf_model::record::file::{End, Header, Record};
use perf_model::record::finding::{Finding, FindingCode};
use perf_model::record::fingerprint::Fingerprint;
use perf_model::record::sample::{FailureKind, Sample};
use perf_model::record::search_probe::SearchProbe;
use perf_model::spec::load::Load;
use perf_store::record_file::RecordWriter;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Cli, Format};
use crate::outcome::Outcome;
use crate::save::Save;
use crate::target::Target;
use crate::{output, search, sweep, target};

/// Why nothing came of it.
pub(crate) enum Failure {
    /// The command line, or a file that it names, is wrong.
    Usage(anyhow::Error),
    /// The server does not answer, or failed while it was warmed up.
    Unmeasured(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Usage(error)
    }
}

/// The server that was asked for.
pub(crate) struct Server<'a> {
    asked: &'a Cli,
    endpoint: Endpoint,
    found: Target,
    clock: Clock,
}

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

impl Server<'_> {
    /// Puts a load on the server, as declared or as a probe of a search.
    pub(crate) async fn put(
        &self,
        load: Load,
        search: Option<SearchProbe>,
        interrupt: &mut (impl Future<Output = &'static str> + Unpin),
    ) -> Result<Outcome, Failure> {
        let probe = search.as_ref().map_or(0, |probe| u64::from(probe.number));
        let seed = self.asked.seed.map_or_else(another_seed, |seed| seed.wrapping_add(probe));
        let calibration = perf_load::calibration(self.clock).await;
        let header = Header {
            seed,
            search,
            calibration,
            ..Header::of(&load, "load", self.found.fingerprint.clone())
        };
        let records = self.asked.records.as_deref();
        let mut writer = records
            .map(|folder| RecordWriter::begin(folder, &header))
            .transpose()
            .map_err(anyhow::Error::from)?;
        let path = writer.as_ref().map(|writer| writer.path().to_owned());
        let mut trouble = None;
        let mut samples = Vec::with_capacity(load.requests as usize);
        let mut observe = |sample: Sample| {
            if let Some(Err(error)) = writer.as_mut().map(|writer| writer.sample(&sample)) {
                trouble.get_or_insert(error);
            }
            samples.push(sample);
        };
        let Target { fingerprint: Fingerprint { model, .. }, hint } = &self.found;
        let measured = tokio::select! {
            measured = perf_load::measure(&load, &self.endpoint, model, seed, self.clock, &mut observe) => Ok(measured),
            signal = interrupt => Err(signal),
        };
        let (measured, reason) = match measured {
            Ok(Ok(measured)) => (measured, None),
            Ok(Err(error)) => {
                if let Some(writer) = writer {
                    let end = End { reason: Some(error.to_string()), ..End::default() };
                    writer.finish(&end).map_err(anyhow::Error::from)?;
                }
                return Err(match (&error, hint) {
                    (LoadError::WarmUp { kind: FailureKind::Refused, .. }, Some(hint)) => {
                        Failure::Unmeasured(anyhow!("{error}; {hint}"))
                    }
                    (LoadError::WarmUp { .. } | LoadError::Metrics { .. }, _) => {
                        Failure::Unmeasured(error.into())
                    }
                    _ => Failure::Usage(error.into()),
                });
            }
            Err(signal) => (Measured::default(), Some(format!("interrupted by {signal}"))),
        };
        let end = End { complete: reason.is_none(), reason, ..measured.end() };
        if let Some(Err(error)) = writer.map(|writer| writer.finish(&end)) {
            trouble.get_or_insert(error);
        }
        let record = Record::of(header, samples, Some(end));
        let mut analysis = RunAnalysis::of(&record);
        // A gateway may serve what it does not list, so that this is said only of one that served
        // nothing.
        if analysis.summary.failures.get(&FailureKind::Refused) == Some(&analysis.summary.requests)
        {
            let hint = hint.as_ref().map(|what| Finding::new(FindingCode::ModelNotListed, what));
            analysis.remarks.extend(hint);
        }
        Ok(Outcome { load, record, path, analysis, trouble })
    }
}

/// The server outlives the run and remembers prompts: every run has seeds of its own.
fn another_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
