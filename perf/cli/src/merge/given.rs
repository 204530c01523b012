//! The runs that a merge is given, read from their folders: [`all`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use perf_model::judge::merge::{PartContent, PartRun};
use perf_store::report_file;
use perf_store::runs::read_whole_request;

use crate::runs;

/// A run and its folder.
pub(super) struct Given {
    pub(super) folder: PathBuf,
    pub(super) run: PartRun,
}

/// Reads the runs. A folder that is named twice is read once.
pub(super) fn all(names: &[String]) -> Result<Vec<Given>> {
    let mut given: Vec<Given> = Vec::new();
    for name in names {
        let folder = runs::find(name)?;
        let folder = folder.canonicalize().unwrap_or(folder);
        if given.iter().any(|before| before.folder == folder) {
            eprintln!("warning: {} was named twice, and counts once", folder.display());
            continue;
        }
        let run = PartRun { source: folder.display().to_string(), found: read(&folder) };
        given.push(Given { folder, run });
    }
    Ok(given)
}

fn read(folder: &Path) -> Result<PartContent, String> {
    let (request, is_complete) = read_whole_request(folder).map_err(|why| why.to_string())?;
    let (mut reports, mut unread) = (Vec::new(), Vec::new());
    for path in report_file::all_in(folder).map_err(|why| why.to_string())? {
        let place = path.parent().unwrap_or(folder);
        let place = place.strip_prefix(folder).unwrap_or(place).display().to_string();
        match report_file::read(&path) {
            Ok(report) => reports.push((place, report)),
            Err(why) => unread.push(why.to_string()),
        }
    }
    Ok(PartContent { request, is_complete, reports, folders: folders(folder), unread })
}

fn folders(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let folders =
        entries.filter(|entry| entry.file_type().is_ok_and(|file_type| file_type.is_dir()));
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
