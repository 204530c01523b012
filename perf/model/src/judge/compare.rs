//! What was measured, held against the baseline: [`LoadResults`] → [`LoadReport`].

use crate::analysis::statistics::median;
use crate::judge::anchor::{Anchor, AnchorLookup};
use crate::judge::baseline::Baseline;
use crate::judge::clock_difference;
use crate::judge::gate::Gate;
use crate::judge::headline::is_headline;
use crate::judge::judgement::Judgement;
use crate::judge::notes::notes;
use crate::judge::redundant_guards::remarks;
use crate::judge::report::{GuardRow, LoadReport, Row};
use crate::judge::results::{LoadResults, RepetitionResult, estimated, names, pairs_of};
use crate::judge::verdict::Verdict;
use crate::record::compile_cache::CompileCache;
use crate::record::difference::Difference;
use crate::record::finding::{Finding, FindingCode};
use crate::record::fingerprint::Fingerprint;
use crate::spec::engine_kind::EngineKind;
use crate::spec::guard::Guard;
use crate::spec::metric::Metric;

/// What was found where the baseline should be.
#[derive(Clone, Debug, PartialEq)]
pub enum BaselineLookup {
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

impl BaselineLookup {
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
pub enum Reference<'a> {
    /// One side is a baseline, of another time.
    Baseline(&'a Gate),
    /// They were measured in turn with these of the base, each start beside the one of its number.
    Pairs(&'a Gate, &'a [RepetitionResult]),
}

/// Holds what was measured so far against what was found, and against the anchor.
pub fn compare(
    evidence: &LoadResults<'_>,
    found: &BaselineLookup,
    anchored: &AnchorLookup,
    judging: Reference<'_>,
    places: Places,
) -> LoadReport {
    let fingerprint = evidence.fingerprint();
    let fingerprint = fingerprint.as_ref();
    let baseline = found.baseline();
    // Pairs are of the same number on both sides: none may be without a value.
    let are_starts = matches!(judging, Reference::Baseline(_));
    let (mut faults, unresolved) = faults(evidence, are_starts);
    if let Some(why) = found.fault() {
        faults.push(Finding::new(
            FindingCode::BaselineUnusable,
            format!("the baseline {} cannot be used: {why}", places.baseline_file),
        ));
    }
    if let AnchorLookup::Unusable(why) = anchored {
        faults.push(Finding::new(
            FindingCode::BaselineUnusable,
            format!("the anchor beside {} cannot be used: {why}", places.baseline_file),
        ));
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
    let mut notes = notes(evidence);
    notes.extend(unresolved);
    notes.extend(remarks(evidence.load.arrivals, evidence.guards));
    let comparable = baseline.filter(|_| incomparable.is_empty());
    notes.extend(match judging {
        Reference::Baseline(_) => {
            comparable.and_then(|before| clock_difference::from_baseline(before, evidence.starts))
        }
        Reference::Pairs(_, base) => {
            clock_difference::side_by_side("", base, evidence.starts, false)
        }
    });
    let anchor = match anchored {
        AnchorLookup::At(anchor) => comparable_anchor(evidence, anchor, fingerprint, &mut notes),
        AnchorLookup::Nowhere | AnchorLookup::Unusable(_) => None,
    };
    if are_starts && *anchored == AnchorLookup::Nowhere {
        notes.extend(comparable.and_then(without_anchor));
    }
    let rows = rows(evidence, baseline, anchor, overall.map_or(Ask::Gate(judging), Ask::Whole));
    let guards =
        rows.iter().filter_map(|row| row.guard.as_ref().map(|guard| guard.judgement.verdict));
    let verdict = overall.or_else(|| Verdict::join(guards)).unwrap_or(Verdict::Held);
    LoadReport {
        suite: evidence.suite.to_owned(),
        load: evidence.load.name.clone(),
        engine: fingerprint.map_or(EngineKind::Simulated, |print| print.engine),
        hardware: fingerprint.map(|print| print.hardware.clone()).unwrap_or_default(),
        model: fingerprint.map(|print| print.model.clone()).unwrap_or_default(),
        workload: evidence.workload(),
        arrivals: evidence.load.describe_arrivals(),
        in_flight: (evidence.load.arrivals.is_closed_loop())
            .then(|| evidence.load.arrivals.width()),
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
fn differences(
    evidence: &LoadResults<'_>,
    baseline: &Baseline,
    now: &Fingerprint,
) -> Vec<Difference> {
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

/// The faults, and what would be one but for the other starts.
fn faults(evidence: &LoadResults<'_>, may_spare: bool) -> (Vec<Finding>, Vec<Finding>) {
    let (mut faults, mut unresolved) = (Vec::new(), Vec::new());
    for (name, repetition) in names(evidence.starts).iter().zip(evidence.starts) {
        if may_spare && evidence.is_spared(repetition) {
            unresolved.extend(repetition.faults.iter().map(|fault| {
                let message = format!("{}; judged without this start", fault.message);
                Finding::new(FindingCode::StartUnresolved, message).at(name)
            }));
        } else {
            faults.extend(repetition.faults.iter().map(|fault| fault.at(name)));
        }
        if !repetition.fingerprint.is_same_launch(&evidence.starts[0].fingerprint) {
            faults.push(Finding::new(
                FindingCode::ConfigurationChanged,
                format!("{name} ran with another configuration than start 1"),
            ));
        }
    }
    (faults, unresolved)
}

/// Who says the verdict of a guard.
#[derive(Clone, Copy)]
enum Ask<'a> {
    Gate(Reference<'a>),
    /// It follows from something that applies to the whole load.
    Whole(Verdict),
}

/// The anchor, if what was measured may be held against it.
fn comparable_anchor<'a>(
    evidence: &LoadResults<'_>,
    anchor: &'a Anchor,
    now: Option<&Fingerprint>,
    notes: &mut Vec<Finding>,
) -> Option<&'a Baseline> {
    let differences = differences(evidence, &anchor.baseline, now?);
    if differences.is_empty() {
        return Some(&anchor.baseline);
    }
    let named: Vec<String> = differences.iter().map(ToString::to_string).collect();
    notes.push(Finding::new(FindingCode::AnchorIncomparable, format!(
        "slow creep is not watched: the anchor is of something else ({}); move it with `cargo xtask perf accept \
         --reset-anchor --reason …`",
        named.join("; ")
    )));
    None
}

/// A refresh and `accept` write an anchor beside a measured baseline; `cargo insta review` cannot. A
/// simulated baseline changes only with the code, and needs none.
fn without_anchor(baseline: &Baseline) -> Option<Finding> {
    let what = "slow creep is not watched: the baseline has no anchor; make it one with `cargo xtask perf accept \
                --reset-anchor --reason …`";
    (baseline.fingerprint.engine != EngineKind::Simulated)
        .then(|| Finding::new(FindingCode::AnchorMissing, what))
}

fn rows(
    evidence: &LoadResults<'_>,
    baseline: Option<&Baseline>,
    anchor: Option<&Baseline>,
    ask: Ask<'_>,
) -> Vec<Row> {
    let estimated = estimated(evidence.starts);
    let compile_cache = evidence.compile_cache();
    let row = |metric: Metric, guard: Option<&Guard>| {
        let measured = evidence.values(metric);
        let starts: Vec<f64> = measured.iter().filter_map(|runs| median(runs)).collect();
        let before = baseline.map_or(&[][..], |baseline| baseline.sessions(metric));
        let (base, now) = (median(&before.concat().concat()), median(&starts));
        let estimated = estimated.contains(&metric.quantity());
        let baseline_estimated = baseline.is_some_and(|baseline| baseline.is_estimated(metric));
        let is_alike = base.is_none() || now.is_none() || estimated == baseline_estimated;
        let unlike_start = |before: Option<&Baseline>| {
            let depends = CompileCache::matters_to(metric.quantity());
            before.filter(|_| depends).and_then(|before| unlike_starts(before, compile_cache))
        };
        let guard = guard.map(|guard| {
            let judgement = match ask {
                Ask::Whole(verdict) => Judgement::plain(verdict),
                Ask::Gate(_) if !is_alike => Judgement {
                    reason: Some(unlike(estimated)),
                    ..Judgement::plain(Verdict::Incomparable)
                },
                Ask::Gate(_) if let Some(why) = unlike_start(baseline) => {
                    Judgement { reason: Some(why), ..Judgement::plain(Verdict::Incomparable) }
                }
                // What some starts did not measure, the others do not stand for.
                Ask::Gate(_)
                    if !measured.is_empty() && measured.len() < evidence.judged_starts() =>
                {
                    Judgement::invalid(format!(
                        "{} of {} engine starts measured no {}; look at their records",
                        evidence.judged_starts() - measured.len(),
                        evidence.judged_starts(),
                        metric.label()
                    ))
                }
                Ask::Gate(Reference::Baseline(gate)) => {
                    let judgement = gate.judge(guard, before, &measured);
                    gate.check_creep(
                        guard,
                        judgement,
                        anchor
                            .filter(|anchor| anchor.is_estimated(metric) == estimated)
                            .filter(|anchor| unlike_start(Some(anchor)).is_none())
                            .map_or(&[][..], |anchor| anchor.sessions(metric)),
                        before,
                    )
                }
                Ask::Gate(Reference::Pairs(gate, base)) => {
                    gate.pairs(guard, &pairs_of(base, evidence.starts, metric))
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
            baseline_starts: before.iter().flatten().filter_map(|runs| median(runs)).collect(),
            measured: now,
            change: base
                .zip(now)
                .filter(|(base, _)| *base > 0.0 && is_alike)
                .map(|(base, now)| now / base - 1.0),
            starts,
            estimated,
            baseline_estimated,
            guard,
        }
    };
    let guarded = |metric: Metric| evidence.guards.iter().any(|guard| guard.metric == metric);
    let published = |metric: Metric| evidence.published.iter().any(|there| there.metric == metric);
    let measured = evidence.metrics();
    let others =
        Metric::all().chain(Metric::minima()).filter(|metric| !guarded(*metric)).filter(|metric| {
            published(*metric) || (is_headline(*metric) && measured.contains_key(metric))
        });
    evidence
        .guards
        .iter()
        .map(|guard| row(guard.metric, Some(guard)))
        .chain(others.map(|metric| row(metric, None)))
        .collect()
}

/// Why a guard is not judged where one side is an estimate and the other is not.
pub(crate) fn unlike(is_estimated_now: bool) -> String {
    let (now, before) = if is_estimated_now {
        ("an estimate now", "measured in the baseline")
    } else {
        ("measured now", "an estimate in the baseline")
    };
    format!(
        "{now} and {before}, so the two are not compared; let the server report the tokens of each chunk \
         (`continuous_usage_stats`), or measure a new baseline with `cargo xtask perf refresh`"
    )
}

/// Why the times of these starts are not compared: they did not find the same in the compile cache.
fn unlike_starts(before: &Baseline, now: Option<CompileCache>) -> Option<String> {
    let (before, now) = (before.fingerprint.compile_cache?, now?);
    let is_alike = before == now && now != CompileCache::Mixed;
    (!is_alike).then(|| {
        format!(
            "compile cache {now} now and {before} in the baseline, so times of starts are not compared; set `state` under \
             [compile_cache] in perf.toml to \"cold\" or \"warm\", and measure a new baseline with `cargo xtask perf refresh`"
        )
    })
}

/// What a report says of a guard that was judged against this baseline.
pub(crate) fn guard_row(guard: &Guard, baseline: Option<f64>, judgement: Judgement) -> GuardRow {
    let slack = judgement.band.unwrap_or(guard.slack);
    let limit = baseline.map(|base| Guard { slack, ..*guard }.limit(base));
    GuardRow { slack: guard.slack, limit, judgement }
}

#[cfg(test)]
mod tests;
