//! What was measured, held against the baseline: [`Evidence`] → [`LoadReport`].

use crate::analysis::statistics::median;
use crate::judge::anchor::{Anchor, Anchored};
use crate::judge::baseline::Baseline;
use crate::judge::gate::Gate;
use crate::judge::judgement::Judgement;
use crate::judge::notes::notes;
use crate::judge::redundant_guards::remarks;
use crate::judge::report::{GuardRow, LoadReport, Row};
use crate::judge::results::{Evidence, names};
use crate::judge::verdict::Verdict;
use crate::record::fingerprint::{Difference, Fingerprint};
use crate::spec::engine_kind::EngineKind;
use crate::spec::guard::Guard;
use crate::spec::metric::Metric;

/// What was found where the baseline should be.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A baseline.
    Baseline(Box<Baseline>),
    /// No file.
    Nothing,
    /// A file that cannot be used, and why.
    Unusable(String),
    /// A baseline that a newer version of this suite wrote, in words. It is whole, and not for this
    /// one to replace.
    Newer(String),
}

impl Found {
    /// What was found, if that is a baseline.
    pub fn baseline(&self) -> Option<&Baseline> {
        match self {
            Self::Baseline(baseline) => Some(baseline),
            Self::Nothing | Self::Unusable(_) | Self::Newer(_) => None,
        }
    }

    /// Why it cannot be used, if it cannot.
    pub fn fault(&self) -> Option<&str> {
        match self {
            Self::Unusable(why) | Self::Newer(why) => Some(why),
            Self::Baseline(_) | Self::Nothing => None,
        }
    }
}

/// Where things are, for the report to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The baseline's file, from the repository's root.
    pub baseline_file: String,
    /// The folder of the records.
    pub records: String,
}

/// What the starts of both sides are to each other.
#[derive(Clone, Copy, Debug)]
pub enum Judging<'a> {
    /// One side is a baseline, of another time.
    Baseline(&'a Gate),
    /// They were measured in turn: the first of one side with the first of the other, and so on.
    Pairs(&'a Gate),
}

/// Holds what was measured so far against what was found, and against the anchor.
pub fn compare(
    evidence: &Evidence<'_>,
    found: &Found,
    anchored: &Anchored,
    judging: Judging<'_>,
    places: Places,
) -> LoadReport {
    let fingerprint = evidence.starts.first().map(|start| &start.fingerprint);
    let baseline = found.baseline();
    let mut faults = faults(evidence);
    if let Some(why) = found.fault() {
        faults.push(format!("the baseline {} cannot be used: {why}", places.baseline_file));
    }
    if let Anchored::Unusable(why) = anchored {
        faults.push(format!("the anchor beside {} cannot be used: {why}", places.baseline_file));
    }
    let incomparable = match (baseline, fingerprint) {
        (Some(baseline), Some(now)) => differences(evidence, baseline, now),
        _ => Vec::new(),
    };
    // What applies to the whole load; the gate is asked only where nothing does.
    let overall = match () {
        () if !faults.is_empty() => Some(Verdict::Invalid),
        () if baseline.is_none() => Some(Verdict::Unrecorded),
        () if !incomparable.is_empty() => Some(Verdict::Incomparable),
        () => None,
    };
    let mut notes = notes(evidence.starts);
    notes.extend(remarks(evidence.load.arrivals, evidence.guards));
    let anchor = match anchored {
        Anchored::At(anchor) => comparable_anchor(evidence, anchor, fingerprint, &mut notes),
        Anchored::Nowhere | Anchored::Unusable(_) => None,
    };
    let rows = rows(evidence, baseline, anchor, overall.map_or(Ask::Gate(judging), Ask::Nobody));
    let guards = rows.iter().filter_map(|row| row.guard.as_ref().map(|guard| guard.verdict));
    let verdict = overall.or_else(|| Verdict::join(guards)).unwrap_or(Verdict::Held);
    LoadReport {
        suite: evidence.suite.to_owned(),
        load: evidence.load.name.clone(),
        engine: fingerprint.map_or(EngineKind::Simulated, |print| print.engine),
        hardware: fingerprint.map(|print| print.hardware.clone()).unwrap_or_default(),
        workload: evidence.workload(),
        arrivals: evidence.load.describe_arrivals(),
        starts: evidence.start_count(),
        verdict,
        rows,
        under_test: match (baseline, fingerprint) {
            (Some(baseline), Some(now)) => now.under_test_since(&baseline.fingerprint),
            _ => Vec::new(),
        },
        incomparable,
        faults,
        notes,
        baseline_file: places.baseline_file,
        records: places.records,
    }
}

/// What differs between the run and the baseline that forbids a comparison.
fn differences(evidence: &Evidence<'_>, baseline: &Baseline, now: &Fingerprint) -> Vec<Difference> {
    let mut differences = now.incomparable_with(&baseline.fingerprint);
    let mut note = |what: &str, before: &str, now: String| {
        if before != now {
            differences.push(Difference {
                what: what.to_owned(),
                baseline: before.to_owned(),
                measured: now,
            });
        }
    };
    note("workload", &baseline.workload, evidence.workload());
    note("arrivals", &baseline.arrivals, evidence.load.describe_arrivals());
    differences
}

fn faults(evidence: &Evidence<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, repetition) in names(evidence.starts).iter().zip(evidence.starts) {
        faults.extend(repetition.faults.iter().map(|fault| format!("{name}: {fault}")));
        if repetition.fingerprint != evidence.starts[0].fingerprint {
            faults.push(format!("{name} ran with another configuration than start 1"));
        }
    }
    faults
}

