//! What two variants that were measured in turn say of each other: which base a baseline stands for
//! ([`base`]), and what a duet makes of a verdict ([`settle`]).

use std::path::PathBuf;

use crate::judge::baseline::Baseline;
use crate::judge::clock_difference::side_by_side;
use crate::judge::gate::{DuetOutcome, Gate};
use crate::judge::judgement::Judgement;
use crate::judge::report::{LoadReport, Row};
use crate::judge::results::{RepetitionResult, estimated, names, pairs_of, runs_by_start};
use crate::judge::verdict::Verdict;
use crate::record::finding::{Finding, FindingCode};
use crate::record::fingerprint::Fingerprint;
use crate::spec::engine_kind::EngineKind;
use crate::spec::guard::Guard;
use crate::spec::metric::Metric;
use crate::spec::settings::{SERVER_COMMAND, Settings, Variant};

/// The variant that a baseline was measured on, to be measured again beside the candidate; or why
/// that is not possible.
///
/// A duet tells apart only what it can switch. Where a driver changed too, or nothing did, an even
/// duet would overturn a verdict without a comparison.
pub fn base(
    baseline: &Fingerprint,
    now: &Fingerprint,
    settings: &Settings,
    pairs: u32,
) -> Result<Variant, String> {
    if pairs == 0 {
        return Err("duet_pairs is 0 in perf.toml".to_owned());
    }
    if baseline.driver != now.driver {
        return Err("the driver changed, and a driver cannot be switched between starts".to_owned());
    }
    let has_command = |print: &Fingerprint| {
        print.under_test.iter().any(|setting| setting.starts_with(SERVER_COMMAND))
    };
    if has_command(baseline) || has_command(now) {
        return Err("a server by its own command line cannot be switched to an older version of itself; hold two commands \
             against each other with `compare`"
            .to_owned());
    }
    let (arguments, environment): (Vec<&String>, Vec<&String>) =
        baseline.under_test.iter().partition(|setting| setting.starts_with('-'));
    let pair = |setting: &&String| {
        setting.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let mut variant = Variant {
        arguments: arguments.into_iter().cloned().collect(),
        environment: environment.iter().filter_map(pair).collect(),
        ..Variant::default()
    };
    match now.engine {
        EngineKind::Remote => return Err("a remote server cannot be switched".to_owned()),
        EngineKind::Docker => {
            variant.image = baseline.image_digest.clone().or_else(|| baseline.image.clone());
        }
        EngineKind::Process => variant.vllm = Some(installed(baseline, now, settings)?),
        EngineKind::Simulated => {}
    }
    let unchanged = match now.engine {
        EngineKind::Docker => {
            now.image_digest.is_some() && now.image_digest == baseline.image_digest
        }
        EngineKind::Process => variant.vllm == settings.candidate.vllm,
        EngineKind::Remote => true,
        EngineKind::Simulated => settings.candidate.inject.is_none(),
    };
    if unchanged && now.under_test == baseline.under_test {
        return Err(
            "the software is the same as in the baseline; what changed is the machine".to_owned()
        );
    }
    Ok(variant)
}

/// Where the vLLM that a baseline was measured on is installed on this machine.
fn installed(
    baseline: &Fingerprint,
    now: &Fingerprint,
    settings: &Settings,
) -> Result<PathBuf, String> {
    let given = settings.base.as_ref().and_then(|base| base.vllm.clone());
    let the_same = || settings.candidate.vllm.clone().filter(|_| baseline.vllm == now.vllm);
    given.or_else(the_same).ok_or_else(|| {
        let version = baseline.vllm.as_deref().unwrap_or("an unknown version");
        format!("the path of the baseline's vLLM ({version}) is unknown; give it with `--base-vllm PATH`")
    })
}

/// What raised a suspicion: the starts that were held against a baseline.
#[derive(Clone, Copy, Debug)]
pub struct Suspicion<'a> {
    /// The baseline.
    pub baseline: &'a Baseline,
    /// The starts.
    pub starts: &'a [RepetitionResult],
    /// Pairs that a duet may take.
    pub most_pairs: u32,
    /// The guards that share its error rate.
    pub suspects: usize,
}

/// The guards of a report that a duet may confirm or overturn.
pub fn suspects(report: &LoadReport, guards: &[Guard]) -> Vec<Guard> {
    let suspected = |guard: &&Guard| judgement(report, guard.metric).is_some_and(is_suspicious);
    guards.iter().filter(suspected).copied().collect()
}

