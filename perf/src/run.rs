//! One load in one engine start: samples → record → evidence. Main type: [`Run`].

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use perf_clock::Clock;
use perf_engine::{ServerGpus, Telemetry};
use perf_load::Endpoint;
use perf_model::analysis::run_analysis::RunAnalysis;
use perf_model::analysis::search::Searcher;
use perf_model::analysis::summary::Summary;
use perf_model::judge::results::RepetitionResult;
use perf_model::record::file::{End, Header, Part, Record};
use perf_model::record::finding::Finding;
use perf_model::record::fingerprint::Fingerprint;
use perf_model::record::sample::Sample;
use perf_model::record::search_probe::SearchProbe;
use perf_model::record::start_up::StartUp;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::hash::fnv_1a;
use perf_model::spec::load::Load as Declared;
use perf_store::record_file::RecordWriter;
use tokio::sync::Notify;

use crate::error::{Error, Result};
use crate::load::Load;
use crate::neighbours::Neighbour;
use crate::session::Session;
use crate::stall_detector::{GiveUp, StallDetector};

/// How long a server whose requests fell silent may take to say that it is well. One that does not hang
/// takes milliseconds.
const HEALTH_LIMIT: Duration = Duration::from_secs(1);

/// One load in one start.
pub(crate) struct Run<'a> {
    /// The suite's name.
    pub(crate) suite: &'a str,
    /// What was asked for, and where things are.
    pub(crate) session: &'a Session,
    /// The load.
    pub(crate) load: &'a Load,
    /// The part of the run that the start belongs to.
    pub(crate) part: Part,
    /// Which engine start of that part, from 1.
    pub(crate) start: u32,
    /// Which run of that start, from 1.
    pub(crate) number: u32,
    /// Where the server answers.
    pub(crate) endpoint: &'a Endpoint,
    /// What the server is and runs on.
    pub(crate) fingerprint: &'a Fingerprint,
    /// How the server started, where that is known.
    pub(crate) start_up: Option<StartUp>,
    /// The GPUs that the server runs on.
    pub(crate) gpus: &'a ServerGpus,
    /// The time in which it happens.
    pub(crate) clock: Clock,
    /// The server's place among those that share this machine.
    pub(crate) neighbour: Option<&'a Neighbour<'a>>,
}

