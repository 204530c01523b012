//! What came of a load: [`Ran`].

use std::path::PathBuf;

use perf_model::load::Load;
use perf_model::record::Record;

/// One load, and what came of it.
pub(crate) struct Ran {
    pub(crate) load: Load,
    pub(crate) record: Record,
    /// Where the record is.
    pub(crate) path: Option<PathBuf>,
    pub(crate) lateness_p99_ms: Option<f64>,
    /// Why it must not be believed.
    pub(crate) faults: Vec<String>,
    /// What a reader of its figures should know.
    pub(crate) remarks: Vec<String>,
}
