//! A run as one JSON document with a published schema, `docs/schemas/run.schema.json`: [`json`].
//!
//! Its types are its own, so that the files that the suite keeps for itself may change without
//! changing it. A key may be added; one that is there keeps its meaning, or `schema` rises.

mod document;
#[cfg(test)]
mod schema;

use perf_model::judge::report::{LoadReport, Row, SuiteReport};
use perf_model::judge::verdict::Verdict;
use perf_model::record::difference::Difference as FingerprintDifference;
use perf_model::record::finding::{Finding, Severity as FindingSeverity};
use perf_model::spec::merged::{MergedPart, PartState as StateOfPart};
use perf_model::spec::metric::Direction as MetricDirection;
use perf_model::spec::units::Percent;

use crate::overview::Overview;
pub use document::{
    Difference, Direction, Document, Figure, Guard, Load, Note, Part, PartState, SCHEMA, Severity,
    Suite, VerdictName,
};

/// The run as JSON.
pub fn json(run: &Overview<'_>) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&document(run))
}

/// What the JSON says.
pub fn document(run: &Overview<'_>) -> Document {
    Document {
        schema: SCHEMA,
        verdict: run.verdict().map(name_of),
        exit_code: run.exit_code(),
        complete: run.is_complete,
        simulated: run.is_simulated(),
        headline: run.headline(),
        next: run.next(),
        under_test: run.under_test(),
        gpu_seconds: run.gpu_s(),
        parts: run
            .merged()
            .map(|merged| merged.parts.iter().map(part).collect())
            .unwrap_or_default(),
        remarks: run.merged().map(|merged| merged.remarks.clone()).unwrap_or_default(),
        suites: run.reports.iter().map(suite).collect(),
    }
}

fn part(part: &MergedPart) -> Part {
    Part {
        name: part.name.clone(),
        guards: part.guards,
        state: match part.state {
            StateOfPart::Complete => PartState::Complete,
            StateOfPart::Unfinished => PartState::Unfinished,
            StateOfPart::Missing => PartState::Missing,
        },
    }
}

fn suite(report: &SuiteReport) -> Suite {
    Suite {
        name: report.suite.clone(),
        engine: report.engine.to_string(),
        verdict: name_of(report.verdict),
        remark: report.remark.clone(),
        gpu_seconds: report.gpu_s,
        loads: report.loads.iter().map(load).collect(),
    }
}

fn load(report: &LoadReport) -> Load {
    Load {
        name: report.load.clone(),
        verdict: name_of(report.verdict),
        hardware: report.hardware.clone(),
        model: (!report.model.is_empty()).then(|| report.model.clone()),
        workload: report.workload.clone(),
        arrivals: report.arrivals.clone(),
        engine_starts: report.starts,
        figures: report.rows.iter().map(figure).collect(),
        under_test: report.under_test.iter().map(difference).collect(),
        incomparable: report.incomparable.iter().map(difference).collect(),
        notes: report.faults.iter().chain(&report.notes).map(note).collect(),
        baseline_file: report.baseline_file.clone(),
        records: report.records.clone(),
    }
}

fn figure(row: &Row) -> Figure {
    Figure {
        metric: row.metric.to_string(),
        label: row.metric.label(),
        unit: row.metric.unit().to_owned(),
        better: match row.metric.direction() {
            MetricDirection::HigherIsBetter => Direction::Higher,
            MetricDirection::LowerIsBetter => Direction::Lower,
        },
        published: row.published,
        baseline: row.baseline,
        baseline_starts: row.baseline_starts.clone(),
        baseline_estimated: row.baseline_estimated,
        measured: row.measured,
        starts: row.starts.clone(),
        estimated: row.estimated,
        change: row.change,
        guard: row.guard.as_ref().map(|guard| Guard {
            verdict: name_of(guard.judgement.verdict),
            reason: guard.judgement.reason.clone(),
            slack: guard.slack.fraction(),
            band: guard.judgement.band.map(Percent::fraction),
            limit: guard.limit,
            change_low: guard.judgement.interval.map(|(low, _)| low),
            change_high: guard.judgement.interval.map(|(_, high)| high),
            standard_error: guard.judgement.numbers.map(|numbers| numbers.error),
            detects: guard.judgement.numbers.map(|numbers| numbers.detects),
        }),
    }
}

fn difference(difference: &FingerprintDifference) -> Difference {
    let FingerprintDifference { what, baseline, measured } = difference.clone();
    Difference { what, baseline, measured }
}

