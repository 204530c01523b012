//! What fresh baselines rest on and can tell: [`on`].

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use perf_model::judge::baseline::Baseline;
use perf_model::judge::gate::Gate;
use perf_model::spec::guard::Guard;
use perf_model::spec::plan::PlannedLoad;
use perf_report::terminal;

use crate::commit_message::{Refreshed, moved, proposed};
use crate::runs;

/// The gate with what the baselines of these loads tell of the noise, which are a suite's of one
/// machine.
pub(crate) fn learned(gate: &Gate, loads: &[(&PlannedLoad, Baseline)]) -> Gate {
    let guarded: Vec<(Guard, &Baseline)> = loads
        .iter()
        .flat_map(|(load, baseline)| load.guards.iter().map(move |guard| (*guard, baseline)))
        .collect();
    gate.learned(guarded.iter().map(|(guard, baseline)| (guard, baseline.sessions(guard.metric))))
}

/// What a refresh of these loads wrote and what it did not, as the disk has it: a line for each
/// baseline, and one for each of its guards, with the change from the baseline `before`; and what one session cannot say, with
/// the command that adds one; and what a commit of them may say.
pub(crate) fn on(
    root: &Path,
    loads: &[PlannedLoad],
    before: &[Baseline],
    folder: &Path,
    gate: &Gate,
    add_session: &str,
) -> Result<Vec<String>> {
    let copies = folder.join("baselines");
    let mut written: BTreeMap<(PathBuf, &str), Vec<(&PlannedLoad, Baseline)>> = BTreeMap::new();
    let mut missing: Vec<&PlannedLoad> = loads.iter().collect();
    for copy in if copies.is_dir() { perf_store::runs::files(&copies, "snap")? } else { Vec::new() }
    {
        let place = copy.strip_prefix(folder).unwrap_or(&copy);
        let file = root.join(place);
        // Both have what was measured, or this one was not written.
        let (Ok(baseline), Ok(measured)) = (runs::baseline(&file), runs::baseline(&copy)) else {
            continue;
        };
        if baseline != measured {
            continue;
        }
        let load = loads
            .iter()
            .find(|load| load.suite == baseline.suite && load.load.name == baseline.load);
        let Some(load) = load else { continue };
        missing.retain(|other| !std::ptr::eq(*other, load));
        let machine = place.parent().unwrap_or(place).to_owned();
        written.entry((machine, &load.suite)).or_default().push((load, baseline));
    }
    let old = |load: &PlannedLoad| {
        before.iter().find(|old| old.suite == load.suite && old.load == load.load.name)
    };
    let mut lines = Vec::new();
    for ((machine, _), suite) in &written {
        let gate = learned(gate, suite);
        let line = |(load, baseline): &(&PlannedLoad, Baseline)| {
            line(
                &machine.join(format!("{}.snap", load.load.name)).display().to_string(),
                load,
                baseline,
                old(load),
                &gate,
            )
        };
        lines.extend(suite.iter().map(line));
    }
    let young = written.values().flatten().filter(|(_, baseline)| baseline.rests_on().1 < 3);
    if !written.is_empty() {
        lines.push(format!(
            "bands are for {} guards and {} starts at most",
            gate.guards(),
            gate.most_starts()
        ));
    }
    if let Some(sessions) = young.map(|(_, baseline)| baseline.rests_on().1).min() {
        let (so_far, days) = if sessions == 1 {
            ("one session", "two more days")
        } else {
            ("two sessions", "one more day")
        };
        let drift = format!("day-to-day drift not measured: {so_far}; on {days}, run");
        lines.push(terminal::advice(&format!("{drift} `{add_session}`")).trim_end().to_owned());
    }
    if !missing.is_empty() {
        let names: Vec<String> =
            missing.iter().map(|load| format!("{} / {}", load.suite, load.load.name)).collect();
        lines.push(format!("not written, so unchanged: {}", names.join(", ")));
    }
    let refreshed: Vec<Refreshed<'_>> =
        written.values().flatten().map(|(load, baseline)| (*load, baseline, old(load))).collect();
    lines.extend(proposed(&refreshed).map(|message| format!("\n{message}\n")));
    Ok(lines)
}

