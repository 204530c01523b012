//! Where a load is recorded while it runs: [`Writer`].

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use perf_model::record::file::{Header, Line, line};

/// Appends to a record, one write a line: what was measured before an interruption is in the file.
pub(crate) struct Writer {
    pub(crate) path: Option<PathBuf>,
    /// Absent where nothing is recorded, or can be any more.
    file: Option<File>,
    /// Why not.
    trouble: Option<Error>,
}

impl Writer {
    /// Begins the record of a load; without a folder there is none.
    pub(crate) fn begin(folder: Option<&Path>, header: &Header) -> Result<Self> {
        let Some(folder) = folder else {
            return Ok(Self { path: None, file: None, trouble: None });
        };
        let folder = folder.join(&header.suite).join(format!("start-{}", header.start));
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(format!("{}.jsonl", header.load));
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut writer = Self { path: Some(path), file: Some(file), trouble: None };
        writer.add(&Line::Header(Box::new(header.clone())));
        writer.trouble().map_or(Ok(writer), Err)
    }

    /// Adds a line. When one cannot be written, none is afterwards: behind half a line nothing
    /// could be read.
    pub(crate) fn add(&mut self, content: &Line) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = file.write_all(line(content).as_bytes()) {
            let path = self.path.as_deref().unwrap_or(Path::new("the record"));
            let what = format!("cannot write {}; it is incomplete, and says so", path.display());
            self.trouble = Some(Error::new(error).context(what));
            self.file = None;
        }
    }

    /// Why the record is incomplete, if it could not be written.
    pub(crate) fn trouble(&mut self) -> Option<Error> {
        self.trouble.take()
    }
}

#[cfg(test)]
mod tests {
    use perf_model::record::file::End;

    use super::*;

    #[test]
    fn behind_a_line_that_could_not_be_written_there_is_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("load.jsonl");
        std::fs::write(&path, "").unwrap();
        // A file that was opened to be read refuses like a full disk.
        let file = File::open(&path).unwrap();
        let mut writer = Writer { path: Some(path.clone()), file: Some(file), trouble: None };
        writer.add(&Line::End(End::default()));
        writer.add(&Line::End(End::default()));
        let trouble = format!("{:#}", writer.trouble().unwrap());
        assert!(
            trouble.contains("load.jsonl; it is incomplete") && trouble.contains("os error"),
            "{trouble}"
        );
        assert!(writer.file.is_none() && writer.trouble().is_none());
        assert_eq!(std::fs::read_to_string(path).unwrap(), "");
    }
}