/// Takes in what a duet says so far of the guards that it is held for, and leaves those in `open`
/// that another pair may still settle: none when one is confirmed, because the load fails by that.
pub fn settle(
    report: &mut LoadReport,
    open: &mut Vec<Guard>,
    gate: &Gate,
    raised_by: &Suspicion<'_>,
    base: &[RepetitionResult],
    candidate: &[RepetitionResult],
) {
    let unfit =
        faults(base).or_else(|| faults(candidate)).or_else(|| other_vllm(base, raised_by.baseline));
    if let Some(faults) = unfit {
        report.notes.push(Finding::new(
            FindingCode::NotConfirmed,
            format!("the duet gave no result: {faults}"),
        ));
        leave_unconfirmed(report, raised_by.baseline, &faults);
        open.clear();
        return;
    }
    let mut is_confirmed = false;
    open.retain(|guard| {
        let quantity = guard.metric.quantity();
        if estimated(base).contains(&quantity) != estimated(candidate).contains(&quantity) {
            report.notes.push(Finding::new(
                FindingCode::NotConfirmed,
                format!(
                    "the duet gave no result for {}: it is an estimate on one side and measured on the other",
                    guard.metric.label()
                ),
            ));
            leave_unconfirmed(report, raised_by.baseline, "it gave no result");
            return false;
        }
        let pairs = pairs_of(base, candidate, guard.metric);
        let was_improved = judgement(report, guard.metric)
            .is_some_and(|judgement| judgement.verdict == Verdict::Improved);
        let measured = runs_by_start(raised_by.starts, guard.metric);
        let before = raised_by.baseline.sessions(guard.metric);
        let limits = (raised_by.most_pairs, raised_by.suspects);
        let duet = match gate.confirm(guard, before, &measured, &pairs, limits) {
            Ok(duet) => duet,
            Err(why) => {
                report.notes.push(Finding::new(
                    FindingCode::NotConfirmed,
                    format!("the duet gave no result for {}: {why}", guard.metric.label()),
                ));
                leave_unconfirmed(report, raised_by.baseline, &why);
                return false;
            }
        };
        let percent = |change: f64| change * 100.0;
        let (low, high) = duet.interval;
        let result = format!(
            "{} pairs: {:+.1} % ({:+.1} to {:+.1} %)",
            pairs.len(),
            percent(duet.change),
            percent(low),
            percent(high)
        );
        match duet.outcome {
            DuetOutcome::Undecided => {
                report.settle(
                    guard.metric,
                    Verdict::Inconclusive,
                    &format!("neither shown nor ruled out in a duet of {result}"),
                );
            }
            DuetOutcome::Open => return true,
            DuetOutcome::Confirmed => {
                is_confirmed |= !was_improved;
                let verdict = if was_improved { Verdict::Improved } else { Verdict::Regressed };
                report.settle(guard.metric, verdict, &format!("{CONFIRMED} {result}"));
            }
            DuetOutcome::Overturned => {
                let why = format!(
                    "the difference to the baseline does not show side by side, in {result}"
                );
                report.settle(guard.metric, Verdict::Held, &why);
            }
        }
        false
    });
    if is_confirmed {
        for guard in open.drain(..) {
            report.remark(
                guard.metric,
                "the duet ended when another guard of the load was confirmed",
            );
        }
    }
    if open.is_empty() {
        let differed = report.notes.iter().any(|note| note.code == FindingCode::ClockDiffers);
        report.notes.extend(side_by_side(" in the duet", base, candidate, differed));
    }
}

/// How the reason of a verdict begins that a duet confirmed.
const CONFIRMED: &str = "confirmed in a duet of";

/// What becomes of an improvement that no duet confirmed, `why`: it stands where the baseline knows
/// how far days differ, and is not reported otherwise.
pub fn leave_unconfirmed(report: &mut LoadReport, baseline: &Baseline, why: &str) {
    let improved = report.rows.iter().filter(|row| {
        row.guard.as_ref().is_some_and(|guard| guard.judgement.verdict == Verdict::Improved)
    });
    let is_confirmed = |row: &&Row| {
        let reason = row.guard.as_ref().and_then(|guard| guard.judgement.reason.as_deref());
        reason.is_some_and(|reason| reason.starts_with(CONFIRMED))
    };
    let improved: Vec<(Metric, f64)> = improved
        .filter(|row| !is_confirmed(row))
        .filter(|row| baseline.sessions(row.metric).len() < KNOWS_DAYS)
        .map(|row| (row.metric, row.change.unwrap_or_default()))
        .collect();
    for (metric, change) in improved {
        let reason = format!(
            "{:.1} % better than the baseline, which does not say how far days differ; not reported as an improvement, because \
             no duet confirmed it: {why}",
            100.0 * change.abs()
        );
        report.settle(metric, Verdict::Held, &reason);
    }
}

/// A baseline of this many sessions shows how far days differ.
const KNOWS_DAYS: usize = 3;

/// Says so if what stood in for the baseline's vLLM is another one.
fn other_vllm(base: &[RepetitionResult], baseline: &Baseline) -> Option<String> {
    let (started, wanted) =
        (base.first()?.fingerprint.vllm.as_ref()?, baseline.fingerprint.vllm.as_ref()?);
    let differs = || {
        format!("the baseline was measured on vLLM {wanted}, but the duet started vLLM {started}")
    };
    (started != wanted).then(differs)
}

/// The faults of the first start that has any, in words.
pub fn faults(starts: &[RepetitionResult]) -> Option<String> {
    let (name, start) =
        names(starts).into_iter().zip(starts).find(|(_, start)| !start.faults.is_empty())?;
    let faults: Vec<&str> = start.faults.iter().map(|fault| fault.message.as_str()).collect();
    Some(format!("{name} of one side: {}", faults.join("; ")))
}

/// What is inconclusive because of its wide band needs another baseline, and no duet.
fn is_suspicious(judgement: &Judgement) -> bool {
    let is_suspected =
        matches!(judgement.verdict, Verdict::Regressed | Verdict::Inconclusive | Verdict::Improved);
    is_suspected && !judgement.is_blind
}

fn judgement(report: &LoadReport, metric: Metric) -> Option<&Judgement> {
    let row = report.rows.iter().find(|row| row.metric == metric)?;
    Some(&row.guard.as_ref()?.judgement)
}

#[cfg(test)]
mod tests;
