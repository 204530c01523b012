//! The anchors beside the baselines, moved for a stated reason: [`reset`].

use anyhow::{Context, Result, bail};
use perf_model::judge::anchor::anchor_file;
use perf_store::{Lock, write_anchor};

use crate::runs;
use crate::stdout::say;

/// Moves the anchors of all baselines that the filters name to where these are now. Reads all
/// before it writes the first.
pub(crate) fn reset(filters: &[String], reason: &str) -> Result<()> {
    if reason.trim().is_empty() {
        bail!("--reason is empty; say why the anchors are moved, because reviewers read it");
    }
    let folder = runs::root().join("baselines");
    let mut moved = Vec::new();
    for (name, file) in runs::baselines(&folder, filters)? {
        let baseline =
            runs::baseline(&file).with_context(|| format!("{name}; no anchor was moved"))?;
        moved.push((file, baseline));
    }
    for (file, baseline) in moved {
        let shown = anchor_file(&file);
        Lock::on(&file)
            .and_then(|_lock| write_anchor(&file, baseline, reason))
            .with_context(|| format!("cannot write {}", shown.display()))?;
        say(format!("wrote {}", shown.strip_prefix(runs::root()).unwrap_or(&shown).display()));
    }
    Ok(())
}
