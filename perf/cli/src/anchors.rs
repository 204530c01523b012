//! The anchors beside the baselines, moved for a stated reason: [`reset`].

use anyhow::{Context, Result, bail};
use perf_model::judge::anchor::anchor_file;
use perf_store::anchors::write;
use perf_store::lock::Lock;

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
        write(&Lock::on(&file)?, &file, baseline, reason)?;
        say(format!("wrote {}", shown.strip_prefix(runs::root()).unwrap_or(&shown).display()));
    }
    Ok(())
}