/// Who says the verdict of a guard.
#[derive(Clone, Copy)]
enum Ask<'a> {
    Gate(Judging<'a>),
    /// It follows from something that applies to the whole load.
    Nobody(Verdict),
}

/// The anchor, if what was measured may be held against it.
fn comparable_anchor<'a>(
    evidence: &Evidence<'_>,
    anchor: &'a Anchor,
    now: Option<&Fingerprint>,
    notes: &mut Vec<String>,
) -> Option<&'a Baseline> {
    let differences = differences(evidence, &anchor.baseline, now?);
    if differences.is_empty() {
        return Some(&anchor.baseline);
    }
    let named: Vec<String> = differences.iter().map(ToString::to_string).collect();
    notes.push(format!(
        "slow creep is not watched: the anchor is of something else ({}); move it with `cargo xtask perf accept \
         --reset-anchor --reason …`",
        named.join("; ")
    ));
    None
}

fn rows(
    evidence: &Evidence<'_>,
    baseline: Option<&Baseline>,
    anchor: Option<&Baseline>,
    ask: Ask<'_>,
) -> Vec<Row> {
    let row = |metric: Metric, guard: Option<&Guard>| {
        let measured = evidence.values(metric);
        let starts: Vec<f64> = measured.iter().filter_map(|runs| median(runs)).collect();
        let before = baseline.map_or(&[][..], |baseline| baseline.sessions(metric));
        let (base, now) = (median(&before.concat().concat()), median(&starts));
        let guard = guard.map(|guard| {
            let judgement = match ask {
                Ask::Nobody(verdict) => Judgement::plain(verdict),
                Ask::Gate(Judging::Baseline(gate)) => {
                    let judgement = gate.judge(guard, before, &measured);
                    gate.check_creep(
                        guard,
                        judgement,
                        anchor.map_or(&[][..], |anchor| anchor.sessions(metric)),
                        before,
                    )
                }
                Ask::Gate(Judging::Pairs(gate)) => {
                    let pairs: Vec<_> =
                        before.concat().into_iter().zip(measured.iter().cloned()).collect();
                    gate.pairs(guard, &pairs)
                }
            };
            guard_row(guard, base, judgement)
        });
        Row {
            metric,
            published: evidence
                .published
                .iter()
                .find(|there| there.metric == metric)
                .map(|there| there.value),
            baseline: base,
            measured: now,
            change: base
                .zip(now)
                .filter(|(base, _)| *base > 0.0)
                .map(|(base, now)| now / base - 1.0),
            starts,
            guard,
        }
    };
    let guarded = |metric: Metric| evidence.guards.iter().any(|guard| guard.metric == metric);
    let published = |metric: Metric| evidence.published.iter().any(|there| there.metric == metric);
    let measured = evidence.metrics();
    let others = Metric::all().filter(|metric| !guarded(*metric)).filter(|metric| {
        published(*metric) || (is_headline(*metric) && measured.contains_key(metric))
    });
    evidence
        .guards
        .iter()
        .map(|guard| row(guard.metric, Some(guard)))
        .chain(others.map(|metric| row(metric, None)))
        .collect()
}

/// What a report says of a guard that was judged against this baseline.
pub(crate) fn guard_row(guard: &Guard, baseline: Option<f64>, judgement: Judgement) -> GuardRow {
    let Judgement { verdict, is_open, reason, interval, band, .. } = judgement;
    let limit =
        baseline.map(|base| Guard { slack: band.unwrap_or(guard.slack), ..*guard }.limit(base));
    GuardRow { slack: guard.slack, band, limit, interval, verdict, is_open, reason }
}

