//! A scenario before it runs: [`plan`].

use std::fmt::Write;

use perf_model::spec::metric::Direction;
use perf_model::spec::plan::{Plan, PlannedLoad, PlannedSweep};
use perf_model::spec::tier::Tier;

use super::wrap::{folded, wrapped};

/// A suite's server, its loads with their guards, and the state of each baseline.
pub fn plan(scenario: &str, plan: &Plan) -> String {
    let gpus = match plan.gpus {
        0 => "no GPU".to_owned(),
        1 => "1 GPU".to_owned(),
        gpus => format!("{gpus} GPUs"),
    };
    if let Some(PlannedSweep { cells, servers }) = plan.sweep {
        return folded(&format!(
            "{scenario}\n  sweep {} · {} · up to {gpus}\n  {cells} cells on {servers} servers: `cargo xtask perf sweep {}`\n",
            plan.suite, plan.model, plan.suite
        ));
    }
    let mut text =
        folded(&format!("{scenario}\n  suite {} · {} · {gpus}\n", plan.suite, plan.model));
    if let Some(why) = &plan.skipped {
        text.push_str(&wrapped(&format!("skipped on this machine: {why}"), "  "));
    }
    for PlannedLoad { load, tier, guards, baseline, .. } in &plan.loads {
        let state = match (&baseline.fault, baseline.is_recorded, baseline.file.as_str()) {
            (Some(why), ..) => why.clone(),
            (None, true, file) => file.to_owned(),
            (None, false, "") => "known only after a start".to_owned(),
            (None, false, _) => "not recorded yet".to_owned(),
        };
        let tier = match tier {
            Tier::PullRequest => String::new(),
            later => format!(" [{later}]"),
        };
        let line = format!("load {}{tier}: {}", load.name, load.describe_arrivals());
        text.push_str(&wrapped(&line, "  "));
        text.push_str(&wrapped(&format!("baseline: {state}"), "    "));
        for guard in guards {
            let side = match guard.metric.direction() {
                Direction::HigherIsBetter => "may drop",
                Direction::LowerIsBetter => "may rise",
            };
            let _ = writeln!(text, "    guard: {} {side} {}", guard.metric.label(), guard.slack);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use perf_model::fixtures;
    use perf_model::spec::engine_kind::EngineKind;
    use perf_model::spec::guard::Guard;
    use perf_model::spec::plan::BaselineStatus;
    use perf_model::spec::units::percent;

    use super::*;

    #[test]
    fn a_plan_names_server_loads_guards_and_the_state_of_the_baseline() {
        let guard = |key: &str| Guard::new(key.parse().unwrap(), percent(2.5));
        let load = PlannedLoad {
            suite: "s".into(),
            load: fixtures::load(),
            tier: Tier::PullRequest,
            guards: vec![guard("output_throughput_tok_per_s"), guard("ttft_p50_ms")],
            baseline: BaselineStatus::default(),
        };
        let file = "baselines/simulated/s/chat.snap".to_owned();
        let recorded = BaselineStatus { file, is_recorded: true, ..BaselineStatus::default() };
        let plan = Plan {
            suite: "s".into(),
            engine: EngineKind::Simulated,
            model: "tiny".into(),
            gpus: 2,
            refused: None,
            skipped: Some("needs 2 GPUs; 0 are visible".into()),
            loads: vec![
                load.clone(),
                PlannedLoad { baseline: recorded, tier: Tier::Nightly, ..load },
            ],
            left_out: Vec::new(),
            sweep: None,
        };
        insta::assert_snapshot!(super::plan("file::test", &plan), @"
        file::test
          suite s · tiny · 2 GPUs
          skipped on this machine: needs 2 GPUs; 0 are visible
          load chat: poisson 2.5 requests/s, 100 requests after 8 to warm up
            baseline: known only after a start
            guard: output throughput may drop 2.5 %
            guard: TTFT P50 may rise 2.5 %
          load chat [nightly]: poisson 2.5 requests/s, 100 requests after 8 to warm up
            baseline: baselines/simulated/s/chat.snap
            guard: output throughput may drop 2.5 %
            guard: TTFT P50 may rise 2.5 %
        ");
        let sweep = Some(PlannedSweep { cells: 40, servers: 10 });
        insta::assert_snapshot!(super::plan("file::test", &Plan { sweep, ..plan }), @"
        file::test
          sweep s · tiny · up to 2 GPUs
          40 cells on 10 servers: `cargo xtask perf sweep s`
        ");
    }
}
