//! The anchor of a baseline, in a file next to it: [`find`] and [`write()`].

use std::path::Path;

use perf_model::judge::anchor::{Anchor, AnchorLookup, anchor_file};
use perf_model::judge::baseline::Baseline;

use crate::atomic::{self, WriteError};
use crate::input_file::{Kind, read};
use crate::lock::Lock;

/// Reads the anchor of a baseline's file.
pub fn find(baseline_file: &Path) -> AnchorLookup {
    match read(&anchor_file(baseline_file), Kind::Baseline) {
        Ok(text) => match Anchor::from_text(&text) {
            Ok(anchor) => AnchorLookup::At(Box::new(anchor)),
            Err(error) => AnchorLookup::Unusable(error.to_string()),
        },
        Err(error) if error.is_missing() => AnchorLookup::Nowhere,
        Err(error) => AnchorLookup::Unusable(error.fault.to_string()),
    }
}

/// Adds to the anchor of a baseline's file the sessions that were added to that baseline, if they
/// were: see [`Anchor::grown`].
pub fn grow(_lock: &Lock, baseline_file: &Path, baseline: &Baseline) -> Result<(), WriteError> {
    let AnchorLookup::At(anchor) = find(baseline_file) else { return Ok(()) };
    match anchor.grown(baseline) {
        Some(grown) => atomic::write(&anchor_file(baseline_file), &grown.to_text()),
        None => Ok(()),
    }
}

/// Moves the anchor of a baseline's file to a baseline, for a reason.
pub fn write(
    _lock: &Lock,
    baseline_file: &Path,
    baseline: Baseline,
    reason: &str,
) -> Result<(), WriteError> {
    let anchor = Anchor { reason: reason.to_owned(), baseline };
    atomic::write(&anchor_file(baseline_file), &anchor.to_text())
}
