//! What a merged run checks before it says anything of the whole: the same code and the same thing under
//! test in every part, the error rate of the whole, every report, and every guard that a baseline has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::judge::merge::parts::{Alarms, Given};
use crate::judge::report::SuiteReport;
use crate::judge::verdict::Verdict;
use crate::spec::metric::Metric;
use crate::spec::split::{Split, SplitPart};

/// A baseline, and what it guards.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardedBaseline {
    /// Its file, from the repository's root.
    pub file: String,
    /// Its suite.
    pub suite: String,
    /// Its load.
    pub load: String,
    /// The guarded metrics.
    pub metrics: Vec<Metric>,
}

/// The folder of a baseline's kind of machine.
pub(crate) fn machine(file: &str) -> Option<&Path> {
    Path::new(file).parent()?.parent().filter(|machine| machine.components().count() > 1)
}

/// Checks one run of the whole. Gives the suites that it was to measure and has no report of.
pub(crate) fn of_run<'a>(run: &Given<'_>, split: &'a Split, alarms: &mut Alarms) -> Vec<&'a str> {
    let name = &run.part.name;
    if run.part.code != split.code {
        let why = format!(
            "it measured other code than the split was made with: {}, not {}",
            run.part.code, split.code
        );
        alarms.add(name, Verdict::Invalid, why);
    }
    let checks = run.content.request.settings.checks.unwrap_or_default();
    if checks < split.guards {
        let why = format!(
            "its error rate was spread over {checks} guards, and the whole has {}",
            split.guards
        );
        alarms.add(name, Verdict::Invalid, why);
    }
    for why in &run.content.unread {
        alarms.add(name, Verdict::Inconclusive, format!("a report cannot be read: {why}"));
    }
    let part = split.part(name).filter(|_| run.part.split == *split && run.content.is_complete);
    let missing = part.map(|part| without_report(run, part)).unwrap_or_default();
    if !missing.is_empty() {
        let why = format!("it came to its end without a report of {}", missing.join(", "));
        alarms.add(name, Verdict::Inconclusive, why);
    }
    missing
}

/// The suites of a part that left no report. A scenario that could not report its suites left one under
/// its own name.
fn without_report<'a>(run: &Given<'_>, part: &'a SplitPart) -> Vec<&'a str> {
    if part.scenarios.iter().any(|scenario| run.has(scenario)) {
        return Vec::new();
    }
    part.suites.iter().filter(|suite| !run.has(suite)).map(String::as_str).collect()
}

/// Checks that all parts put the same thing under test. Faults that a simulated engine injects are of a
/// machine, not of what is under test.
pub(crate) fn same_under_test(runs: &[&Given<'_>], alarms: &mut Alarms) {
    let Some((first, rest)) = runs.split_first() else { return };
    let settings = |run: &Given<'_>| run.content.request.settings.clone();
    let one = settings(first);
    for run in rest {
        let other = settings(run);
        let mut differ = Vec::new();
        let mut compare = |what: &'static str, is_same: bool| {
            differ.extend((!is_same).then_some(what));
        };
        compare("engine", one.engine == other.engine);
        compare("image", one.candidate.image == other.candidate.image);
        compare("engine arguments", one.candidate.arguments == other.candidate.arguments);
        compare("environment", one.candidate.environment == other.candidate.environment);
        compare("server", one.url == other.url);
        if !differ.is_empty() {
            let why = format!(
                "it put something else under test than part {}: other {}",
                first.part.name,
                differ.join(", ")
            );
            alarms.add(&run.part.name, Verdict::Invalid, why);
        }
    }
}

/// Finds the guards that a baseline has and no part judged.
pub(crate) struct Absent<'a> {
    /// The whole.
    pub(crate) split: &'a Split,
    /// Whether the part of a name has a run that came to its end.
    pub(crate) is_complete: &'a dyn Fn(&str) -> bool,
    /// The suites that a part has no report of, which is an alarm already.
    pub(crate) unreported: &'a BTreeSet<&'a str>,
}

