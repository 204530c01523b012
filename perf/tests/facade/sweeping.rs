//! What the tests of sweeps share: asking for one, and reading what came of it.

use perf_model::spec::settings::SweepRequest;
use perf_model::sweep::report::SweepReport;
use perf_store::sweep_file;

use crate::common::{Inner, Place};

/// As `cargo xtask perf sweep` runs it.
pub(crate) fn asked(inner: Inner, resumes: bool) -> Inner {
    inner.settings(|settings| {
        settings.sweep = Some(SweepRequest { resumes, ..SweepRequest::default() });
    })
}

pub(crate) fn report(place: &Place) -> SweepReport {
    sweep_file::read(&place.path("run/inner/sweep.json")).unwrap()
}

/// Everything that two sweeps wrote is the same, byte for byte.
pub(crate) fn assert_same_sweep(place: &Place, again: &Place) {
    for file in ["sweep.json", "sweep.csv", "sweep.jsonl"] {
        let path = format!("run/inner/{file}");
        assert_eq!(place.read(&path), again.read(&path), "{file}");
    }
}
