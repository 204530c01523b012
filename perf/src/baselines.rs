//! Baselines and insta: leaving what was measured to review, and taking away what waited for review
//! and is settled. What is on disk is read and written by `perf-store`.
//!
//! The gate has judged before insta is asked: insta's comparator only passes the verdict on, so
//! that a run that may not be compared leaves a pending snapshot and one that holds leaves none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use insta::{Comparator, Snapshot};
use perf_model::judge::baseline::Baseline;
use perf_model::judge::verdict::Verdict;
use perf_store::baselines as on_disk;

/// Hands what nothing could be held against to insta, which leaves it to review.
pub(crate) fn leave_pending(file: &Path, measured: &Baseline) {
    if insta_would_overwrite() {
        return;
    }
    // Without its engine starts a snapshot could not be accepted.
    if on_disk::leave_pending_starts(file, measured).unwrap_or(false) {
        hand_to_insta(file, measured, false);
    }
}

/// Tells insta that a load held, so that what an older run left to review is taken away.
pub(crate) fn settle_pending(file: &Path, measured: &Baseline, verdict: Verdict) {
    if verdict.is_pass() && !insta_would_overwrite() {
        hand_to_insta(file, measured, true);
        on_disk::settle_pending_starts(file);
    }
}

/// Whether insta would overwrite baselines by itself. Only a refresh may overwrite them, without
/// insta.
fn insta_would_overwrite() -> bool {
    is_set("INSTA_UPDATE", &["always", "1", "unseen", "force"])
        || is_set("INSTA_FORCE_UPDATE", &["1"])
        || is_set("INSTA_FORCE_UPDATE_SNAPSHOTS", &["1"])
}

fn is_set(variable: &str, values: &[&str]) -> bool {
    std::env::var(variable).is_ok_and(|value| values.contains(&value.as_str()))
}

fn hand_to_insta(file: &Path, measured: &Baseline, matches: bool) {
    let (Some(folder), Some(name)) =
        (file.parent(), file.file_stem().and_then(|stem| stem.to_str()))
    else {
        return;
    };
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_comparator(Box::new(JudgedAlready { matches }));
    // insta panics when a snapshot does not match. A verdict does not come from insta
    // but from the report.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        settings.bind(|| insta::assert_snapshot!(name, measured.to_snapshot()));
    }));
}

#[derive(Clone, Copy)]
struct JudgedAlready {
    matches: bool,
}

impl Comparator for JudgedAlready {
    fn matches(&self, _reference: &Snapshot, _test: &Snapshot) -> bool {
        self.matches
    }

    fn dyn_clone(&self) -> Box<dyn Comparator> {
        Box::new(*self)
    }
}
