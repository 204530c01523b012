//! What a part left, in the folder of the merged run: [`take`].

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use perf_store::atomic::WriteError;

use crate::error::unmeasurable;

/// What is made anew for the whole.
const MADE_ANEW: [&str; 4] = ["run.json", "report.html", "report.md", "split.json"];

/// The report of a part's suite, and its name in the whole, which has reports of its own. It is kept also
/// where it cannot be read.
const REPORT: [&str; 2] = ["report.json", "part-report.json"];

/// Takes all files of a run into another folder; `folders` are those at its top that get another name.
/// A record is large and never written again, so a file is linked where that is possible. Links that
/// another machine left are not followed.
pub(super) fn take(from: &Path, to: &Path, folders: &BTreeMap<String, String>) -> Result<()> {
    for entry in entries(from)? {
        let (name, path) = (entry.file_name(), entry.path());
        let kind = entry.file_type().map_err(WriteError::of(&path)).map_err(unmeasurable)?;
        if kind.is_dir() {
            let new = name.to_str().and_then(|name| folders.get(name)).map(PathBuf::from);
            tree(&path, &to.join(new.unwrap_or_else(|| PathBuf::from(&name))))?;
        } else if kind.is_file() && !MADE_ANEW.iter().any(|made| name == *made) {
            file(&path, &to.join(&name))?;
        }
    }
    Ok(())
}

fn tree(from: &Path, to: &Path) -> Result<()> {
    let mut left = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = left.pop() {
        fs::create_dir_all(&to).map_err(WriteError::of(&to)).map_err(unmeasurable)?;
        for entry in entries(&from)? {
            let name = entry.file_name();
            let new = if name == REPORT[0] { REPORT[1].into() } else { name };
            let (path, place) = (entry.path(), to.join(new));
            let kind = entry.file_type().map_err(WriteError::of(&path)).map_err(unmeasurable)?;
            if kind.is_dir() {
                left.push((path, place));
            } else if kind.is_file() {
                file(&path, &place)?;
            }
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>> {
    let read = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    read.map_err(WriteError::of(folder)).map_err(unmeasurable)
}

/// Links or copies a file. One that is there already is another part's of the same name, such as the
/// log of a scenario that both ran: it stays, and this one gets a number.
fn file(from: &Path, to: &Path) -> Result<()> {
    let place = free(to);
    let taken = fs::hard_link(from, &place).or_else(|_| fs::copy(from, &place).map(|_| ()));
    taken.map_err(WriteError::of(&place)).map_err(unmeasurable)
}

fn free(wanted: &Path) -> PathBuf {
    let numbered = |number: u32| match wanted.extension() {
        Some(extension) => wanted.with_extension(format!("{number}.{}", extension.display())),
        None => wanted.with_extension(number.to_string()),
    };
    let places = std::iter::once(wanted.to_owned()).chain((2..).map(numbered));
    let is_free = |place: &PathBuf| place.symlink_metadata().is_err();
    places.into_iter().find(is_free).unwrap_or_else(|| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_links_and_what_is_made_anew_is_taken_and_nothing_is_overwritten() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let put = |name: &str| {
            let path = from.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        };
        for name in ["run.json", "report.md", "x.log", "s/a/record.jsonl", "s/report.json", "t/l"] {
            put(name);
        }
        std::os::unix::fs::symlink("/etc/passwd", from.path().join("s/link")).unwrap();
        let renamed = [("s".to_owned(), "s@a".to_owned())].into();
        take(from.path(), to.path(), &renamed).unwrap();
        take(from.path(), to.path(), &[("s".to_owned(), "s@b".to_owned())].into()).unwrap();
        let mut left: Vec<String> = Vec::new();
        let mut folders = vec![to.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in entries(&folder).unwrap() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    let path = entry.path();
                    left.push(path.strip_prefix(to.path()).unwrap().display().to_string());
                }
            }
        }
        left.sort();
        assert_eq!(
            left,
            [
                "s@a/a/record.jsonl",
                "s@a/part-report.json",
                "s@b/a/record.jsonl",
                "s@b/part-report.json",
                "t/l",
                "t/l.2",
                "x.2.log",
                "x.log"
            ]
        );
    }
}
