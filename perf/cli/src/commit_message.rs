//! What a commit of refreshed baselines may say: [`proposed`]. The reason is left to the person who
//! commits.

use std::collections::BTreeSet;
use std::fmt::Write;

use perf_model::judge::baseline::Baseline;
use perf_model::spec::metric::Metric;
use perf_model::spec::plan::PlannedLoad;

/// A load, its baseline, and the baseline in whose place that came.
pub(crate) type Refreshed<'a> = (&'a PlannedLoad, &'a Baseline, Option<&'a Baseline>);

/// Suites that are named in the subject; more are counted.
const NAMED: usize = 3;

/// A message that says what was measured where, what differs under test, and how each guarded metric
/// moved. `None` if nothing changed.
pub(crate) fn proposed(refreshed: &[Refreshed<'_>]) -> Option<String> {
    let changed: Vec<&Refreshed<'_>> =
        refreshed.iter().filter(|(_, now, before)| *before != Some(*now)).collect();
    let (_, first, _) = changed.first()?;
    let sessions = |baseline: &Baseline| baseline.rests_on().1;
    let adds = changed
        .iter()
        .all(|(_, now, before)| before.is_some_and(|before| sessions(now) > sessions(before)));
    let suites: BTreeSet<&str> = changed.iter().map(|(load, ..)| load.suite.as_str()).collect();
    let named = match suites.len() {
        many if many > NAMED => format!("{many} suites"),
        _ => suites.into_iter().collect::<Vec<_>>().join(", "),
    };
    let verb = if adds { "Add a session to" } else { "Refresh" };
    let machine = &first.fingerprint.hardware;
    let mut text = format!("proposed commit message; add why:\n\n  {verb} {named} on {machine}\n");
    let differences: BTreeSet<String> = changed
        .iter()
        .filter_map(|(_, now, before)| Some(before.as_ref()?.differences(now)))
        .flatten()
        .map(|difference| difference.to_string())
        .collect();
    let mut lines: Vec<String> = differences.into_iter().collect();
    for (load, now, before) in changed {
        let (starts, sessions) = now.rests_on();
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        lines.push(String::new());
        lines.push(format!(
            "{} / {}, {starts} start{} in {sessions} session{}",
            load.suite,
            load.load.name,
            plural(starts),
            plural(sessions)
        ));
        lines.extend(
            load.guards.iter().map(|guard| format!("  {}", moved(guard.metric, now, *before))),
        );
    }
    for line in lines {
        let _ = write!(text, "\n{}", format!("  {line}").trim_end());
    }
    Some(text)
}

/// A metric's median, and how it moved: "output throughput 1671.9 → 1594.6 tok/s (-4.6 %)".
pub(crate) fn moved(metric: Metric, baseline: &Baseline, before: Option<&Baseline>) -> String {
    let (label, unit) = (metric.label(), metric.unit());
    let Some(now) = baseline.median(metric) else { return label };
    match before.and_then(|before| before.median(metric)).filter(|old| *old > 0.0) {
        Some(old) => {
            format!("{label} {old:.1} → {now:.1} {unit} ({:+.1} %)", (now / old - 1.0) * 100.0)
        }
        None => format!("{label} {now:.1} {unit} (new)"),
    }
}

#[cfg(test)]
mod tests {
    use perf_model::spec::guard::Guard;
    use perf_model::spec::load::Load;
    use perf_model::spec::plan::BaselineStatus;
    use perf_model::spec::tier::Tier;
    use perf_model::spec::units::percent;

    use super::*;

    const METRIC: &str = "output_throughput_tok_per_s";

    fn planned(suite: &str, load: &str) -> PlannedLoad {
        PlannedLoad {
            suite: suite.into(),
            load: Load { name: load.into(), ..perf_model::fixtures::load() },
            tier: Tier::default(),
            guards: vec![Guard::new(METRIC.parse().unwrap(), percent(2.5))],
            baseline: BaselineStatus::default(),
        }
    }

    fn baseline(vllm: &str, sessions: &[f64]) -> Baseline {
        let mut fingerprint = perf_model::fixtures::fingerprint();
        fingerprint.hardware = "1 × NVIDIA H200".into();
        fingerprint.vllm = Some(vllm.into());
        Baseline {
            suite: String::new(),
            load: String::new(),
            workload: String::new(),
            arrivals: String::new(),
            fingerprint,
            measured_on: None,
            gpu_s_per_start: 0.0,
            slacks: [].into(),
            estimated: [].into(),
            metrics: [(
                METRIC.parse().unwrap(),
                sessions.iter().map(|value| vec![vec![*value]]).collect(),
            )]
            .into(),
        }
    }

    #[test]
    fn a_message_says_what_differs_and_how_each_guarded_metric_moved() {
        let (chat, burst) = (planned("chat", "steady"), planned("chat", "burst"));
        let (old, new) = (baseline("0.31.0", &[1_600.0]), baseline("0.32.0", &[1_552.0]));
        let said = proposed(&[(&chat, &new, Some(&old)), (&burst, &new, None)]).unwrap();
        assert_eq!(
            said,
            "proposed commit message; add why:\n\
             \n  Refresh chat on 1 × NVIDIA H200\n\
             \n  vLLM: 0.31.0 → 0.32.0\n\
             \n  chat / steady, 1 start in 1 session\
             \n    output throughput 1600.0 → 1552.0 tok/s (-3.0 %)\n\
             \n  chat / burst, 1 start in 1 session\
             \n    output throughput 1552.0 tok/s (new)"
        );
    }

    #[test]
    fn a_session_that_was_added_is_named_so_and_no_change_needs_no_message() {
        let chat = planned("chat", "steady");
        let (one, two) = (baseline("0.31.0", &[1_600.0]), baseline("0.31.0", &[1_600.0, 1_610.0]));
        let said = proposed(&[(&chat, &two, Some(&one))]).unwrap();
        assert!(said.contains("  Add a session to chat on 1 × NVIDIA H200\n"), "{said}");
        assert!(said.contains("1600.0 → 1605.0 tok/s (+0.3 %)"), "{said}");
        assert_eq!(proposed(&[(&chat, &one, Some(&one))]), None);
    }

    #[test]
    fn many_suites_are_counted() {
        let loads = ["a", "b", "c", "d"].map(|suite| planned(suite, "l"));
        let new = baseline("0.32.0", &[1.0]);
        let refreshed: Vec<Refreshed<'_>> = loads.iter().map(|load| (load, &new, None)).collect();
        assert!(proposed(&refreshed).unwrap().contains("  Refresh 4 suites on "));
    }
}
