//! Start the engine, put each load on it, stop it, again; then judge: [`Measurement`] → reports.

use std::time::Duration;

use perf_clock::Clock;
use perf_engine::{Address, Death, Engine, Running};
use perf_load::{Endpoint, LoadError};
use perf_model::compare::{Found, Places, compare};
use perf_model::evidence::{Evidence, StartEvidence};
use perf_model::report::LoadReport;
use perf_model::server::Server;
use perf_model::settings::Purpose;
use perf_model::snapshot;

use crate::baselines;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::records::write;
use crate::run::Run;
use crate::session::Session;

/// How long a server whose engine is dead may take until its process ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What is to be measured: the loads of a suite, on a server that an engine starts.
pub(crate) struct Measurement<'a> {
    /// The suite's name.
    pub(crate) suite: &'a str,
    /// Its loads.
    pub(crate) loads: &'a [Load],
    /// What was asked for, and where things are.
    pub(crate) session: &'a Session,
    /// What brings the server up.
    pub(crate) engine: &'a Engine,
    /// The server.
    pub(crate) server: &'a Server,
    /// The time in which all of it happens.
    pub(crate) clock: Clock,
}

/// Measures every load in as many engine starts as were asked for, and judges each.
pub(crate) async fn measure(what: &Measurement<'_>, mut interrupt: Interrupt) -> Result<Vec<LoadReport>> {
    let Measurement { suite, loads, session, engine, server, clock } = *what;
    let mut evidence: Vec<Vec<StartEvidence>> = vec![Vec::new(); loads.len()];
    for start in 1..=session.starts() {
        session.tell(suite, &format!("start {start} of {}", session.starts()));
        let mut progress = |what: &str| session.tell(suite, what);
        let mut running = tokio::select! {
            running = engine.start(server, start, clock, &mut progress) => running?,
            () = interrupt.wait() => return Err(Error::Interrupted(session.run_folder.clone())),
        };
        let result = one_start(what, start, &mut running, &mut interrupt).await;
        // The server goes before anything is said of the loads, whatever came of them.
        let stopped = running.stop().await;
        for (all, one) in evidence.iter_mut().zip(result?) {
            all.push(one);
        }
        stopped?;
    }
    loads.iter().zip(&evidence).map(|(load, starts)| judge(suite, session, load, starts)).collect()
}

/// Puts every load on a server that is up.
async fn one_start(
    what: &Measurement<'_>,
    start: u32,
    running: &mut Running,
    interrupt: &mut Interrupt,
) -> Result<Vec<StartEvidence>> {
    let Measurement { suite, loads, session, clock, .. } = *what;
    let endpoint = match running.address() {
        Address::Url(url) => Endpoint::http(url).map_err(|error| Error::Usage(error.to_string()))?,
        Address::InProcess(router) => Endpoint::in_process(router.clone()),
    };
    let fingerprint = running.fingerprint().clone();
    let mut evidence = Vec::new();
    for load in loads {
        let run = Run { suite, session, load, start, endpoint: &endpoint, fingerprint: &fingerprint, clock };
        let died = |death: Death| Error::ServerDied { load: load.declared.name.clone(), how: death.to_string() };
        let measured = tokio::select! {
            measured = run.measure() => measured,
            death = running.died() => return Err(died(death)),
            () = interrupt.wait() => return Err(Error::Interrupted(session.run_folder.clone())),
        };
        if requests_failed(&measured) {
            tokio::select! {
                death = running.died() => return Err(died(death)),
                () = interrupt.wait() => return Err(Error::Interrupted(session.run_folder.clone())),
                () = clock.sleep(LAST_WORDS) => {}
            }
        }
        evidence.push(measured?);
    }
    Ok(evidence)
}

/// Whether the server may be dying: one whose engine is dead fails every request, and is gone only seconds later.
fn requests_failed(measured: &Result<StartEvidence>) -> bool {
    match measured {
        Ok(evidence) => evidence.summary.failed() > 0,
        Err(error) => matches!(error, Error::Load { cause: LoadError::WarmUp { .. }, .. }),
    }
}

/// Holds a load's starts against its baseline, and leaves what was measured where it can be reviewed or accepted.
fn judge(suite: &str, session: &Session, load: &Load, starts: &[StartEvidence]) -> Result<LoadReport> {
    let evidence = Evidence { suite, load: &load.declared, guards: &load.guards, published: &load.published, starts };
    let folder = starts.first().map(|start| start.fingerprint.folder()).unwrap_or_default();
    let file = baselines::file(&session.root, &folder, suite, &load.declared.name);
    let found = baselines::find(&file);
    let places =
        Places { baseline_file: session.shown(&file), records: session.shown(&session.run_folder.join(suite)) };
    let refresh = session.settings.purpose == Purpose::Refresh;
    // On a refresh, a baseline that cannot be used is what the refresh is for.
    let found = if refresh && matches!(found, Found::Unusable(_)) { Found::Nothing } else { found };
    let report = compare(&evidence, &found, places);
    if let Some(measured) = evidence.as_baseline() {
        let candidate = baselines::file(&session.run_folder, &folder, suite, &load.declared.name);
        write(&candidate, &snapshot::render("perf/src/baselines.rs", &measured.to_yaml()))?;
        if refresh {
            baselines::write(&file, &measured)?;
        } else {
            baselines::leave_pending(&file, &measured, report.verdict);
        }
    }
    Ok(report)
}
