//! The file of `--save`: [`Save`]. It is opened before anything is sent, so that no measurement is
//! lost to a mistyped path.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use perf_store::atomic::Replacement;

/// A file that is to hold the result.
pub(crate) enum Save {
    /// A regular file, which is replaced as a whole.
    Whole(Replacement),
    /// A pipe or a device, which is written to.
    Stream(PathBuf, File),
}

impl Save {
    /// Makes sure that the file can be written. What is there stays until the result is complete.
    pub(crate) fn begin(path: &Path) -> Result<Self> {
        ensure!(
            !path.is_dir(),
            "cannot write {}: it is a folder; give a file's name",
            path.display()
        );
        ensure!(path.file_name().is_some(), "--save names no file");
        let why = || format!("cannot write {}, so nothing was sent", path.display());
        if path.exists() {
            // A file that this user may not write to must not be replaced.
            let file = OpenOptions::new().append(true).open(path).with_context(why)?;
            if !path.is_file() {
                return Ok(Self::Stream(path.to_owned(), file));
            }
        }
        Replacement::begin(path).map_err(|error| error.cause).with_context(why).map(Self::Whole)
    }

    /// Writes it.
    pub(crate) fn finish(self, text: &str) -> Result<()> {
        match self {
            Self::Whole(file) => Ok(file.finish(text)?),
            Self::Stream(path, mut file) => file
                .write_all(text.as_bytes())
                .with_context(|| format!("the result cannot be saved in {}", path.display())),
        }
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
    fn a_result_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        std::fs::write(&path, "before").unwrap();
        drop(Save::begin(&path).unwrap());
        assert_eq!(
            (std::fs::read_to_string(&path).unwrap().as_str(), names(folder.path()).len()),
            ("before", 1)
        );
        Save::begin(&path).unwrap().finish("after").unwrap();
        assert_eq!(
            (std::fs::read_to_string(&path).unwrap().as_str(), names(folder.path()).len()),
            ("after", 1)
        );
    }

    #[test]
    fn what_cannot_be_written_is_said_with_its_cause() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| format!("{:#}", Save::begin(path).err().unwrap());
        assert!(refused(folder.path()).contains("it is a folder"));
        let nowhere = refused(&folder.path().join("no/such/result.json"));
        assert!(
            nowhere.contains("so nothing was sent: No such file or directory (os error 2)"),
            "{nowhere}"
        );
        let full = Save::begin(Path::new("/dev/full")).unwrap().finish("result");
        assert!(format!("{:#}", full.unwrap_err()).contains("/dev/full: No space left on device"));
    }
}
