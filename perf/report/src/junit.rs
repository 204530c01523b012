//! A run as `JUnit` XML, which CI systems show: [`junit`].
//!
//! A suite is a test suite, and each of its guards a test case. What the verdicts become:
//!
//! | verdict | in `JUnit` | because |
//! |---|---|---|
//! | held, improved | passed | the build may go on |
//! | regressed, creep, stale | failure | it was measured, and the build must not go on |
//! | invalid, incomparable, unrecorded | error | it could not be judged, and the build must not go on |
//! | inconclusive, skipped | skipped | nothing is known; it is never shown as passed |

use std::time::Duration;

use perf_model::judge::report::{LoadReport, SuiteReport};
use perf_model::judge::verdict::Verdict;
use quick_junit::{
    NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestSuite,
};

use crate::figure::{change_and_interval, limit, number, optional};
use crate::json::verdict_name;
use crate::overview::Overview;

/// The run as `JUnit` XML.
pub fn junit(run: &Overview<'_>) -> Result<String, SerializeError> {
    let mut report = Report::new("vllm-perf");
    report.add_test_suites(run.reports.iter().map(suite));
    report.to_string()
}

fn suite(report: &SuiteReport) -> TestSuite {
    let mut suite = TestSuite::new(report.suite.as_str());
    suite.add_property(Property::new("engine", report.engine.to_string()));
    suite.add_property(Property::new("verdict", verdict_name(report.verdict)));
    suite.add_property(Property::new("gpu_seconds", report.gpu_s.to_string()));
    if report.loads.is_empty() {
        let reason = report.remark.clone().unwrap_or_default();
        let mut case = TestCase::new("suite", status(report.verdict, &reason));
        case.set_classname(report.suite.as_str());
        suite.add_test_case(case);
    }
    suite.add_test_cases(report.loads.iter().flat_map(cases));
    suite.set_time(Duration::ZERO);
    suite
}

/// A case for each guard; one for a load without guards, or of which no guard was judged.
fn cases(load: &LoadReport) -> Vec<TestCase> {
    let mut cases = Vec::new();
    for row in &load.rows {
        let Some(guard) = &row.guard else { continue };
        let mut said = format!(
            "{}: {} {} measured, {} in the baseline, {}, limit {}",
            row.metric.label(),
            optional(row.measured),
            row.metric.unit(),
            optional(row.baseline),
            change_and_interval(row),
            limit(row, guard),
        );
        for reason in reasons(load, guard.judgement.reason.as_deref()) {
            said.push_str("; ");
            said.push_str(&reason);
        }
        let name = format!("{}: {}", load.load, row.metric.label());
        let mut case = TestCase::new(name, status(guard.judgement.verdict, &said));
        case.set_classname(load.suite.as_str()).set_time(Duration::ZERO);
        for (name, value) in [("measured", row.measured), ("baseline", row.baseline)] {
            if let Some(value) = value {
                case.add_property(Property::new(name, number(value)));
            }
        }
        if !guard.judgement.verdict.is_pass() {
            case.set_system_out(format!(
                "baseline {}\nrecords {}",
                load.baseline_file, load.records
            ));
        }
        cases.push(case);
    }
    if cases.is_empty() {
        let said = reasons(load, None).join("; ");
        let mut case = TestCase::new(load.load.as_str(), status(load.verdict, &said));
        case.set_classname(load.suite.as_str()).set_time(Duration::ZERO);
        cases.push(case);
    }
    cases
}

/// Why a guard has its verdict: its own reason, and what applies to the whole load.
fn reasons(load: &LoadReport, own: Option<&str>) -> Vec<String> {
    let faults = load.faults.iter().map(ToString::to_string);
    let differences = load.incomparable.iter().map(ToString::to_string);
    own.map(str::to_owned).into_iter().chain(faults).chain(differences).collect()
}

fn status(verdict: Verdict, message: &str) -> TestCaseStatus {
    let mut status = match verdict {
        Verdict::Held | Verdict::Improved => return TestCaseStatus::success(),
        Verdict::Regressed | Verdict::Creep | Verdict::Stale => {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        }
        Verdict::Invalid | Verdict::Incomparable | Verdict::Unrecorded => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
        Verdict::Inconclusive | Verdict::Skipped => TestCaseStatus::skipped(),
    };
    status.set_type(verdict_name(verdict)).set_message(message);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn every_verdict_is_shown_and_only_what_held_or_improved_passes() {
        let reports = testing::VERDICTS.map(testing::suite);
        let run = Overview { reports: &reports, request: None, is_complete: true };
        let xml = junit(&run).unwrap();
        insta::assert_snapshot!(xml);
        let report = Report::deserialize_from_str(&xml).unwrap();
        assert_eq!((report.tests, report.failures, report.errors), (10, 3, 3));
        let passed = report.test_suites.iter().flat_map(|suite| &suite.test_cases);
        let passed: Vec<&str> = passed
            .filter(|case| matches!(case.status, TestCaseStatus::Success { .. }))
            .filter_map(|case| case.classname.as_ref().map(quick_junit::XmlString::as_str))
            .collect();
        assert_eq!(passed, ["awq-improved", "awq-held"]);
    }
}
