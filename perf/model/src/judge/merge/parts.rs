//! The runs that a merge is given, and what is found wrong with them: [`PartRun`], [`Alarms`].

use std::collections::{BTreeMap, BTreeSet};

use crate::judge::report::SuiteReport;
use crate::judge::verdict::Verdict;
use crate::spec::engine_kind::EngineKind;
use crate::spec::merged::PartOf;
use crate::spec::run_request::RunRequest;

/// A run that was given as a part.
#[derive(Clone, Debug)]
pub struct PartRun {
    /// How messages name it: its folder.
    pub source: String,
    /// What it left, or why that cannot be read.
    pub found: Result<PartContent, String>,
}

/// What a run left.
#[derive(Clone, Debug, PartialEq)]
pub struct PartContent {
    /// What it was asked to do.
    pub request: RunRequest,
    /// Whether it came to its end.
    pub is_complete: bool,
    /// The reports of its suites, each with the name of its folder.
    pub reports: Vec<(String, SuiteReport)>,
    /// Every folder in it, those without a report too.
    pub folders: BTreeSet<String>,
    /// The reports that cannot be read, and why.
    pub unread: Vec<String>,
}

/// A readable run that says which part it is.
pub(crate) struct Given<'a> {
    /// Its place among the runs that were given.
    pub(crate) at: usize,
    pub(crate) source: &'a str,
    pub(crate) part: &'a PartOf,
    pub(crate) content: &'a PartContent,
}

impl Given<'_> {
    /// Whether it has a report of a suite.
    pub(crate) fn has(&self, suite: &str) -> bool {
        self.content.reports.iter().any(|(_, report)| report.suite == suite)
    }
}

/// What is wrong with the whole, part by part.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    found: BTreeMap<String, (Verdict, Vec<String>)>,
}

impl Alarms {
    /// Adds what is wrong with a part.
    pub(crate) fn add(&mut self, part: &str, verdict: Verdict, why: String) {
        self.of(format!("part {part}"), verdict, why);
    }

    /// Adds what is wrong with anything else.
    pub(crate) fn of(&mut self, what: String, verdict: Verdict, why: String) {
        let (worst, whys) = self.found.entry(what).or_insert((verdict, Vec::new()));
        *worst = verdict.max(*worst);
        whys.push(why);
    }

    /// An entry of the report for each.
    pub(crate) fn reports(self, engine: EngineKind) -> Vec<SuiteReport> {
        let report = |(what, (verdict, whys)): (String, (Verdict, Vec<String>))| {
            SuiteReport::unmeasured(what, engine, verdict, whys.join("; "))
        };
        self.found.into_iter().map(report).collect()
    }
}