fn line(
    file: &str,
    load: &PlannedLoad,
    baseline: &Baseline,
    before: Option<&Baseline>,
    gate: &Gate,
) -> String {
    let mut text = format!("wrote {file}");
    let (starts, sessions) = baseline.rests_on();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let _ = write!(text, ": {starts} starts in {sessions} session{}", plural(sessions));
    if let Some(few) = gate.too_few(starts) {
        let _ = write!(text, "\n  {few}");
        return text;
    }
    for guard in &load.guards {
        let (label, slack) = (moved(guard.metric, baseline, before), guard.slack);
        match gate.resolution(guard, baseline.sessions(guard.metric)) {
            Ok(found) if found.noise_limited => {
                let blind = if found.is_blind {
                    "; too wide for max_band, so it will be inconclusive"
                } else {
                    ""
                };
                let _ = write!(
                    text,
                    "\n  {label}: band {:.1} %, detects a loss of {:.1} %; the noise allows no narrower band ({slack} asked{}){blind}",
                    found.band * 100.0,
                    found.detects * 100.0,
                    match found.starts_for_slack {
                        Some(needed) => format!(", which {needed} starts a side would reach"),
                        None => ", which only more sessions would reach".to_owned(),
                    }
                );
            }
            Ok(found) => {
                let _ = write!(
                    text,
                    "\n  {label}: band {:.1} %, detects a loss of {:.1} %",
                    found.band * 100.0,
                    found.detects * 100.0
                );
            }
            Err(why) => {
                let _ = write!(text, "\n  {label}: {why}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use perf_model::spec::load::Load;
    use perf_model::spec::plan::BaselineStatus;
    use perf_model::spec::tier::Tier;
    use perf_model::spec::units::percent;
    use perf_store::baselines::write;
    use perf_store::lock::Lock;

    use super::*;

    fn planned(load: &str) -> PlannedLoad {
        let metric = "output_throughput_tok_per_s".parse().unwrap();
        PlannedLoad {
            suite: "cpu_smoke".into(),
            load: Load { name: load.into(), ..perf_model::fixtures::load() },
            tier: Tier::default(),
            guards: vec![Guard::new(metric, percent(2.5))],
            baseline: BaselineStatus::default(),
        }
    }

    #[test]
    fn a_refresh_says_of_each_baseline_whether_it_was_written_and_oversells_none() {
        let (root, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let place = |load: &str| format!("baselines/simulated/cpu_smoke/{load}.snap");
        let committed = runs::baseline(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(place("chat")),
        )
        .unwrap();
        let put = |folder: &Path, load: &str, starts: usize| {
            let mut baseline = Baseline { load: load.into(), ..committed.clone() };
            baseline.metrics.values_mut().flatten().for_each(|session| session.truncate(starts));
            let file = folder.join(place(load));
            write(&Lock::on(&file).unwrap(), &file, &baseline).unwrap();
        };
        // One was written, one was measured and could not be, one was never measured, one rests on
        // too little.
        for (load, measured, there) in [("chat", 5, 5), ("closed_loop", 5, 4), ("few", 2, 2)] {
            put(run.path(), load, measured);
            put(root.path(), load, there);
        }
        put(root.path(), "saturated", 5);
        let loads = ["chat", "closed_loop", "saturated", "few"].map(planned);
        let gate = Gate::of_run(&perf_model::spec::config::Gate::default(), 4, None).unwrap();
        let mut old = committed.clone();
        for value in old.metrics.values_mut().flatten().flatten().flatten() {
            *value *= 2.0;
        }
        let before = [Baseline { load: "chat".into(), ..old }];
        let add = "cargo xtask perf refresh chat --add-session";
        let lines = on(root.path(), &loads, &before, run.path(), &gate, add).unwrap();
        assert!(
            lines[0].starts_with(&format!("wrote {}: 5 starts in 1 session\n", place("chat"))),
            "{lines:?}"
        );
        assert!(lines[0].contains("tok/s (-50.0 %): band "), "{lines:?}");
        assert!(
            lines[1].contains(
                "the baseline has 2 engine starts; at least 3 are needed to report a change"
            ),
            "{lines:?}"
        );
        assert!(!lines[1].contains("detects"), "{lines:?}");
        assert_eq!(lines[2], "bands are for 4 guards and 8 starts at most");
        assert_eq!(
            lines[3],
            "day-to-day drift not measured: one session; on two more days, run\n    cargo xtask perf refresh chat --add-session"
        );
        assert_eq!(
            lines[4],
            "not written, so unchanged: cpu_smoke / closed_loop, cpu_smoke / saturated"
        );
        assert!(lines[5].contains("  Refresh cpu_smoke on "), "{lines:?}");
        assert!(lines[5].contains("tok/s (-50.0 %)"), "{lines:?}");
        assert_eq!(lines.len(), 6);
        // The same band everywhere: refresh, power and the gate.
        let (load, suite) = (&loads[0], [(&loads[0], committed.clone())]);
        let gate = learned(&gate, &suite);
        let sessions = committed.sessions(load.guards[0].metric);
        let band = 100.0 * gate.resolution(&load.guards[0], sessions).unwrap().band;
        let judged = gate.judge(&load.guards[0], sessions, &sessions[0][..1]);
        assert!((judged.band.unwrap().value() - band).abs() < 1e-9);
        let power = terminal::power("chat", &committed, &load.guards, &gate);
        assert!(power.contains(&format!("  {band:.1}  ")), "{power}");
        assert!(power.lines().all(|line| line.chars().count() <= 80), "{power}");
        let alone = line("f", load, &committed, None, &gate);
        assert!(alone.contains(&format!("band {band:.1} %")), "{alone}");
    }
}
