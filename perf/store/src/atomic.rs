//! Atomic writes: a file is replaced as a whole or stays as it was.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// How the names of temporary files begin.
const PREFIX: &str = ".perf-";

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {cause}; make room or make it writable, then run again", .path.display())]
pub struct WriteError {
    /// The file or folder.
    pub path: PathBuf,
    /// The error of the operating system.
    #[source]
    pub cause: io::Error,
}

impl WriteError {
    /// Names the file of an error.
    pub fn of(path: &Path) -> impl Fn(io::Error) -> Self {
        |cause| Self { path: path.to_owned(), cause }
    }
}

/// A file that is about to be replaced. The new text is written to a temporary file in the same
/// folder, which takes the place of the old file once it is on the disk.
#[derive(Debug)]
pub struct Replacement {
    path: PathBuf,
    temporary: NamedTempFile,
}

impl Replacement {
    /// Checks that the file can be written, and leaves it as it is.
    pub fn begin(path: &Path) -> Result<Self, WriteError> {
        // The target of a link is replaced, not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // The umask applies to this mode. Without it the file would be readable by its owner only.
        let mode = Permissions::from_mode(0o666);
        let temporary = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(mode)
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(WriteError::of(&path))?;
        Ok(Self { path, temporary })
    }

    /// Writes the new text and puts it in place.
    pub fn finish(mut self, text: &str) -> Result<(), WriteError> {
        let written = self
            .temporary
            .write_all(text.as_bytes())
            .and_then(|()| self.temporary.as_file().sync_all())
            .and_then(|()| self.temporary.persist(&self.path).map_err(|error| error.error));
        written.map(drop).map_err(WriteError::of(&self.path))
    }
}

/// Writes a file, and creates the folders above it. On an error the old file is still there.
pub fn write(path: &Path, text: &str) -> Result<(), WriteError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(WriteError::of(folder))?;
    }
    Replacement::begin(path)?.finish(text)
}

/// Removes the temporary files that killed writers left in a folder. The caller must be the only
/// writer in it.
pub(crate) fn remove_leftovers(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            // A leftover does no harm, so a failure to remove it is not reported.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Opens a folder, which is created if needed, so that it can be locked.
pub(crate) fn open_folder(folder: &Path) -> Result<File, WriteError> {
    std::fs::create_dir_all(folder)
        .and_then(|()| File::open(folder))
        .map_err(WriteError::of(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole_and_no_other_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.snap");
        write(&path, "old").unwrap();
        // A reader of the old file is not disturbed: a new file took its place.
        let old = File::open(&path).unwrap();
        write(&path, "new").unwrap();
        assert_eq!(io::read_to_string(old).unwrap(), "old");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(path.parent().unwrap()), ["b.snap"]);
    }

    #[test]
    fn a_file_that_cannot_be_written_stays_as_it_was_and_no_other_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.snap");
        std::fs::create_dir_all(path.join("in its place")).unwrap();
        assert!(write(&path, "new").is_err());
        assert_eq!(names(folder.path()), ["b.snap"]);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
    }

    #[test]
    fn a_file_has_the_permissions_that_the_umask_gives() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
        write(&ours, "").unwrap();
        std::fs::write(&theirs, "").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&theirs));
    }
}