impl Absent<'_> {
    /// Adds an alarm for each kind of machine that has baselines and that no part ran on: the suites
    /// that only it can run would pass as skipped. Where a part died, its kind is missing for a
    /// reason that is named already; where not everything was asked for, it need not be there.
    pub(crate) fn machines(
        &self,
        baselines: &[GuardedBaseline],
        ran: &BTreeSet<&Path>,
        alarms: &mut Alarms,
    ) {
        let Split { filters, parts, left_out, .. } = self.split;
        if !filters.is_empty() || !parts.iter().all(|part| (self.is_complete)(&part.name)) {
            return;
        }
        let mut gone: BTreeMap<&Path, BTreeSet<&str>> = BTreeMap::new();
        for baseline in baselines.iter().filter(|baseline| !baseline.metrics.is_empty()) {
            let name = format!("{} / {}", baseline.suite, baseline.load);
            let is_left_out = left_out.contains(&baseline.suite) || left_out.contains(&name);
            let machine = machine(&baseline.file).filter(|machine| !ran.contains(machine));
            if let (Some(machine), false) = (machine, is_left_out) {
                gone.entry(machine).or_default().insert(&baseline.suite);
            }
        }
        for (machine, suites) in gone {
            let suites = suites.into_iter().collect::<Vec<_>>().join(", ");
            let why = format!(
                "it has baselines of {suites}, and no part ran on such a machine; split the run with that machine \
                 again, or, if it is gone for good, delete its baselines"
            );
            alarms.of(format!("missing: {}", machine.display()), Verdict::Invalid, why);
        }
    }

    /// Adds an alarm for each baseline with such a guard. What a part that died was to measure is missing
    /// for a reason that is named already.
    pub(crate) fn guards<'r>(
        &self,
        baselines: &[GuardedBaseline],
        reports: impl Iterator<Item = &'r SuiteReport>,
        alarms: &mut Alarms,
    ) {
        let reports: Vec<&SuiteReport> = reports.collect();
        for baseline in baselines.iter().filter(|baseline| self.is_expected(baseline)) {
            let loads = reports.iter().flat_map(|report| &report.loads);
            let of_it: Vec<_> = loads.filter(|load| load.baseline_file == baseline.file).collect();
            // A suite or a scenario without loads says why in its own report.
            let mut without_loads = reports.iter().filter(|report| report.loads.is_empty());
            let is_explained =
                without_loads.any(|report| self.covers(&report.suite, &baseline.suite));
            if of_it.is_empty() && is_explained {
                continue;
            }
            let judged: BTreeSet<Metric> = of_it
                .iter()
                .flat_map(|load| load.rows.iter().filter(|row| row.guard.is_some()))
                .map(|row| row.metric)
                .collect();
            let missing = baseline.metrics.iter().filter(|metric| !judged.contains(metric));
            let missing: Vec<String> = missing.map(|metric| metric.label()).collect();
            if missing.is_empty() {
                continue;
            }
            let why = format!(
                "{} guards {}, and no part measured that; correct the scenario or the split, or, if that is intended, \
                 {}",
                baseline.file,
                missing.join(", "),
                if of_it.is_empty() {
                    "delete the baseline"
                } else {
                    "run `cargo xtask perf rewrite`"
                }
            );
            let what = format!("missing: {} / {}", baseline.suite, baseline.load);
            alarms.of(what, Verdict::Invalid, why);
        }
    }

    /// Whether some part that came to its end had to measure it.
    fn is_expected(&self, baseline: &GuardedBaseline) -> bool {
        let Split { filters, parts, without_machine, left_out, .. } = self.split;
        let name = format!("{} / {}", baseline.suite, baseline.load);
        if left_out.contains(&baseline.suite)
            || left_out.contains(&name)
            || without_machine.contains(&baseline.suite)
            || self.unreported.contains(baseline.suite.as_str())
        {
            return false;
        }
        let mut of_it =
            parts.iter().filter(|part| part.suites.contains(&baseline.suite)).peekable();
        match of_it.peek() {
            // No scenario has it: it is missing where everything was to be measured.
            None => filters.is_empty(),
            Some(_) => of_it.all(|part| (self.is_complete)(&part.name)),
        }
    }

    /// Whether a report without loads, of a suite or of a whole scenario, is about a suite. In the whole,
    /// its name may have that of its part behind it.
    fn covers(&self, reported: &str, suite: &str) -> bool {
        let reported = reported.split('@').next().unwrap_or(reported);
        let declares = |part: &SplitPart| {
            part.suites.iter().any(|declared| declared == suite)
                && part.scenarios.iter().any(|scenario| scenario == reported)
        };
        reported == suite || self.split.parts.iter().any(declares)
    }
}
