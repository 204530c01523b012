//! A run that is split over several machines: [`Split`]. Every part knows it before it measures, because
//! the guards of all parts share one error rate.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::spec::code::Code;
use crate::spec::file_name::is_file_name;
use crate::spec::plan::Plan;
use crate::spec::tier::Tier;

/// The version of the file that this code writes.
pub const SCHEMA: u32 = 1;

/// A machine as it is named on the command line: `gpu-1x-h100`, or `gpu-1x-h100=1` with its GPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its name, which becomes that of its part.
    pub name: String,
    /// Its GPUs. With them it shares the suites with the other machines that give theirs; without them
    /// it takes every suite.
    pub gpus: Option<u8>,
}

/// A run that is split: which part measures what, and how many guards share the error rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// The version of this format.
    pub schema: u32,
    /// The code that the scenarios were planned with.
    pub code: Code,
    /// How much is measured.
    pub tier: Tier,
    /// The scenarios that were asked for; none for all.
    pub filters: Vec<String>,
    /// The guards of all parts, which share the error rate of the whole.
    pub guards: u32,
    /// The parts, without those that would measure nothing.
    pub parts: Vec<SplitPart>,
    /// The suites that need more GPUs than any machine has.
    pub without_machine: Vec<String>,
    /// What the tier leaves out: suites, and loads as `suite / load`.
    pub left_out: Vec<String>,
}

/// A part: what one machine measures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitPart {
    /// Its name, that of its machine.
    pub name: String,
    /// Its scenarios, by their whole names (`file::test`).
    pub scenarios: Vec<String>,
    /// The suites that they declare.
    pub suites: Vec<String>,
    /// Its guards.
    pub guards: u32,
}

/// A scenario and what it plans.
#[derive(Clone, Copy, Debug)]
pub struct PlannedScenario<'a> {
    /// Its whole name.
    pub name: &'a str,
    /// What it plans: a plan for each suite.
    pub plans: &'a [Plan],
}

/// The parts of a run, and the suites that no machine can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The parts, in the order of their machines.
    pub parts: Vec<SplitPart>,
    /// The suites that need more GPUs than any machine has.
    pub without_machine: Vec<String>,
}

impl Split {
    /// The part of a name.
    pub fn part(&self, name: &str) -> Option<&SplitPart> {
        self.parts.iter().find(|part| part.name == name)
    }
}

impl FromStr for Machine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, gpus) = match text.split_once('=') {
            Some((name, gpus)) => (name, Some(gpus)),
            None => (text, None),
        };
        if !is_file_name(name) {
            return Err(format!(
                "`{}` is no name of a machine: use letters, digits, `_`, `-` and `.`",
                name.escape_debug()
            ));
        }
        let number = |gpus: &str| gpus.parse::<u8>().ok().filter(|gpus| *gpus > 0);
        let gpus = gpus
            .map(|gpus| {
                let wrong = || format!("`{}` is no number of GPUs", gpus.escape_debug());
                number(gpus).ok_or_else(wrong)
            })
            .transpose()?;
        Ok(Self { name: name.to_owned(), gpus })
    }
}

/// What a scenario needs and counts.
struct Need<'a> {
    scenario: PlannedScenario<'a>,
    gpus: u8,
    loads: usize,
}

