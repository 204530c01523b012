//! Puts one load on the server, keeps its record and judges whether it may be believed: [`Server::put`].

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use perf_clock::Clock;
use perf_load::{Endpoint, LoadError, Measured};
use perf_model::analysis::run_analysis::RunAnalysis;
use perf_model::record::file::{End, Header, Record};
use perf_model::record::finding::{Finding, FindingCode};
use perf_model::record::fingerprint::Fingerprint;
use perf_model::record::sample::{FailureKind, Sample};
use perf_model::record::search_probe::SearchProbe;
use perf_model::spec::load::Load;
use perf_store::record_file::RecordWriter;

use crate::cli::Cli;
use crate::outcome::Outcome;
use crate::target::Target;

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
    pub(crate) asked: &'a Cli,
    pub(crate) endpoint: Endpoint,
    pub(crate) found: Target,
    pub(crate) clock: Clock,
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
