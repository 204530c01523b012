//! Baselines on disk, through insta: finding one, leaving a new one to review, and writing one on a refresh.
//!
//! The gate has judged before insta is asked: insta's comparator only passes the verdict on, so that a run that may not
//! be compared leaves a pending snapshot and one that holds leaves none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use insta::{Comparator, Snapshot};
use perf_model::anchor::{Anchor, Anchored, anchor_file};
use perf_model::baseline::Baseline;
use perf_model::compare::Found;
use perf_model::fingerprint::EngineKind;
use perf_model::snapshot;
use perf_model::verdict::Verdict;

use crate::error::{Error, Result};

/// The file of a baseline.
pub(crate) fn file(root: &Path, folder: &str, suite: &str, load: &str) -> PathBuf {
    root.join("baselines").join(folder).join(suite).join(format!("{load}.snap"))
}

/// Reads a baseline.
pub(crate) fn find(file: &Path) -> Found {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Found::Nothing,
        Err(error) => return Found::Unusable(error.to_string()),
    };
    let Some((_, body)) = snapshot::split(&text) else {
        return Found::Unusable("it is no snapshot file; take it from git again, or refresh it".to_owned());
    };
    match Baseline::from_yaml(body) {
        Ok(baseline) => Found::Baseline(Box::new(baseline)),
        Err(error) => Found::Unusable(error.to_string()),
    }
}

/// Hands what nothing could be held against to insta, which leaves it to review.
pub(crate) fn leave_pending(file: &Path, measured: &Baseline) {
    if !insta_would_overwrite() {
        hand_to_insta(file, measured, false);
    }
}

/// Tells insta that a load held, so that what an older run left to review is taken away.
pub(crate) fn settle_pending(file: &Path, measured: &Baseline, verdict: Verdict) {
    if verdict.is_pass() && !insta_would_overwrite() {
        hand_to_insta(file, measured, true);
    }
}

/// Reads the anchor beside a baseline.
pub(crate) fn anchor(file: &Path) -> Anchored {
    match std::fs::read_to_string(anchor_file(file)) {
        Ok(text) => match Anchor::from_text(&text) {
            Ok(anchor) => Anchored::At(Box::new(anchor)),
            Err(error) => Anchored::Unusable(error.to_string()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Anchored::Nowhere,
        Err(error) => Anchored::Unusable(error.to_string()),
    }
}

/// Makes a measured baseline its own anchor, if there is none. A simulated one is no history that could creep.
fn begin_anchor(file: &Path, measured: &Baseline) -> Result {
    let path = anchor_file(file);
    if path.exists() || measured.fingerprint.engine == EngineKind::Simulated {
        return Ok(());
    }
    let anchor = Anchor { reason: "the first baseline".to_owned(), baseline: measured.clone() };
    std::fs::write(&path, anchor.to_text()).map_err(|cause| Error::Write { path, cause })
}

/// Makes what was measured the baseline, and takes away what an older run left to review.
///
/// insta writes it, being told to in its variable `INSTA_UPDATE` by whoever asked for the refresh.
pub(crate) fn write(file: &Path, measured: &Baseline) -> Result {
    if !is_set("INSTA_UPDATE", &["force"]) {
        return Err(Error::Usage(format!(
            "{} was not refreshed: INSTA_UPDATE is not `force`; use `cargo xtask perf refresh`",
            file.display()
        )));
    }
    hand_to_insta(file, measured, false);
    let failed = |cause| Err(Error::Write { path: file.to_owned(), cause });
    match std::fs::read_to_string(file) {
        Ok(text)
            if snapshot::split(&text).is_some_and(|(_, body)| body.trim_end() == measured.to_yaml().trim_end()) =>
        {
            // What waited for review is settled by this.
            let _ = std::fs::remove_file(file.with_extension("snap.new"));
            begin_anchor(file, measured)
        }
        Ok(_) => failed(std::io::Error::other("it is as it was before")),
        Err(cause) => failed(cause),
    }
}

/// Whether insta was told to overwrite baselines by itself, which only a refresh may do.
fn insta_would_overwrite() -> bool {
    is_set("INSTA_UPDATE", &["always", "1", "unseen", "force"])
        || is_set("INSTA_FORCE_UPDATE", &["1"])
        || is_set("INSTA_FORCE_UPDATE_SNAPSHOTS", &["1"])
}

fn is_set(variable: &str, values: &[&str]) -> bool {
    std::env::var(variable).is_ok_and(|value| values.contains(&value.as_str()))
}

fn hand_to_insta(file: &Path, measured: &Baseline, matches: bool) {
    let (Some(folder), Some(name)) = (file.parent(), file.file_stem().and_then(|stem| stem.to_str())) else { return };
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_comparator(Box::new(JudgedAlready { matches }));
    // insta panics when a snapshot does not match. That is not how a verdict is told here: the report is.
    let _ = catch_unwind(AssertUnwindSafe(|| settings.bind(|| insta::assert_snapshot!(name, measured.to_yaml()))));
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