/// Gives each scenario to the machine with the fewest GPUs that it can run on; of several alike to the
/// one with the fewest loads so far. A machine without a number of GPUs takes all of them.
pub fn assign(machines: &[Machine], scenarios: &[PlannedScenario<'_>]) -> Assignment {
    let mut needs: Vec<Need<'_>> = scenarios
        .iter()
        .map(|scenario| Need {
            scenario: *scenario,
            gpus: scenario.plans.iter().map(|plan| plan.gpus).max().unwrap_or_default(),
            loads: scenario.plans.iter().map(|plan| plan.loads.len()).sum(),
        })
        .collect();
    // The largest first, so that the small ones even out what is left.
    needs.sort_by_key(|need| (Reverse((need.gpus, need.loads)), need.scenario.name));
    let mut taken: BTreeMap<usize, Vec<&Need<'_>>> = BTreeMap::new();
    let mut without_machine = Vec::new();
    for need in &needs {
        let busy = |at: usize| -> usize {
            taken.get(&at).map_or(0, |needs| needs.iter().map(|need| need.loads).sum())
        };
        let sized = machines.iter().enumerate().filter_map(|(at, machine)| {
            let gpus = machine.gpus.filter(|gpus| *gpus >= need.gpus)?;
            Some((gpus, busy(at), at))
        });
        let mut places: Vec<usize> = sized.min().map(|(.., at)| at).into_iter().collect();
        let takes_all = |at: &usize| machines[*at].gpus.is_none();
        places.extend((0..machines.len()).filter(takes_all));
        if places.is_empty() {
            let suites = need.scenario.plans.iter().map(|plan| plan.suite.clone());
            without_machine.extend(suites);
        }
        for at in places {
            taken.entry(at).or_default().push(need);
        }
    }
    without_machine.sort();
    let parts = taken.into_iter().map(|(at, needs)| part(&machines[at], &needs)).collect();
    Assignment { parts, without_machine }
}

fn part(machine: &Machine, needs: &[&Need<'_>]) -> SplitPart {
    let plans: Vec<&Plan> = needs.iter().flat_map(|need| need.scenario.plans).collect();
    let guards: usize =
        plans.iter().flat_map(|plan| &plan.loads).map(|load| load.guards.len()).sum();
    let mut scenarios: Vec<String> =
        needs.iter().map(|need| need.scenario.name.to_owned()).collect();
    let mut suites: Vec<String> = plans.iter().map(|plan| plan.suite.clone()).collect();
    scenarios.sort();
    suites.sort();
    SplitPart {
        name: machine.name.clone(),
        scenarios,
        suites,
        guards: u32::try_from(guards).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::engine_kind::EngineKind;
    use crate::spec::guard::Guard;
    use crate::spec::plan::{BaselineStatus, PlannedLoad};
    use crate::spec::units::percent;

    fn plan(suite: &str, gpus: u8, loads: usize) -> Vec<Plan> {
        let load = PlannedLoad {
            suite: suite.into(),
            load: crate::fixtures::load(),
            tier: Tier::default(),
            guards: vec![Guard::new("e2e_p50_ms".parse().unwrap(), percent(2.5)); 2],
            baseline: BaselineStatus::default(),
        };
        vec![Plan {
            suite: suite.into(),
            engine: EngineKind::Simulated,
            model: "tiny".into(),
            gpus,
            refused: None,
            skipped: None,
            loads: vec![load; loads],
            left_out: Vec::new(),
            sweep: None,
        }]
    }

    fn of(machines: &[&str], plans: &[(&str, u8, usize)]) -> Assignment {
        let machines: Vec<Machine> =
            machines.iter().map(|machine| machine.parse().unwrap()).collect();
        let plans: Vec<(String, Vec<Plan>)> = plans
            .iter()
            .map(|(suite, gpus, loads)| (format!("f::{suite}"), plan(suite, *gpus, *loads)))
            .collect();
        let scenarios: Vec<PlannedScenario<'_>> =
            plans.iter().map(|(name, plans)| PlannedScenario { name, plans }).collect();
        assign(&machines, &scenarios)
    }

    fn names(assigned: &Assignment) -> Vec<(&str, String, u32)> {
        let parts = assigned.parts.iter();
        parts.map(|part| (part.name.as_str(), part.suites.join(" "), part.guards)).collect()
    }

    #[test]
    fn a_suite_goes_to_the_smallest_machine_that_can_run_it() {
        let assigned = of(&["big=8", "small=1"], &[("a", 1, 1), ("b", 2, 3), ("c", 9, 1)]);
        assert_eq!(names(&assigned), [("big", "b".into(), 6), ("small", "a".into(), 2)]);
        assert_eq!(assigned.without_machine, ["c"]);
        assert_eq!(assigned.parts[1].scenarios, ["f::a"]);
    }

    #[test]
    fn machines_that_are_alike_share_the_loads_evenly() {
        let suites = [("a", 1, 4), ("b", 1, 2), ("c", 1, 1), ("d", 1, 1)];
        let assigned = of(&["x=1", "y=1"], &suites);
        assert_eq!(names(&assigned), [("x", "a".into(), 8), ("y", "b c d".into(), 8)]);
    }

    #[test]
    fn a_machine_without_a_number_of_gpus_takes_every_suite() {
        let assigned = of(&["a100", "h100"], &[("a", 1, 1), ("b", 9, 1)]);
        assert_eq!(names(&assigned), [("a100", "a b".into(), 4), ("h100", "a b".into(), 4)]);
        assert_eq!(assigned.without_machine, Vec::<String>::new());
    }

    #[test]
    fn a_machine_with_nothing_to_measure_has_no_part() {
        assert_eq!(names(&of(&["x=1", "y=8"], &[("a", 1, 1)])), [("x", "a".into(), 2)]);
    }

    #[test]
    fn a_machine_is_a_name_and_may_give_its_gpus() {
        let gpus = |text: &str| text.parse::<Machine>().map(|machine| machine.gpus);
        assert_eq!(gpus("gpu-1x-h100"), Ok(None));
        assert_eq!(gpus("gpu-8x=8"), Ok(Some(8)));
        for wrong in ["", "=1", "a b", "a=0", "a=-1", "a=256", "a=", "../x", "a@b=1"] {
            assert!(gpus(wrong).is_err(), "{wrong}");
        }
    }
}