/// Figures worth seeing even where nothing guards them.
fn is_headline(metric: Metric) -> bool {
    [
        "output_throughput_tok_per_s",
        "request_throughput_req_per_s",
        "ttft_p50_ms",
        "ttft_p99_ms",
        "tpot_mean_ms",
        "itl_p99_ms",
        "e2e_mean_ms",
        "e2e_p50_ms",
        "e2e_p99_ms",
    ]
    .contains(&metric.to_string().as_str())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use perf_gate::Design;

    use super::*;
    use crate::analysis::summary::Summary;
    use crate::judge::results::StartEvidence;
    use crate::spec::load::Load;
    use crate::spec::load::{Api, Arrivals, Length, OutputLength, Prompts, Workload};
    use crate::spec::units::percent;

    fn load() -> Load {
        Load {
            name: "closed_loop".into(),
            workload: Workload {
                prompts: Prompts::RandomTokens { length: Length::Fixed(64) },
                output: OutputLength::Exactly(64),
                api: Api::Completions,
                stream: true,
                temperature: 0.0,
            },
            arrivals: Arrivals::Concurrency(8),
            requests: 64,
            warmup: 8,
            objectives: vec![],
            stall_limit: Duration::from_mins(1),
            lateness_limit: Duration::from_millis(5),
            failures_allowed: crate::spec::units::percent(0.0),
            request_limit: Duration::from_mins(10),
            contents: None,
        }
    }

    fn fingerprint() -> Fingerprint {
        Fingerprint {
            engine: EngineKind::Docker,
            hardware: "1 × NVIDIA H200".into(),
            model: "m".into(),
            arguments: vec!["--max-model-len=8192".into()],
            environment: vec![],
            under_test: vec![],
            image: Some("vllm:1".into()),
            image_digest: Some("sha256:aa".into()),
            vllm: Some("1".into()),
            driver: None,
        }
    }

    fn starts(throughputs: &[f64]) -> Vec<StartEvidence> {
        let metric: Metric = "output_throughput_tok_per_s".parse().unwrap();
        let summary =
            |value: f64| Summary { values: [(metric, value)].into(), ..Summary::default() };
        throughputs
            .iter()
            .enumerate()
            .map(|(at, value)| StartEvidence {
                start: 1 + u32::try_from(at).unwrap(),
                fingerprint: fingerprint(),
                summary: summary(*value),
                steady: None,
                server: None,
                gpu_s: 60.0,
                client: None,
                remarks: vec![],
                faults: vec![],
            })
            .collect()
    }

    fn guards() -> [Guard; 1] {
        [Guard { metric: "output_throughput_tok_per_s".parse().unwrap(), slack: percent(2.5) }]
    }

    fn places() -> Places {
        Places { baseline_file: "baselines/x.snap".into(), records: "runs/1".into() }
    }

    fn verdict_of(measured: &[StartEvidence], found: &Found) -> LoadReport {
        let (load, guards) = (load(), guards());
        let evidence =
            Evidence { suite: "s", load: &load, guards: &guards, published: &[], starts: measured };
        let gate = Gate::new(Design::of(1)).unwrap();
        compare(&evidence, found, &Anchored::Nowhere, Judging::Baseline(&gate), places())
    }

    fn recorded(change: impl FnOnce(&mut Baseline)) -> Found {
        let (load, guards, starts) = (load(), guards(), starts(&[100.0, 101.0, 99.0]));
        let evidence =
            Evidence { suite: "s", load: &load, guards: &guards, published: &[], starts: &starts };
        let mut baseline = evidence.as_baseline().unwrap();
        change(&mut baseline);
        Found::Baseline(Box::new(baseline))
    }

    #[test]
    fn without_a_baseline_a_load_is_unrecorded() {
        assert_eq!(verdict_of(&starts(&[100.0; 3]), &Found::Nothing).verdict, Verdict::Unrecorded);
    }

    #[test]
    fn a_newer_image_is_judged_and_named() {
        let found =
            recorded(|baseline| baseline.fingerprint.image_digest = Some("sha256:bb".into()));
        let report = verdict_of(&starts(&[90.0; 3]), &found);
        assert_eq!(report.verdict, Verdict::Regressed);
        assert_eq!(report.under_test[0].to_string(), "image digest: sha256:bb → sha256:aa");
    }

    #[test]
    fn another_machine_is_incomparable_and_not_regressed() {
        let found = recorded(|baseline| baseline.fingerprint.hardware = "1 × NVIDIA A100".into());
        let report = verdict_of(&starts(&[50.0; 3]), &found);
        assert_eq!(report.verdict, Verdict::Incomparable);
        assert_eq!(report.rows[0].guard.as_ref().unwrap().verdict, Verdict::Incomparable);
    }

    #[test]
    fn another_workload_is_incomparable() {
        let found = recorded(|baseline| baseline.arrivals = "16 concurrent".into());
        assert_eq!(verdict_of(&starts(&[100.0; 3]), &found).verdict, Verdict::Incomparable);
    }

    #[test]
    fn a_run_with_a_fault_is_never_judged_and_makes_no_baseline() {
        let mut measured = starts(&[50.0; 3]);
        measured[1].faults.push("1 of 64 requests failed: stalled".into());
        let report = verdict_of(&measured, &recorded(|_| ()));
        assert_eq!(report.verdict, Verdict::Invalid);
        assert_eq!(report.faults, ["start 2: 1 of 64 requests failed: stalled"]);
        let (load, guards) = (load(), guards());
        let evidence = Evidence {
            suite: "s",
            load: &load,
            guards: &guards,
            published: &[],
            starts: &measured,
        };
        assert_eq!(evidence.as_baseline(), None);
    }

    #[test]
    fn an_unusable_baseline_makes_the_run_invalid_and_not_unrecorded() {
        let report = verdict_of(&starts(&[100.0; 3]), &Found::Unusable("cut off".into()));
        assert_eq!(report.verdict, Verdict::Invalid);
    }
}
