//! Baselines on disk: where they lie ([`file()`]), what is found there ([`find`], [`anchor`]), and
//! how they are written: whole or not at all ([`write_whole`]), and by one at a time ([`Lock`]).

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use perf_model::judge::anchor::{Anchor, Anchored, anchor_file};
use perf_model::judge::baseline::{Baseline, BaselineError};
use perf_model::judge::compare::Found;
use perf_model::judge::snapshot;
use perf_model::spec::engine_kind::EngineKind;

/// What a baseline's file names as the source that asserts it.
const SOURCE: &str = "perf/src/baselines.rs";

/// The file of a baseline under a repository's root: its machine's folder, its suite, its load.
pub fn file(root: &Path, folder: &str, suite: &str, load: &str) -> PathBuf {
    root.join("baselines").join(folder).join(suite).join(format!("{load}.snap"))
}

/// Reads a baseline's file.
pub fn find(file: &Path) -> Found {
    match std::fs::read_to_string(file) {
        Ok(text) => read(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
        Err(error) => Found::Unusable(error.to_string()),
    }
}

/// Reads the text of a baseline's file.
pub fn read(text: &str) -> Found {
    let Some((_, body)) = snapshot::split(text) else {
        return Found::Unusable(
            "it is no snapshot file; take it from git again, or refresh it".to_owned(),
        );
    };
    match Baseline::from_yaml(body) {
        Ok(baseline) => Found::Baseline(Box::new(baseline)),
        Err(error @ BaselineError::Newer(_)) => Found::Newer(error.to_string()),
        Err(error) => Found::Unusable(error.to_string()),
    }
}

/// Reads the anchor beside a baseline's file.
pub fn anchor(file: &Path) -> Anchored {
    match std::fs::read_to_string(anchor_file(file)) {
        Ok(text) => match Anchor::from_text(&text) {
            Ok(anchor) => Anchored::At(Box::new(anchor)),
            Err(error) => Anchored::Unusable(error.to_string()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Anchored::Nowhere,
        Err(error) => Anchored::Unusable(error.to_string()),
    }
}

/// The text of a baseline's file.
pub fn text(baseline: &Baseline) -> String {
    snapshot::render(SOURCE, &baseline.to_yaml())
}

/// Writes a baseline's file, takes away what an older run left to review beside it, and makes a
/// measured baseline without an anchor its own.
///
/// # Errors
/// When a file cannot be written; the old one is there then.
pub fn write(file: &Path, baseline: &Baseline) -> io::Result<()> {
    write_whole(file, &text(baseline))?;
    let _ = std::fs::remove_file(file.with_extension("snap.new"));
    let is_simulated = baseline.fingerprint.engine == EngineKind::Simulated;
    // A simulated baseline is no history that could creep.
    if is_simulated || anchor_file(file).exists() {
        return Ok(());
    }
    write_anchor(file, baseline.clone(), "the first baseline")
}

/// Puts the anchor beside a baseline's file to a baseline, for a reason.
///
/// # Errors
/// When it cannot be written; the old one is there then.
pub fn write_anchor(file: &Path, baseline: Baseline, reason: &str) -> io::Result<()> {
    write_whole(&anchor_file(file), &Anchor { reason: reason.to_owned(), baseline }.to_text())
}

/// Writes a file and the folders above it so that whoever looks, and whenever this ends, finds the
/// old text or the new one: into another file of the same folder, which takes its place once it is
/// on the disk.
///
/// # Errors
/// When it cannot be written; the old one is there then, and nothing else.
pub fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    // What a link points to is replaced, not the link.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    // What the umask leaves of this, as of any new file; a temporary file would be its owner's
    // alone.
    let permissions = Permissions::from_mode(0o666);
    let mut file =
        tempfile::Builder::new().prefix(".perf-").permissions(permissions).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// The right to read a suite's baselines and write them anew. Dropping it gives the right back.
#[derive(Debug)]
pub struct Lock {
    _folder: File,
}

impl Lock {
    /// Waits until nobody else writes baselines into the folder of this file, and makes that folder
    /// if there is none.
    ///
    /// # Errors
    /// When the folder cannot be made or locked.
    pub fn on(file: &Path) -> io::Result<Self> {
        let folder = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        // The folder itself, so that no lock file lies among what is committed.
        let folder = File::open(folder)?;
        folder.lock()?;
        Ok(Self { _folder: folder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_lies_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.snap");
        write_whole(&path, "old").unwrap();
        // Whoever has the old file open reads it on: another one took its place.
        let old = File::open(&path).unwrap();
        write_whole(&path, "new").unwrap();
        assert_eq!(std::io::read_to_string(old).unwrap(), "old");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(path.parent().unwrap()), ["b.snap"]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_as_it_was_and_nothing_lies_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.snap");
        std::fs::create_dir_all(path.join("in its place")).unwrap();
        assert!(write_whole(&path, "new").is_err());
        assert_eq!(names(folder.path()), ["b.snap"]);
    }

    #[test]
    fn a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_whole(&link, "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
    }

    #[test]
    fn a_file_is_readable_by_whom_the_umask_lets() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
        write_whole(&ours, "").unwrap();
        std::fs::write(&theirs, "").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&theirs));
    }

    #[test]
    fn one_at_a_time_has_the_right_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("suite/load.snap");
        let lock = Lock::on(&file).unwrap();
        let other = File::open(file.parent().unwrap()).unwrap();
        assert!(other.try_lock().is_err(), "two have it");
        drop(lock);
        assert!(other.try_lock().is_ok(), "nobody gave it back");
    }
}
