//! What the engine does without a server, beside what the loads reached through it: [`cross_check`].
//! A note for the reader, never a verdict: it shows what HTTP, the scheduling of real arrivals and this
//! client cost, and a client that loses throughput.

use std::time::Duration;

use perf_engine::Engine;
use perf_model::interop::vllm_throughput::{OfflineLoad, OfflineThroughput};
use perf_model::judge::report::LoadReport;
use perf_model::record::finding::{Finding, FindingCode};
use perf_model::spec::metric::{Metric, Quantity};

use crate::budget::{Budget, Measured};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::start::Place;

/// The longest that the engine may take for one load, its start included.
const PATIENCE: Duration = Duration::from_hours(1);

/// Does the work of each load once with `vllm bench throughput`, and notes it in the report of the load.
///
/// # Errors
/// Only when the run is interrupted. A check that cannot be made is a note as well.
pub(crate) async fn cross_check(
    place: Place<'_>,
    engine: &Engine,
    loads: &[Load],
    measured: &mut Measured,
    mut interrupt: Interrupt,
) -> Result {
    let mut budget = Budget::new(place);
    for load in loads {
        let name = &load.declared.name;
        let Some(report) = measured.loads.iter_mut().find(|report| report.load == *name) else {
            continue;
        };
        let begun = place.clock.now();
        let note = tokio::select! {
            checked = check(place, engine, load, report) => match checked {
                Ok(line) => Finding::new(FindingCode::OfflineThroughput, line),
                Err(why) => Finding::new(
                    FindingCode::Unchecked,
                    format!("no cross-check by `vllm bench throughput`: {why}"),
                ),
            },
            () = interrupt.wait() => {
                return Err(Error::Interrupted(place.session.run_folder.clone()));
            }
        };
        measured.gpu_s += budget.count(begun, place.clock.now(), &mut []);
        report.notes.push(note);
    }
    Ok(())
}

/// What the engine did offline, on one line; or why that is not known.
async fn check(
    place: Place<'_>,
    engine: &Engine,
    load: &Load,
    report: &LoadReport,
) -> std::result::Result<String, String> {
    let Place { suite, session, server, clock } = place;
    let declared = &load.declared;
    let throughput = Metric::whole_server(Quantity::OutputThroughput);
    let row = report.rows.iter().find(|row| Some(row.metric) == throughput);
    let through = row.and_then(|row| row.measured).filter(|_| report.faults.is_empty());
    let through = through.ok_or("the load has no valid output throughput to compare")?;
    let offline = OfflineLoad::of(declared, server)?;

    let log = session.run_folder.join(suite).join("offline").join(format!("{}.log", declared.name));
    let shown = session.shown(&log);
    let mut progress = |what: &str| session.doing(suite, "cross-check", what);
    let server = offline.server(server);
    let run = engine.run_offline(&server, &offline.options, &log, clock, &mut progress);
    let ended = tokio::select! {
        ended = run => ended.map_err(|error| error.to_string())?,
        () = clock.sleep(PATIENCE) => {
            return Err(format!("it ran for more than {} min; its log is in {shown}", PATIENCE.as_secs() / 60));
        }
    };
    let found = OfflineThroughput::read(&ended.log_tail).filter(|_| ended.exit_code == Some(0));
    let found = found.ok_or_else(|| {
        let code = ended.exit_code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
        let last = ended.cause.as_ref().or(ended.log_tail.iter().rfind(|line| !line.is_empty()));
        let last = last.map_or(String::new(), |line| format!(": {line}"));
        format!("it ended with exit code {code} and no result{last}; its log is in {shown}")
    })?;
    Ok(found.beside(through, declared.requests, offline.max_num_seqs))
}
