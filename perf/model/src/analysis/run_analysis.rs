//! What a record says: [`RunAnalysis`]. Every statement about a run follows from its
//! record, faults included, so that it can be shown again later and elsewhere.

use crate::analysis::gpu_use::GpuUse;
use crate::analysis::gpu_validity;
use crate::analysis::lateness::Lateness;
use crate::analysis::steady_state::{Steady, steady};
use crate::analysis::summary::{Summary, summarize};
use crate::analysis::validity::{ValidityInputs, estimated, faults, remarks};
use crate::record::file::Record;
use crate::record::finding::{Finding, FindingCode};
use crate::record::skipped_entries::SkippedEntries;
use crate::record::start_up::StartUp;

/// What a record says of its run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunAnalysis {
    /// The figures of the whole run.
    pub summary: Summary,
    /// Those of its steady part; absent where it has none, and where the record does not say how
    /// requests arrived.
    pub steady: Option<Steady>,
    /// How late the sends of an open loop were; absent for a closed one.
    pub lateness: Option<Lateness>,
    /// The share of prompt tokens that the server's prefix cache served; absent where the server
    /// does not say.
    pub prefix_hit_rate: Option<f64>,
    /// Every reason not to believe it. A record that is incomplete, or that does not say what was
    /// asked, has none.
    pub faults: Vec<Finding>,
    /// What a reader of its figures should know.
    pub remarks: Vec<Finding>,
}

impl RunAnalysis {
    /// Reads a record.
    pub fn of(record: &Record) -> Self {
        let Record { header, samples, end, .. } = record;
        let mut summary = summarize(samples, &header.objectives);
        summary.values.extend(header.start_up.iter().flat_map(StartUp::values));
        if let Some(server) = end.as_ref().and_then(|end| end.server.as_ref()) {
            summary.add_server(server);
        }
        let gpus = GpuUse::of(record);
        if let Some(gpus) = &gpus {
            gpus.add_to(&mut summary);
        }
        let steady = header.pattern.and_then(|arrivals| steady(samples, arrivals));
        let lateness = header.pattern.and_then(|arrivals| Lateness::of(samples, arrivals));
        let prefix_hit_rate = end.as_ref().and_then(|end| end.server.as_ref()?.prefix_hit_rate());
        let figures = Self { summary, steady, lateness, prefix_hit_rate, ..Self::default() };
        let started = header.start_up.map(|it| Finding::new(FindingCode::StartUp, it.to_string()));
        let (Some(load), Some(end)) = (&header.declared, end.as_ref().filter(|end| end.complete))
        else {
            // What was not declared, such as an imported file, may have entries that cannot be used.
            let skipped = end.iter().flat_map(|end| &end.skipped_entries);
            let remarks = estimated(samples, &figures.summary)
                .into_iter()
                .chain(skipped.map(SkippedEntries::remark))
                .chain(started)
                .collect();
            return Self { remarks, ..figures };
        };
        let inputs = ValidityInputs {
            samples,
            server: end.server.as_ref(),
            lateness,
            client: end.client.as_ref(),
            calibration: header.calibration.as_ref(),
            cache_reset: end.cache_reset.as_ref(),
            end: Some(end),
        };
        let mut faults = faults(load, &figures.summary, &inputs);
        faults.extend(gpus.iter().flat_map(gpu_validity::faults));
        let mut remarks = remarks(load, &figures.summary, &inputs);
        remarks.extend(gpus.iter().flat_map(|gpus| gpus.remarks(&figures.summary)));
        remarks.extend(started);
        Self { faults, remarks, ..figures }
    }
}
