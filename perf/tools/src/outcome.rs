//! What came of a load: [`Outcome`].

use std::path::PathBuf;

use perf_model::analysis::run_analysis::RunAnalysis;
use perf_model::record::file::Record;
use perf_model::spec::load::Load;
use perf_store::atomic::WriteError;

/// One load, and what came of it.
pub(crate) struct Outcome {
    pub(crate) load: Load,
    pub(crate) record: Record,
    /// Where the record is.
    pub(crate) path: Option<PathBuf>,
    /// What the record says.
    pub(crate) analysis: RunAnalysis,
    /// Why the record in the file is incomplete, if it could not be written.
    pub(crate) trouble: Option<WriteError>,
}
