//! Baselines: where their files are ([`file()`]), how they are read ([`find`]) and written
//! ([`write()`]), by the process that holds the [`Lock`].

use std::path::{Path, PathBuf};

use perf_model::judge::anchor::anchor_file;
use perf_model::judge::baseline::{
    Baseline, BaselineError, StartsFile, Texts, pending_starts_file,
};
use perf_model::judge::compare::BaselineLookup;
use perf_model::judge::snapshot;
use perf_model::spec::engine_kind::EngineKind;

use crate::anchors;
use crate::atomic::{self, WriteError};
use crate::input_file::escaped;
use crate::lock::Lock;
use crate::pair::{self, Pair, PairError};

/// The source that every baseline names. insta's format asks for one. It is a fixed text, so that
/// moving a source file changes no baseline.
const SOURCE: &str = "perf/src/baselines.rs";

/// The file of a baseline under a repository's root: its machine's folder, its suite, its load.
pub fn file(root: &Path, folder: &str, suite: &str, load: &str) -> PathBuf {
    root.join("baselines").join(file_within(folder, suite, load))
}

fn file_within(folder: &str, suite: &str, load: &str) -> PathBuf {
    Path::new(folder).join(suite).join(format!("{load}.snap"))
}

/// Reads a baseline's file, with the engine starts beside it. A baseline of another suite or load
/// than its path says is unusable.
pub fn find(file: &Path) -> BaselineLookup {
    match pair::read(file, parse) {
        Ok(Pair { value: baseline, .. }) => match misplaced(file, &baseline) {
            Some(why) => BaselineLookup::Unusable(why),
            None => BaselineLookup::Baseline(Box::new(baseline)),
        },
        Err(error) if error.is_missing() => BaselineLookup::Nothing,
        Err(PairError::Content(error @ BaselineError::Newer(_))) => {
            BaselineLookup::Newer(error.to_string())
        }
        Err(error) => BaselineLookup::Unusable(error.to_string()),
    }
}

/// Reads the texts of a baseline's files.
///
/// # Errors
/// When they are not those of a baseline.
pub fn parse(text: &str, starts: &StartsFile<'_>) -> Result<Baseline, BaselineError> {
    let (_, body) = snapshot::split(text).ok_or(BaselineError::NoSnapshot)?;
    Baseline::from_texts(body, starts)
}

/// Whether the engine starts of a baseline are still pending: its snapshot was accepted alone, as
/// `cargo insta review` does.
pub fn has_pending_starts(file: &Path) -> bool {
    pair::read(file, parse).is_ok_and(|pair| pair.is_pending)
}

/// Why a baseline does not belong to its path.
fn misplaced(file: &Path, baseline: &Baseline) -> Option<String> {
    let suite = file.parent().and_then(Path::file_name);
    let is_at_its_place = suite.is_some_and(|suite| suite == baseline.suite.as_str())
        && file.file_stem().is_some_and(|load| load == baseline.load.as_str());
    (!is_at_its_place).then(|| {
        let says = file_within(&baseline.fingerprint.folder(), &baseline.suite, &baseline.load);
        format!(
            "it says that it is {}, and its path is {}; restore it from git, or refresh it",
            escaped(&says),
            escaped(file)
        )
    })
}

/// The texts of a baseline's files.
fn texts(baseline: &Baseline) -> Texts {
    let Texts { snapshot, starts } = baseline.to_texts();
    Texts { snapshot: snapshot::render(SOURCE, &snapshot), starts }
}

/// Writes a baseline's files and nothing beside them, such as the copy that a run keeps.
pub fn write_files(file: &Path, baseline: &Baseline) -> Result<(), WriteError> {
    pair::write(file, &texts(baseline), parse)
}

/// Writes a baseline's files and removes the pending snapshot next to them. A measured baseline
/// without an anchor becomes its own anchor, and one that only has more sessions than its anchor adds
/// them to it.
pub fn write(lock: &Lock, file: &Path, baseline: &Baseline) -> Result<(), WriteError> {
    write_files(file, baseline)?;
    pair::remove(&file.with_extension("snap.new"));
    // Simulated baselines change only with the code, so they cannot creep.
    let is_simulated = baseline.fingerprint.engine == EngineKind::Simulated;
    if anchor_file(file).exists() {
        return anchors::grow(lock, file, baseline);
    }
    if is_simulated {
        return Ok(());
    }
    anchors::write(lock, file, baseline.clone(), "the first baseline")
}

/// Writes a baseline and its anchor again in the present form. The baseline must be the one that is
/// there, and may show other slacks. Gives whether that changed a file.
pub fn rewrite(_lock: &Lock, file: &Path, baseline: &Baseline) -> Result<bool, WriteError> {
    let is_old = !pair::holds(file, &texts(baseline));
    if is_old {
        write_files(file, baseline)?;
    }
    Ok(anchors::rewrite(file, baseline)? || is_old)
}

/// Whether the files of a baseline hold what [`rewrite`] would write of it.
pub fn is_in_present_form(file: &Path, baseline: &Baseline) -> bool {
    pair::holds(file, &texts(baseline))
}

/// Leaves the engine starts of a snapshot that is about to be left to review. Gives whether it may
/// be: not while those of an accepted snapshot wait in the same place.
pub fn leave_pending_starts(file: &Path, measured: &Baseline) -> Result<bool, WriteError> {
    if has_pending_starts(file) {
        return Ok(false);
    }
    atomic::write(&pending_starts_file(file), &measured.to_texts().starts)?;
    Ok(true)
}

/// Removes pending engine starts, unless they are those of the snapshot in place.
pub fn settle_pending_starts(file: &Path) {
    let pending = pending_starts_file(file);
    if pending.exists() && !has_pending_starts(file) {
        pair::remove(&pending);
    }
}

#[cfg(test)]
mod tests;
