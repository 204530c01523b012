//! The folders of runs: a number each, under `target/perf/runs`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use perf_model::judge::baseline::Baseline;
use perf_model::judge::compare::Found;

use crate::error::cannot_write;
use crate::{filters, repository};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    repository::get().root.clone()
}

/// The folder of all runs: beside what cargo builds, because a run is as disposable as a build.
fn folder() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let target = if target.is_absolute() { target } else { root().join(target) };
    target.join("perf").join("runs")
}

/// Makes the next run's folder. Two runs at once get two folders: making one is atomic.
pub(crate) fn begin() -> Result<PathBuf> {
    let folder = folder();
    std::fs::create_dir_all(&folder).with_context(|| cannot_write(&folder))?;
    let mut number = numbers(&folder).into_iter().max().unwrap_or(0) + 1;
    loop {
        let run = folder.join(format!("{number:04}"));
        match std::fs::create_dir(&run) {
            Ok(()) => return Ok(run),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error).with_context(|| cannot_write(&run)),
        }
    }
}

/// Finds a run by its number, by `last`, or by its folder.
pub(crate) fn find(name: &str) -> Result<PathBuf> {
    let as_folder = PathBuf::from(name);
    if as_folder.is_dir() {
        return Ok(as_folder);
    }
    let folder = folder();
    let mut numbers = numbers(&folder);
    numbers.sort_unstable();
    let Some(last) = numbers.last() else {
        bail!("there is no run in {} yet; `cargo xtask perf` makes one", folder.display());
    };
    let wanted = if name == "last" { Some(*last) } else { name.parse().ok() };
    match wanted.filter(|number| numbers.contains(number)) {
        Some(number) => Ok(folder.join(format!("{number:04}"))),
        None => {
            bail!(
                "there is no run `{name}`: it is no folder, and the runs in {} end with {last}",
                folder.display()
            )
        }
    }
}

/// Whether a run says of itself that it never came to its end.
pub(crate) fn was_interrupted(run: &Path) -> bool {
    let text = std::fs::read_to_string(run.join("run.json")).unwrap_or_default();
    let said: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    said.is_some_and(|said| said["complete"] == false)
}

/// Reads a baseline's file.
pub(crate) fn baseline(file: &Path) -> Result<Baseline> {
    match perf_store::find(file) {
        Found::Baseline(baseline) => Ok(*baseline),
        Found::Nothing => bail!("there is no {}", file.display()),
        Found::Unusable(why) | Found::Newer(why) => bail!(why),
    }
}

/// The baselines under a folder that the filters name: the path of each within it, and where it is.
pub(crate) fn baselines(folder: &Path, filters: &[String]) -> Result<Vec<(String, PathBuf)>> {
    let within =
        |file: PathBuf| (file.strip_prefix(folder).unwrap_or(&file).display().to_string(), file);
    let all: Vec<(String, PathBuf)> = files(folder, "snap")?.into_iter().map(within).collect();
    if all.is_empty() {
        bail!("{} holds no baselines", folder.display());
    }
    filters::pick("baseline", all, |(name, _)| name, filters)
}

fn numbers(folder: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// All files with an extension under a folder, in the order of their paths.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|there| there == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
