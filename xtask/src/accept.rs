//! `cargo xtask perf accept`: baselines that a run measured, here or on another machine, become this checkout's.

use std::path::Path;

use anyhow::{Context, Result, bail};
use perf_model::baseline::Baseline;
use perf_model::{exit, snapshot};

use crate::cli::Accept;
use crate::runs;
use crate::say::say;

/// Checks every baseline of the run before it writes the first.
pub(crate) fn accept(asked: &Accept) -> Result<u8> {
    let run = runs::find(&asked.from)?;
    let source = run.join("baselines");
    if !source.is_dir() {
        bail!("{} holds no baselines: nothing valid was measured, or it is no run", run.display());
    }
    let mut accepted = Vec::new();
    for path in runs::files(&source, "snap")? {
        let relative = path.strip_prefix(&source).unwrap_or(&path).to_owned();
        if runs::matches(&relative.display().to_string(), &asked.filters) {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            check(&relative, &text).with_context(|| format!("{} is not taken, and nothing else", path.display()))?;
            accepted.push((relative, text));
        }
    }
    if accepted.is_empty() {
        bail!("no baseline in {} has one of these in its path: {}", source.display(), asked.filters.join(", "));
    }
    for (relative, text) in accepted {
        let file = runs::root().join("baselines").join(&relative);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        // What waited for review is settled by this.
        let _ = std::fs::remove_file(file.with_extension("snap.new"));
        say(format!("wrote baselines/{}", relative.display()));
    }
    say("review them with `git diff baselines`, and say in the commit why they changed");
    Ok(exit::HELD)
}

/// A baseline must be readable, and lie where its content says that it belongs.
fn check(relative: &Path, text: &str) -> Result<()> {
    let (_, body) = snapshot::split(text).context("it is no snapshot file")?;
    let baseline = Baseline::from_yaml(body)?;
    let place = Path::new(&baseline.fingerprint.folder()).join(&baseline.suite).join(format!("{}.snap", baseline.load));
    if place != relative {
        bail!("it says that it is {}, and lies at {}", place.display(), relative.display());
    }
    Ok(())
}