fn note(finding: &Finding) -> Note {
    Note {
        code: serde_json::to_value(finding.code)
            .ok()
            .and_then(|code| code.as_str().map(str::to_owned))
            .unwrap_or_default(),
        severity: match finding.code.severity() {
            FindingSeverity::Fault => Severity::Fault,
            FindingSeverity::Warning => Severity::Warning,
            FindingSeverity::Information => Severity::Information,
        },
        at: finding.at.clone(),
        message: finding.message.clone(),
    }
}

/// The name of a verdict for programs: always in lower case.
pub(crate) fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Improved => "improved",
        Verdict::Held => "held",
        Verdict::Skipped => "skipped",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Unrecorded => "unrecorded",
        Verdict::Incomparable => "incomparable",
        Verdict::Invalid => "invalid",
        Verdict::Stale => "stale",
        Verdict::Creep => "creep",
        Verdict::Regressed => "regressed",
    }
}

/// The name of a direction for programs.
pub(crate) fn direction_name(direction: MetricDirection) -> &'static str {
    match direction {
        MetricDirection::HigherIsBetter => "higher_is_better",
        MetricDirection::LowerIsBetter => "lower_is_better",
    }
}

fn name_of(verdict: Verdict) -> VerdictName {
    match verdict {
        Verdict::Improved => VerdictName::Improved,
        Verdict::Held => VerdictName::Held,
        Verdict::Skipped => VerdictName::Skipped,
        Verdict::Inconclusive => VerdictName::Inconclusive,
        Verdict::Unrecorded => VerdictName::Unrecorded,
        Verdict::Incomparable => VerdictName::Incomparable,
        Verdict::Invalid => VerdictName::Invalid,
        Verdict::Stale => VerdictName::Stale,
        Verdict::Creep => VerdictName::Creep,
        Verdict::Regressed => VerdictName::Regressed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const PUBLISHED: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schemas/run.schema.json");

    #[test]
    fn every_verdict_as_json_fits_the_published_schema() {
        let request = testing::request();
        let schema: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(PUBLISHED).unwrap()).unwrap();
        for reports in testing::every_verdict() {
            let run = Overview { reports: &reports, request: Some(&request), is_complete: true };
            let text = json(&run).unwrap();
            let value = serde_json::from_str(&text).unwrap();
            assert_eq!(schema::faults(&schema, &value), Vec::<String>::new(), "{text}");
            let document: Document = serde_json::from_str(&text).unwrap();
            assert_eq!(
                document.verdict.map(|verdict| format!("{verdict:?}").to_lowercase()),
                run.verdict().map(|verdict| verdict_name(verdict).to_owned())
            );
        }
    }

    #[test]
    fn all_verdicts_of_one_run_are_shown() {
        let reports = testing::VERDICTS.map(testing::suite);
        let run = Overview { reports: &reports, request: None, is_complete: true };
        insta::assert_snapshot!(json(&run).unwrap());
    }

    #[test]
    fn the_published_schema_is_that_of_the_code() {
        let schema = serde_json::to_string_pretty(&schemars::schema_for!(Document)).unwrap() + "\n";
        // How to change it: run this test with PERF_WRITE_SCHEMA=1, and review the difference.
        if std::env::var_os("PERF_WRITE_SCHEMA").is_some() {
            std::fs::create_dir_all(std::path::Path::new(PUBLISHED).parent().unwrap()).unwrap();
            std::fs::write(PUBLISHED, &schema).unwrap();
        }
        assert_eq!(std::fs::read_to_string(PUBLISHED).unwrap(), schema);
    }

    #[test]
    fn the_check_of_the_schema_finds_what_does_not_fit() {
        let schema = serde_json::to_value(schemars::schema_for!(Document)).unwrap();
        let reports = [testing::suite(Verdict::Held)];
        let run = Overview { reports: &reports, request: None, is_complete: true };
        let right = serde_json::to_value(document(&run)).unwrap();
        let wrong = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut value = right.clone();
            change(&mut value);
            schema::faults(&schema, &value).join("; ")
        };
        assert_eq!(wrong(&|_| {}), "");
        assert!(wrong(&|value| value["verdict"] = "great".into()).contains("verdict"));
        assert!(
            wrong(&|value| value["suites"][0]["loads"][0]["figures"][0]["unit"] = 1.into())
                .contains("unit")
        );
        assert!(
            wrong(&|value| {
                value.as_object_mut().unwrap().remove("suites");
            })
            .contains("suites is missing")
        );
        assert!(wrong(&|value| value["surprise"] = 1.into()).contains("surprise is not known"));
    }
}
