//! What cargo builds: [`build`] runs it and reads where things lie.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::runs::root;

/// What cargo says of a thing that it built.
#[derive(Deserialize)]
pub(crate) struct Artifact {
    pub(crate) target: Target,
    pub(crate) executable: Option<PathBuf>,
}

/// What the thing is.
#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

/// Runs cargo in this repository; `what` is said when that fails.
pub(crate) fn build(arguments: &[&str], what: &str) -> Result<Vec<Artifact>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .arg("--message-format=json-render-diagnostics")
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("{what} not build; see above");
    }
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}
