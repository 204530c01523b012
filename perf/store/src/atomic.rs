//! Atomic writes: a file is replaced as a whole or stays as it was.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
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
    temporary: Temporary,
}

/// A file that is not in its place yet.
#[derive(Debug)]
enum Temporary {
    /// Without a name, so that nothing is left of it when this process is killed.
    Unnamed(File),
    /// Where the file system knows no files without a name.
    Named(NamedTempFile),
}

impl Replacement {
    /// Checks that the file can be written, and leaves it as it is.
    pub fn begin(path: &Path) -> Result<Self, WriteError> {
        // The target of a link is replaced, not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let temporary = match unnamed_in(folder_of(&path)) {
            Ok(file) => Temporary::Unnamed(file),
            Err(_) => Temporary::Named(named_in(folder_of(&path)).map_err(WriteError::of(&path))?),
        };
        Ok(Self { path, temporary })
    }

    /// Writes the new text and puts it in place.
    pub fn finish(self, text: &str) -> Result<(), WriteError> {
        let Self { path, temporary } = self;
        let written = match temporary {
            Temporary::Unnamed(mut file) => {
                write_out(&mut file, text).and_then(|()| put_in_place(&file, &path))
            }
            Temporary::Named(mut file) => write_out(file.as_file_mut(), text)
                .and_then(|()| file.persist(&path).map(drop).map_err(|error| error.error)),
        };
        written.map_err(WriteError::of(&path))
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn unnamed_in(folder: &Path) -> io::Result<File> {
    // The umask applies to this mode.
    let mode = Mode::from_raw_mode(0o666);
    let file =
        rustix::fs::openat(CWD, folder, OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, mode)?;
    // Its name is given to it through here.
    std::fs::symlink_metadata(place_of(file.as_raw_fd()))?;
    Ok(file.into())
}

fn named_in(folder: &Path) -> io::Result<NamedTempFile> {
    // The umask applies to this mode. Without it the file would be readable by its owner only.
    let mode = Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(PREFIX).permissions(mode).tempfile_in(folder)
}

fn write_out(file: &mut File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Gives a file without a name its place. Where another file has that, it needs a name for the
/// moment between two calls of the kernel, as only a file with a name can replace another.
fn put_in_place(file: &File, path: &Path) -> io::Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let place = place_of(file.as_raw_fd());
    let link = |to: &Path| rustix::fs::linkat(CWD, &place, CWD, to, AtFlags::SYMLINK_FOLLOW);
    match link(path) {
        Err(rustix::io::Errno::EXIST) => {}
        linked => return Ok(linked?),
    }
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = folder_of(path).join(format!("{PREFIX}{}-{count}", std::process::id()));
    // Of a process with the same number that was killed.
    let _ = std::fs::remove_file(&name);
    link(&name)?;
    std::fs::rename(&name, path).inspect_err(|_| {
        let _ = std::fs::remove_file(&name);
    })
}

fn place_of(descriptor: i32) -> PathBuf {
    format!("/proc/self/fd/{descriptor}").into()
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
    fn a_writer_that_is_killed_before_it_has_finished_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.snap");
        write(&path, "old").unwrap();
        let begun = Replacement::begin(&path).unwrap();
        // A file system without such files is the exception, and has the next writer to sweep.
        if matches!(begun.temporary, Temporary::Unnamed(_)) {
            assert_eq!(names(folder.path()), ["b.snap"]);
        }
        begun.finish("new").unwrap();
        assert_eq!(names(folder.path()), ["b.snap"]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
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
