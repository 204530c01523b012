//! Start the engine, put each load on it, stop it, again: samples → records → reports.

use std::time::{SystemTime, UNIX_EPOCH};

use perf_clock::Clock;
use perf_engine::{Address, Engine, Running};
use perf_load::{Endpoint, Measured};
use perf_model::compare::{Evidence, Found, Places, StartEvidence, compare};
use perf_model::fingerprint::{EngineKind, Fingerprint};
use perf_model::record::{End, Header, SCHEMA};
use perf_model::report::LoadReport;
use perf_model::sample::{FailureKind, Outcome, Sample};
use perf_model::server::Server;
use perf_model::settings::Purpose;
use perf_model::snapshot;
use perf_model::summary::summarize;
use perf_model::validity::faults;
use tokio::sync::Notify;

use crate::baselines;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::records::{RecordWriter, write};
use crate::session::Session;
use crate::suite::Suite;

/// Measures every load of a suite in as many engine starts as were asked for, and judges each.
pub(crate) async fn measure(
    suite: &Suite,
    session: &Session,
    engine: &Engine,
    server: &Server,
    clock: Clock,
    mut interrupt: Interrupt,
) -> Result<Vec<LoadReport>> {
    let mut evidence: Vec<Vec<StartEvidence>> = vec![Vec::new(); suite.loads.len()];
    for start in 1..=session.starts() {
        session.tell(&suite.name, &format!("start {start} of {}", session.starts()));
        let mut progress = |what: &str| session.tell(&suite.name, what);
        let mut running = tokio::select! {
            running = engine.start(server, start, clock, &mut progress) => running?,
            () = interrupt.wait() => return Err(Error::Interrupted(session.run_folder.clone())),
        };
        let result = one_start(suite, session, start, &mut running, clock, &mut interrupt).await;
        // The server goes before anything is said of the loads, whatever came of them.
        let stopped = running.stop().await;
        for (all, one) in evidence.iter_mut().zip(result?) {
            all.push(one);
        }
        stopped?;
    }
    suite.loads.iter().zip(&evidence).map(|(load, starts)| judge(suite, session, load, starts)).collect()
}

/// Puts every load on a server that is up.
async fn one_start(
    suite: &Suite,
    session: &Session,
    start: u32,
    running: &mut Running,
    clock: Clock,
    interrupt: &mut Interrupt,
) -> Result<Vec<StartEvidence>> {
    let endpoint = match running.address() {
        Address::Url(url) => Endpoint::http(url).map_err(|error| Error::Usage(error.to_string()))?,
        Address::InProcess(router) => Endpoint::in_process(router.clone()),
    };
    let fingerprint = running.fingerprint().clone();
    let mut evidence = Vec::new();
    for load in &suite.loads {
        let run = Run { suite, session, load, start, endpoint: &endpoint, fingerprint: &fingerprint, clock };
        let measured = tokio::select! {
            measured = run.measure() => measured?,
            death = running.died() => {
                let how = death.to_string();
                return Err(Error::ServerDied { load: load.declared.name.clone(), how });
            }
            () = interrupt.wait() => return Err(Error::Interrupted(session.run_folder.clone())),
        };
        evidence.push(measured);
    }
    Ok(evidence)
}

/// One load in one start.
struct Run<'a> {
    suite: &'a Suite,
    session: &'a Session,
    load: &'a Load,
    start: u32,
    endpoint: &'a Endpoint,
    fingerprint: &'a Fingerprint,
    clock: Clock,
}

