//! Baselines: where their files are ([`file()`]), how they are read ([`find`]) and written
//! ([`write()`]), by the process that holds the [`Lock`].

use std::path::{Path, PathBuf};

use perf_model::judge::anchor::anchor_file;
use perf_model::judge::baseline::{Baseline, BaselineError};
use perf_model::judge::compare::BaselineLookup;
use perf_model::judge::snapshot;
use perf_model::spec::engine_kind::EngineKind;

use crate::anchors;
use crate::atomic::{self, WriteError};
use crate::input_file::{self, Kind, escaped};
use crate::lock::Lock;

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

/// Reads a baseline's file. A baseline of another suite or load than its path says is unusable.
pub fn find(file: &Path) -> BaselineLookup {
    match input_file::read(file, Kind::Baseline) {
        Ok(text) => match read(&text) {
            BaselineLookup::Baseline(baseline) => match misplaced(file, &baseline) {
                Some(why) => BaselineLookup::Unusable(why),
                None => BaselineLookup::Baseline(baseline),
            },
            other => other,
        },
        Err(error) if error.is_missing() => BaselineLookup::Nothing,
        Err(error) => BaselineLookup::Unusable(error.fault.to_string()),
    }
}

/// Reads the text of a baseline's file.
pub fn read(text: &str) -> BaselineLookup {
    let Some((_, body)) = snapshot::split(text) else {
        return BaselineLookup::Unusable(
            "it is not a snapshot file; restore it from git, or refresh it".to_owned(),
        );
    };
    match Baseline::from_yaml(body) {
        Ok(baseline) => BaselineLookup::Baseline(Box::new(baseline)),
        Err(error @ BaselineError::Newer(_)) => BaselineLookup::Newer(error.to_string()),
        Err(error) => BaselineLookup::Unusable(error.to_string()),
    }
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

/// The text of a baseline's file.
pub fn text(baseline: &Baseline) -> String {
    snapshot::render(SOURCE, &baseline.to_yaml())
}

/// Writes a baseline's file and removes the pending snapshot next to it. A measured baseline
/// without an anchor becomes its own anchor, and one that only has more sessions than its anchor adds
/// them to it.
pub fn write(lock: &Lock, file: &Path, baseline: &Baseline) -> Result<(), WriteError> {
    atomic::write(file, &text(baseline))?;
    let _ = std::fs::remove_file(file.with_extension("snap.new"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_of_another_suite_or_load_than_its_path_says_is_unusable() {
        let folder = tempfile::tempdir().unwrap();
        let baseline = Baseline {
            suite: "s".into(),
            load: "l".into(),
            workload: String::new(),
            arrivals: String::new(),
            fingerprint: perf_model::fixtures::fingerprint(),
            measured_on: None,
            gpu_s_per_start: 0.0,
            estimated: [].into(),
            metrics: [("ttft_p50_ms".parse().unwrap(), vec![vec![vec![1.0]]])].into(),
        };
        for (path, is_usable) in [("s/l.snap", true), ("s/m.snap", false), ("t/l.snap", false)] {
            let file = folder.path().join(path);
            write(&Lock::on(&file).unwrap(), &file, &baseline).unwrap();
            match find(&file) {
                BaselineLookup::Baseline(_) => assert!(is_usable, "{path}"),
                BaselineLookup::Unusable(why) => {
                    assert!(!is_usable && why.contains("s/l.snap, and its path is "), "{why}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
