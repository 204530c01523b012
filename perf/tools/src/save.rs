//! The file of `--save`: [`Save`]. Opened before anything is sent, so that no measurement is lost
//! to a mistyped path, and put in its place whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// A file that is to hold the result.
pub(crate) struct Save {
    path: PathBuf,
    file: File,
    /// Where it is written first; absent for what is no ordinary file, like a pipe.
    partial: Option<PathBuf>,
}

impl Save {
    /// Makes sure that the file can be written; what is there stays until the result is whole.
    pub(crate) fn begin(path: &Path) -> Result<Self> {
        ensure!(
            !path.is_dir(),
            "cannot write {}: it is a folder; give a file's name",
            path.display()
        );
        let why = || format!("cannot write {}, so nothing was sent", path.display());
        // What a link points to is written, not the link.
        let path =
            if path.exists() { path.canonicalize().with_context(why)? } else { path.to_owned() };
        if path.exists() && !path.is_file() {
            let file = OpenOptions::new().write(true).open(&path).with_context(why)?;
            return Ok(Self { path, file, partial: None });
        }
        if path.exists() {
            // Whoever may not write to a file is not to replace it.
            OpenOptions::new().append(true).open(&path).with_context(why)?;
        }
        let name = path.file_name().context("--save names no file")?.to_string_lossy();
        let partial = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
        let file = File::create(&partial).with_context(why)?;
        Ok(Self { path, file, partial: Some(partial) })
    }

    /// Writes it.
    pub(crate) fn finish(mut self, text: &str) -> Result<()> {
        let path = self.path.clone();
        let why = || format!("the result cannot be saved in {}", path.display());
        self.file.write_all(text.as_bytes()).with_context(why)?;
        let Some(partial) = &self.partial else { return Ok(()) };
        self.file.sync_all().with_context(why)?;
        std::fs::rename(partial, &self.path).with_context(why)?;
        self.partial = None;
        Ok(())
    }
}

impl Drop for Save {
    /// Half a result is none.
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            let _ = std::fs::remove_file(partial);
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
            nowhere.ends_with("so nothing was sent: No such file or directory (os error 2)"),
            "{nowhere}"
        );
        let full = Save::begin(Path::new("/dev/full")).unwrap().finish("result");
        assert!(format!("{:#}", full.unwrap_err()).contains("/dev/full: No space left on device"));
    }
}
