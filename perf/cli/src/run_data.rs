//! What a run left, as reports need it: [`RunData`], read from its folder.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use perf_model::analysis::run_shape::RunShape;
use perf_model::judge::report::SuiteReport;
use perf_model::record::reader::Entry;
use perf_model::spec::run_request::RunRequest;
use perf_model::sweep::report::SweepReport;
use perf_report::Overview;
use perf_report::html::{LoadShape, Log, Page};
use perf_store::{logs, record_file, report_file, runs, sweep_file};

use crate::filters;

/// Of each log, so many bytes of its end are shown, and of so many logs.
const LOG_BYTES: u64 = 12 * 1024;
const LOGS: usize = 10;

/// What a run left. What cannot be read is left out, and said on standard error.
pub(crate) struct RunData {
    pub(crate) name: String,
    pub(crate) reports: Vec<SuiteReport>,
    pub(crate) request: Option<RunRequest>,
    pub(crate) is_complete: bool,
    /// When it was asked for, in seconds since 1970.
    pub(crate) at_unix_s: u64,
    pub(crate) sweeps: Vec<SweepReport>,
    /// How many files could not be read.
    pub(crate) unread: usize,
}

impl RunData {
    /// Reads the reports of the suites that the filters name.
    pub(crate) fn read(run: &Path, asked: &[String]) -> Result<Self> {
        let mut unread = 0;
        let mut reports = Vec::new();
        for path in report_file::all_in(run)? {
            reports.extend(said(report_file::read(&path), &mut unread));
        }
        reports.retain(|report| filters::matches(&report.suite, asked));
        let mut sweeps = Vec::new();
        for path in sweep_file::all_in(run)? {
            sweeps.extend(said(sweep_file::read(&path), &mut unread));
        }
        sweeps.retain(|sweep| filters::matches(&sweep.name, asked));
        let name = run.canonicalize().unwrap_or_else(|_| run.to_owned());
        let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self {
            name,
            reports,
            request: runs::read_request(run),
            is_complete: !runs::was_interrupted(run),
            at_unix_s: runs::asked_at(run),
            sweeps,
            unread,
        })
    }

    /// The run, as every format sees it.
    pub(crate) fn overview(&self) -> Overview<'_> {
        Overview {
            reports: &self.reports,
            request: self.request.as_ref(),
            is_complete: self.is_complete,
        }
    }

    /// The run as a page, with the charts of its records.
    pub(crate) fn html(&mut self, run: &Path) -> Result<String> {
        let shapes = self.shapes(run)?;
        let failed = self.reports.iter().filter(|report| !report.verdict.is_pass());
        let mut ends = Vec::new();
        for report in failed {
            let folder = run.join(&report.suite);
            let left = LOGS.saturating_sub(ends.len());
            if folder.is_dir() && left > 0 {
                let found = logs::ends(&folder, LOG_BYTES, left)?;
                let name = |log: String| format!("{}/{log}", report.suite);
                ends.extend(found.into_iter().map(|(log, text)| Log { name: name(log), text }));
            }
        }
        Ok(perf_report::html::html(&Page {
            run: self.overview(),
            name: &self.name,
            shapes: &shapes,
            sweeps: &self.sweeps,
            logs: &ends,
        }))
    }

    /// What the records of the reported loads say. A record is never in memory as a whole.
    fn shapes(&mut self, run: &Path) -> Result<Vec<LoadShape>> {
        let mut shapes: BTreeMap<(String, String), LoadShape> = BTreeMap::new();
        for report in self.reports.iter().filter(|report| !report.loads.is_empty()) {
            let folder = run.join(&report.suite);
            if !folder.is_dir() {
                continue;
            }
            for path in runs::files(&folder, "jsonl")? {
                // The probes of a search are at many strengths, which make no one distribution.
                let is_probe = path.to_string_lossy().contains(".probe-");
                if is_probe || path.ends_with(sweep_file::JOURNAL) {
                    continue;
                }
                let add = |shape: &mut RunShape, entry: &Entry| match entry {
                    Entry::Sample(sample) => shape.add(sample),
                    Entry::Gpu(reading) => shape.add_gpu(reading),
                };
                let record = record_file::fold(&path, |_| RunShape::default(), add);
                let Some((mut header, mut shape, end)) = said(record, &mut self.unread) else {
                    continue;
                };
                if let Some(end) = &end {
                    shape.finish(end);
                }
                // In a merged run, its suite may have the name of a part too.
                header.suite.clone_from(&report.suite);
                shapes
                    .entry((header.suite.clone(), header.load.clone()))
                    .or_insert_with(|| LoadShape::of(&header))
                    .add(&header, shape);
            }
        }
        Ok(shapes.into_values().collect())
    }
}

/// What was read; of what could not be, an error is said.
fn said<T>(read: Result<T, perf_store::input_file::InputError>, unread: &mut usize) -> Option<T> {
    read.map_err(|why| {
        *unread += 1;
        eprintln!("error: {why}");
    })
    .ok()
}
