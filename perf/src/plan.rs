//! What would be measured and guarded, without measuring anything: [`plan`].

use perf_engine::Engine;
use perf_model::spec::plan::{BaselineStatus, Plan, PlannedLoad};
use perf_model::spec::server::Server;

use crate::load::Load;

/// The plan of a suite. Of a suite that this machine cannot run, nothing is said of the baselines.
pub(crate) fn plan(
    suite: &str,
    loads: &[Load],
    engine: &Engine,
    server: &Server,
    baselines: Vec<BaselineStatus>,
    left_out: Vec<String>,
) -> Plan {
    let skipped = engine.can_run(server).err();
    let status = |status: BaselineStatus| match skipped {
        None => status,
        Some(_) => BaselineStatus { fault: None, note: None, ..status },
    };
    let loads = loads.iter().zip(baselines).map(|(load, baseline)| PlannedLoad {
        suite: suite.to_owned(),
        load: load.declared.clone(),
        tier: load.tier,
        guards: load.guards.clone(),
        baseline: status(baseline),
    });
    Plan {
        suite: suite.to_owned(),
        engine: engine.kind(),
        model: server.model.clone(),
        gpus: server.gpus,
        refused: None,
        loads: loads.collect(),
        left_out,
        skipped,
        sweep: None,
    }
}