impl Run<'_> {
    /// Measures it, and keeps its record; of a search, the record of every probe.
    pub(crate) async fn measure(&self) -> Result<RepetitionResult> {
        if let Some(searcher) = Searcher::new(&self.load.declared) {
            let searcher = searcher.map_err(|error| Error::Usage(error.to_string()))?;
            return self.search(searcher).await;
        }
        let record = self.record(&self.load.declared, None).await?;
        let RunAnalysis { summary, steady, faults, remarks, .. } = RunAnalysis::of(&record);
        self.session.tell(self.suite, &self.one_line(&summary));
        let (server, client) = record.end.map_or((None, None), |end| (end.server, end.client));
        let result = self.result(summary, faults, remarks);
        Ok(RepetitionResult { steady, server, client, ..result })
    }

    /// What it gave, without what only a single record has.
    pub(crate) fn result(
        &self,
        summary: Summary,
        faults: Vec<Finding>,
        remarks: Vec<Finding>,
    ) -> RepetitionResult {
        RepetitionResult {
            start: self.start,
            fingerprint: self.fingerprint.clone(),
            summary,
            steady: None,
            server: None,
            gpu_s: 0.0,
            client: None,
            remarks,
            faults,
        }
    }

    /// Puts a load on the server once, as declared or as a probe of a search, and keeps the record.
    pub(crate) async fn record(
        &self,
        declared: &Declared,
        search: Option<SearchProbe>,
    ) -> Result<Record> {
        let seed = self.seed(search.as_ref().map(|probe| probe.number));
        let header = Header {
            part: self.part,
            start: self.start,
            run: self.number,
            seed,
            search,
            start_up: self.start_up,
            calibration: perf_load::calibration(self.clock).await,
            ..Header::of(declared, self.suite, self.fingerprint.clone())
        }
        .on(self.gpus.setups());
        let moment = self.neighbour.map(Neighbour::moment);
        let mut record = RecordWriter::begin(&self.session.run_folder, &header)?;
        self.session.loads(self.suite, &self.title(), declared.requests, record.path(), self.clock);
        let mut samples = Vec::with_capacity(declared.requests as usize);
        let (mut trouble, mut stalled) = (None, None);
        let mut stalls = StallDetector::of(declared);
        let give_up = Notify::new();

        let telemetry = self.gpus.telemetry(self.clock);
        let mut gpu_readings = Vec::new();
        let mut observe = |sample: Sample| {
            // What came before is in the file when the server dies with a GPU.
            let read = telemetry.as_ref().map(Telemetry::take).unwrap_or_default();
            let kept = record.gpu_readings(&read).and_then(|()| record.sample(&sample));
            gpu_readings.extend(read);
            if let Err(error) = kept {
                trouble.get_or_insert(error);
                give_up.notify_one();
            }
            if let Some(why) = stalls.see(&sample) {
                stalled.get_or_insert((why, stalls.count));
                give_up.notify_one();
            }
            samples.push(sample);
        };
        let model = &self.fingerprint.model;
        let measured = tokio::select! {
            measured = perf_load::measure(declared, self.endpoint, model, seed, self.clock, &mut observe) => Some(measured),
            () = give_up.notified() => None,
        };
        if let Some(error) = trouble {
            return Err(error.into());
        }
        if let Some((why, count)) = stalled {
            return Err(self.silent(declared, why, count).await);
        }
        let cannot = |cause| Error::Load { load: declared.name.clone(), cause, log: None };
        let Some(measured) = measured.transpose().map_err(cannot)? else {
            return Err(Error::Usage(format!(
                "load `{}` ended early without a reason",
                declared.name
            )));
        };
        let gpu_clock_us = telemetry.as_ref().map(|telemetry| telemetry.clock_us(measured.began));
        let read = telemetry.map(Telemetry::finish).unwrap_or_default();
        record.gpu_readings(&read)?;
        gpu_readings.extend(read);
        let neighbours = self.neighbour.zip(moment).map(|(own, moment)| own.since(moment));
        let neighbours = neighbours.unwrap_or_default();
        let end = End { gpu_clock_us, neighbours, ..measured.end() };
        record.finish(&end)?;
        Ok(Record { header, samples, gpu_readings, end: Some(end) })
    }

    /// The error of a run that is given up because requests fell silent.
    async fn silent(&self, declared: &Declared, why: GiveUp, stalled: u32) -> Error {
        let (load, limit) = (declared.name.clone(), declared.stall_limit);
        let healthy = perf_load::is_healthy(self.endpoint, self.clock);
        let is_healthy = self.clock.timeout(HEALTH_LIMIT, healthy).await == Ok(true);
        if why == GiveUp::Hangs || !is_healthy {
            return Error::ServerHangs { load, stalled, limit, log: None };
        }
        Error::Stalled {
            load,
            stalled,
            requests: declared.requests,
            allowed: declared.failures_allowed,
            limit,
            log: None,
        }
    }

    /// Another for each load, start, run and probe, the same in every run: a run can be repeated, and none
    /// finds the prompts of another in a cache. A remote server outlives the run, so there each run
    /// has seeds of its own.
    fn seed(&self, probe: Option<u32>) -> u64 {
        let mut name = format!("{}/{}/{}", self.suite, self.load.declared.name, self.start);
        if self.number > 1 {
            let _ = write!(name, "/{}", self.number);
        }
        if let Some(probe) = probe {
            let _ = write!(name, "/probe-{probe}");
        }
        let seed = fnv_1a(name.as_bytes());
        if self.fingerprint.engine != EngineKind::Remote {
            return seed;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        seed.wrapping_add(now.as_secs())
    }

    /// Which run of which load it is, for a line of progress.
    pub(crate) fn title(&self) -> String {
        let place = self.part.folder(self.start, self.number).replace('-', " ").replace('/', ", ");
        format!("{place}, {}", self.load.declared.name)
    }

    fn one_line(&self, summary: &Summary) -> String {
        format!(
            "{}: {} requests, {} failed, {} output tokens in {:.1} s",
            self.title(),
            summary.requests,
            summary.failed(),
            summary.output_tokens,
            summary.duration_s
        )
    }
}
