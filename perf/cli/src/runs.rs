//! The repository, its runs and its baselines, as the commands name them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use perf_model::judge::baseline::Baseline;
use perf_model::judge::compare::BaselineLookup;
use perf_store::runs::Runs;

use crate::error::unmeasurable;
use crate::{filters, repository};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    repository::get().root.clone()
}

/// Makes the next run's folder.
pub(crate) fn begin() -> Result<PathBuf> {
    Runs::of(&root()).begin().map_err(unmeasurable)
}

/// Finds a run by its number, by `last`, or by its folder.
pub(crate) fn find(name: &str) -> Result<PathBuf> {
    Ok(Runs::of(&root()).find(name)?)
}

/// Reads a baseline's file.
pub(crate) fn baseline(file: &Path) -> Result<Baseline> {
    match perf_store::baselines::find(file) {
        BaselineLookup::Baseline(baseline) => Ok(*baseline),
        BaselineLookup::Nothing => bail!("there is no {}", file.display()),
        BaselineLookup::Unusable(why) | BaselineLookup::Newer(why) => bail!(why),
    }
}

/// The baselines under a folder that the filters name: the path of each within it, and where it is.
pub(crate) fn baselines(folder: &Path, filters: &[String]) -> Result<Vec<(String, PathBuf)>> {
    let within =
        |file: PathBuf| (file.strip_prefix(folder).unwrap_or(&file).display().to_string(), file);
    let all: Vec<(String, PathBuf)> =
        perf_store::runs::files(folder, "snap")?.into_iter().map(within).collect();
    if all.is_empty() {
        bail!("{} holds no baselines", folder.display());
    }
    filters::pick("baseline", all, |(name, _)| name, filters)
}