impl Run<'_> {
    async fn measure(&self) -> Result<StartEvidence> {
        let declared = &self.load.declared;
        let folder = self.session.run_folder.join(&self.suite.name).join(format!("start-{}", self.start));
        let seed = self.seed();
        let path = folder.join(format!("{}.jsonl", declared.name));
        let mut record = RecordWriter::begin(path, self.header(seed))?;
        let mut samples = Vec::with_capacity(declared.requests as usize);
        let mut trouble = None;
        let give_up = Notify::new();

        let mut observe = |sample: Sample| {
            if let Err(error) = record.sample(&sample) {
                trouble.get_or_insert(error);
                give_up.notify_one();
            }
            if matches!(sample.outcome, Outcome::Failed { kind: FailureKind::Stalled, .. }) {
                let hangs = Error::ServerHangs { load: declared.name.clone(), seconds: declared.stall_limit.as_secs() };
                trouble.get_or_insert(hangs);
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
            return Err(error);
        }
        let cannot = |cause| Error::Load { load: declared.name.clone(), cause };
        let Some(Measured { server, lateness_p99_ms, .. }) = measured.transpose().map_err(cannot)? else {
            return Err(Error::Usage(format!("load `{}` was given up without a reason", declared.name)));
        };
        record.finish(End { complete: true, reason: None, server })?;

        let summary = summarize(&samples, &declared.objectives);
        self.session.tell(&self.suite.name, &self.in_a_word(&summary));
        let faults = faults(declared, &summary, server.as_ref(), lateness_p99_ms);
        Ok(StartEvidence { fingerprint: self.fingerprint.clone(), summary, server, faults })
    }

    /// Another for each load and start, the same in every run: a run can be repeated, and none finds the prompts of another
    /// in a cache. A remote server outlives the run, so there each run has seeds of its own.
    fn seed(&self) -> u64 {
        let name = format!("{}/{}/{}", self.suite.name, self.load.declared.name, self.start);
        let seed = fnv_1a(name.as_bytes());
        if self.fingerprint.engine != EngineKind::Remote {
            return seed;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        seed.wrapping_add(now.as_secs())
    }

    fn header(&self, seed: u64) -> Header {
        Header {
            schema: SCHEMA,
            suite: self.suite.name.clone(),
            load: self.load.declared.name.clone(),
            start: self.start,
            seed,
            workload: self.load.declared.describe(),
            arrivals: self.load.declared.describe_arrivals(),
            objectives: self.load.declared.objectives.clone(),
            fingerprint: self.fingerprint.clone(),
        }
    }

    fn in_a_word(&self, summary: &perf_model::summary::Summary) -> String {
        format!(
            "start {}, {}: {} requests, {} failed, {} output tokens in {:.1} s",
            self.start,
            self.load.declared.name,
            summary.requests,
            summary.failed(),
            summary.output_tokens,
            summary.duration_s
        )
    }
}

/// FNV-1a in 64 bits, with its published offset and prime: a hash that is the same on every machine and in every version.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Holds a load's starts against its baseline, and leaves what was measured where it can be reviewed or accepted.
fn judge(suite: &Suite, session: &Session, load: &Load, starts: &[StartEvidence]) -> Result<LoadReport> {
    let evidence =
        Evidence { suite: &suite.name, load: &load.declared, guards: &load.guards, published: &load.published, starts };
    let folder = starts.first().map(|start| start.fingerprint.folder()).unwrap_or_default();
    let file = baselines::file(&session.root, &folder, &suite.name, &load.declared.name);
    let found = baselines::find(&file);
    let places =
        Places { baseline_file: session.shown(&file), records: session.shown(&session.run_folder.join(&suite.name)) };
    let refresh = session.settings.purpose == Purpose::Refresh;
    // On a refresh, a baseline that cannot be used is what the refresh is for.
    let found = if refresh && matches!(found, Found::Unusable(_)) { Found::Nothing } else { found };
    let report = compare(&evidence, &found, places);
    if let Some(measured) = evidence.as_baseline() {
        let candidate = baselines::file(&session.run_folder, &folder, &suite.name, &load.declared.name);
        write(&candidate, &snapshot::render("perf/src/baselines.rs", &measured.to_yaml()))?;
        if refresh {
            baselines::write(&file, &measured)?;
        } else {
            baselines::leave_pending(&file, &measured, report.verdict);
        }
    }
    Ok(report)
}
