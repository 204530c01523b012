//! How much a run measures: the tier that was asked for, its budget, and what it leaves out.

use anyhow::{Result, bail};
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::plan::Plan;
use perf_model::spec::settings::{Purpose, Settings};
use perf_model::spec::tier::Tier;

use crate::cli::On;

/// The tier of a run. Without `--tier`: that of pull requests, or everything that is named.
pub(crate) fn of(on: &On) -> Tier {
    usual(on.tier, &on.filters)
}

/// The same of any command.
pub(crate) fn usual(asked: Option<Tier>, filters: &[String]) -> Tier {
    asked.unwrap_or(if filters.is_empty() { Tier::PullRequest } else { Tier::Full })
}

/// Gives a run without a budget that of its tier. A refresh measures a fixed number of starts, and
/// simulated GPU time costs nothing.
pub(crate) fn budget(settings: &mut Settings, config: &Config) {
    let is_free = settings.engine == EngineKind::Simulated || settings.purpose == Purpose::Refresh;
    let budget = &mut settings.budget;
    if is_free || budget.starts.is_some() || budget.gpu_s.is_some() {
        return;
    }
    if let Some(time) = config.tiers.budget(settings.tier) {
        eprintln!(
            "budget: {time} of GPU time, of tier {} in perf.toml; --budget overrides it",
            settings.tier
        );
        budget.gpu_s = Some(time.seconds());
    }
}

/// What the tier leaves out of the run.
///
/// # Errors
/// When it leaves out everything that was asked for.
pub(crate) fn left_out(plans: &[Vec<Plan>], tier: Tier) -> Result<Vec<String>> {
    let left_out: Vec<String> =
        plans.iter().flatten().flat_map(|plan| plan.left_out.iter().cloned()).collect();
    if !plans.is_empty() && !plans.iter().any(|plans| measures(plans)) && !left_out.is_empty() {
        bail!("tier {tier} leaves out all of it: {}; use --tier full", left_out.join(", "));
    }
    Ok(left_out)
}

/// Whether a scenario has anything left that its tier measures. A sweep has a command of its own.
pub(crate) fn measures(plans: &[Plan]) -> bool {
    plans.iter().any(|plan| !plan.is_left_out() && plan.sweep.is_none())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use perf_model::spec::settings::Budget;

    use super::*;
    use crate::cli::{Cli, Task};

    fn tier(line: &str) -> Tier {
        let Task::Perf(perf) = Cli::parse_from(line.split_whitespace()).task;
        of(&perf.gate.on)
    }

    #[test]
    fn a_run_of_everything_is_of_pull_requests_and_what_is_named_runs_in_any_tier() {
        assert_eq!(tier("xtask perf"), Tier::PullRequest);
        assert_eq!(tier("xtask perf long_context"), Tier::Full);
        assert_eq!(tier("xtask perf long_context --tier pr"), Tier::PullRequest);
        assert_eq!(tier("xtask perf --tier nightly"), Tier::Nightly);
    }

    #[test]
    fn a_tier_has_a_budget_where_gpu_time_costs_something_and_no_other_was_given() {
        let config = Config::from_toml("[tiers]\npr = \"30m\"\n").unwrap();
        let given = |engine, purpose, tier, budget| {
            let mut settings = Settings { engine, purpose, tier, budget, ..Settings::default() };
            super::budget(&mut settings, &config);
            settings.budget
        };
        let (none, starts) = (Budget::default(), Budget { starts: Some(4), gpu_s: None });
        let (docker, gate, pr) = (EngineKind::Docker, Purpose::Gate, Tier::PullRequest);
        assert_eq!(given(docker, gate, pr, none), Budget { starts: None, gpu_s: Some(1_800.0) });
        assert_eq!(given(docker, gate, Tier::Full, none), none);
        assert_eq!(given(docker, gate, pr, starts), starts);
        assert_eq!(given(docker, Purpose::Refresh, pr, none), none);
        assert_eq!(given(EngineKind::Simulated, gate, pr, none), none);
    }

    #[test]
    fn what_leaves_nothing_to_measure_is_an_error() {
        let plan = |left_out: &[&str]| Plan {
            left_out: left_out.iter().map(|name| (*name).to_owned()).collect(),
            suite: "s".into(),
            engine: EngineKind::Simulated,
            model: "tiny".into(),
            gpus: 1,
            refused: None,
            skipped: None,
            loads: Vec::new(),
            sweep: None,
        };
        let error = left_out(&[vec![plan(&["s"])]], Tier::PullRequest).unwrap_err().to_string();
        assert_eq!(error, "tier pr leaves out all of it: s; use --tier full");
        let both = [vec![plan(&["s"])], vec![plan(&[])]];
        assert_eq!(left_out(&both, Tier::PullRequest).unwrap(), ["s"]);
        assert!(!measures(&both[0]) && measures(&both[1]));
    }
}
