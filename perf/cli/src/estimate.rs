//! What a run on a real engine will take, as its baselines say: [`suites`].

use perf_model::judge::baseline::Baseline;
use perf_model::judge::gate::Gate;
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::plan::Plan;
use perf_model::spec::settings::{Purpose, Settings};
use perf_report::terminal::SuiteCost;

/// The cost of each suite of these plans if nothing changed. None on the simulated engine, whose time
/// costs nothing.
pub(crate) fn suites(
    plans: &[Plan],
    before: &[Baseline],
    gate: &Gate,
    settings: &Settings,
    config: &Config,
) -> Vec<SuiteCost> {
    if settings.engine == EngineKind::Simulated {
        return Vec::new();
    }
    let runs = |plan: &&Plan| plan.skipped.is_none() && !plan.loads.is_empty();
    plans.iter().filter(runs).map(|plan| of(plan, before, gate, settings, config)).collect()
}

fn of(
    plan: &Plan,
    before: &[Baseline],
    gate: &Gate,
    settings: &Settings,
    config: &Config,
) -> SuiteCost {
    let of_it = plan.loads.iter().filter_map(|load| {
        let is_it = |old: &&Baseline| old.suite == load.suite && old.load == load.load.name;
        Some((load, before.iter().find(is_it)?))
    });
    let of_it: Vec<_> = of_it.collect();
    let cost = of_it.iter().map(|(_, baseline)| baseline.gpu_s_per_start).reduce(f64::max);
    let starts = match settings.purpose {
        Purpose::Refresh => f64::from(settings.starts.unwrap_or(config.starts)),
        Purpose::Compare => {
            2.0 * f64::from(settings.budget.starts.unwrap_or(config.gate.compare_pairs))
        }
        // A load stops when its last guard is decided, and a suite with its last load.
        Purpose::Gate => of_it
            .iter()
            .flat_map(|(load, baseline)| load.guards.iter().map(move |guard| (guard, baseline)))
            .filter_map(|(guard, baseline)| {
                let sessions = baseline.sessions(guard.metric);
                Some(gate.power(guard, sessions, 0.0).ok()?.starts)
            })
            .fold(1.0, f64::max),
    };
    SuiteCost {
        suite: plan.suite.clone(),
        starts,
        gpu_s_per_start: cost.filter(|cost| *cost > 0.0),
        gpus: plan.gpus,
    }
}
