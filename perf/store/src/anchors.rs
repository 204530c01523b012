//! The anchor of a baseline, in files next to it: [`find`] and [`write()`].

use std::path::Path;

use perf_model::judge::anchor::{Anchor, AnchorLookup, anchor_file};
use perf_model::judge::baseline::Baseline;

use crate::atomic::WriteError;
use crate::lock::Lock;
use crate::pair;

/// Reads the anchor of a baseline's file.
pub fn find(baseline_file: &Path) -> AnchorLookup {
    match pair::read(&anchor_file(baseline_file), Anchor::from_texts) {
        Ok(pair) => AnchorLookup::At(Box::new(pair.value)),
        Err(error) if error.is_missing() => AnchorLookup::Nowhere,
        Err(error) => AnchorLookup::Unusable(error.to_string()),
    }
}

/// Adds to the anchor of a baseline's file the sessions that were added to that baseline, if they
/// were: see [`Anchor::grown`].
pub fn grow(_lock: &Lock, baseline_file: &Path, baseline: &Baseline) -> Result<(), WriteError> {
    let AnchorLookup::At(anchor) = find(baseline_file) else { return Ok(()) };
    anchor.grown(baseline).map_or(Ok(()), |grown| put(baseline_file, &grown))
}

/// Moves the anchor of a baseline's file to a baseline, for a reason.
pub fn write(
    _lock: &Lock,
    baseline_file: &Path,
    baseline: Baseline,
    reason: &str,
) -> Result<(), WriteError> {
    put(baseline_file, &Anchor { reason: reason.to_owned(), baseline })
}

/// Writes the anchor of a baseline's file again in the present form, if there is one that can be
/// read. Gives whether that changed the files.
pub(crate) fn rewrite(baseline_file: &Path, baseline: &Baseline) -> Result<bool, WriteError> {
    let AnchorLookup::At(mut anchor) = find(baseline_file) else { return Ok(false) };
    anchor.baseline.slacks.clone_from(&baseline.slacks);
    anchor.baseline.slacks.retain(|metric, _| anchor.baseline.metrics.contains_key(metric));
    if pair::holds(&anchor_file(baseline_file), &anchor.to_texts()) {
        return Ok(false);
    }
    put(baseline_file, &anchor).map(|()| true)
}

fn put(baseline_file: &Path, anchor: &Anchor) -> Result<(), WriteError> {
    pair::write(&anchor_file(baseline_file), &anchor.to_texts(), Anchor::from_texts)
}
