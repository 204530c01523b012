//! What would be guarded, without measuring anything: [`plan`].

use perf_engine::Engine;
use perf_model::judge::report::{GuardRow, LoadReport, Row, SuiteReport};
use perf_model::judge::verdict::Verdict;
use perf_model::spec::server::Server;

use crate::load::Load;
use crate::preflight::Standing;

/// A suite's loads with their guards, and what is known of their baselines. Its verdict is
/// `Skipped` where this machine cannot run it, and that of a load `Invalid` where measuring it
/// would be to no use.
pub(crate) fn plan(
    suite: &str,
    loads: &[Load],
    engine: &Engine,
    server: &Server,
    standing: Vec<Standing>,
) -> SuiteReport {
    let (verdict, remark) = match engine.can_run(server) {
        Ok(()) => (Verdict::Unrecorded, None),
        Err(why) => (Verdict::Skipped, Some(why)),
    };
    let can_run = verdict != Verdict::Skipped;
    let loads =
        loads.iter().zip(standing).map(|(load, Standing { baseline_file, fault, note })| {
            LoadReport {
                suite: suite.to_owned(),
                load: load.declared.name.clone(),
                engine: engine.kind(),
                hardware: String::new(),
                workload: load.declared.describe(),
                arrivals: load.declared.describe_arrivals(),
                starts: 0,
                verdict: if can_run && fault.is_some() { Verdict::Invalid } else { verdict },
                rows: rows(load),
                under_test: Vec::new(),
                incomparable: Vec::new(),
                faults: fault.into_iter().filter(|_| can_run).collect(),
                notes: note.into_iter().filter(|_| can_run).collect(),
                baseline_file,
                records: String::new(),
            }
        });
    SuiteReport {
        suite: suite.to_owned(),
        engine: engine.kind(),
        verdict,
        loads: loads.collect(),
        remark,
        gpu_s: 0.0,
    }
}

fn rows(load: &Load) -> Vec<Row> {
    let guard = |slack| GuardRow {
        slack,
        band: None,
        limit: None,
        interval: None,
        verdict: Verdict::Unrecorded,
        is_open: true,
        reason: None,
    };
    let row = |metric, slack| Row {
        metric,
        published: None,
        baseline: None,
        measured: None,
        starts: Vec::new(),
        change: None,
        guard: Some(guard(slack)),
    };
    load.guards.iter().map(|guard| row(guard.metric, guard.slack)).collect()
}
