//! The anchors beside the baselines: where a first one begins, and where one is moved for a stated reason.

use std::path::Path;

use anyhow::{Context, Result, bail};
use perf_model::anchor::{Anchor, anchor_file};
use perf_model::baseline::Baseline;
use perf_model::fingerprint::EngineKind;
use perf_model::snapshot;

use crate::runs;
use crate::say::say;

/// Makes a measured baseline its own anchor, if there is none. A simulated one is no history that could creep.
pub(crate) fn begin(file: &Path) -> Result<()> {
    let baseline = read(file)?;
    if anchor_file(file).exists() || baseline.fingerprint.engine == EngineKind::Simulated {
        return Ok(());
    }
    write(file, baseline, "the first baseline")
}

/// Moves the anchors of all baselines that the filters name to where these are now. Reads all before it writes the first.
pub(crate) fn reset(filters: &[String], reason: &str) -> Result<()> {
    if reason.trim().is_empty() {
        bail!("--reason is empty; say why the anchors are moved, because reviewers read it");
    }
    let folder = runs::root().join("baselines");
    let mut moved = Vec::new();
    for file in runs::files(&folder, "snap")? {
        if runs::matches(&file.strip_prefix(&folder).unwrap_or(&file).display().to_string(), filters) {
            let baseline = read(&file).with_context(|| format!("{}; no anchor was moved", file.display()))?;
            moved.push((file, baseline));
        }
    }
    if moved.is_empty() {
        bail!("no baseline has one of these in its path: {}", filters.join(", "));
    }
    for (file, baseline) in moved {
        write(&file, baseline, reason)?;
        let shown = anchor_file(&file);
        say(format!("wrote {}", shown.strip_prefix(runs::root()).unwrap_or(&shown).display()));
    }
    Ok(())
}

fn read(file: &Path) -> Result<Baseline> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let (_, body) = snapshot::split(&text).context("it is no snapshot file")?;
    Ok(Baseline::from_yaml(body)?)
}

fn write(file: &Path, baseline: Baseline, reason: &str) -> Result<()> {
    let path = anchor_file(file);
    let text = Anchor { reason: reason.to_owned(), baseline }.to_text();
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
