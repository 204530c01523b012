//! The Cargo features that a command turns on in the packages of this repository: [`check`].

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::runs::root;

/// What cargo says of a workspace.
#[derive(Deserialize)]
struct Workspace {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    #[serde(default)]
    features: std::collections::BTreeMap<String, Vec<String>>,
}

/// Checks that a package has the features, each of which forwards to the one of the same name in a
/// package of this suite. cargo's own error does not say what to write.
///
/// # Errors
/// When a feature or the package is missing, with the line to add.
pub(crate) fn check(package: &str, features: &[&str], forwards_to: &str) -> Result<()> {
    if features.is_empty() {
        return Ok(());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!(
            "cargo cannot read the manifests of this repository:\n{}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    let workspace: Workspace =
        serde_json::from_slice(&output.stdout).context("cannot read what `cargo metadata` says")?;
    missing(&workspace, package, features, forwards_to).map_or(Ok(()), |why| bail!(why))
}

/// What to say of features that a package lacks.
fn missing(
    workspace: &Workspace,
    package: &str,
    features: &[&str],
    forwards_to: &str,
) -> Option<String> {
    let Some(known) = workspace.packages.iter().find(|known| known.name == package) else {
        return Some(format!(
            "no package of this repository is called `{package}`; correct the name in xtask/src/main.rs"
        ));
    };
    let lines: Vec<String> = features
        .iter()
        .filter(|feature| !known.features.contains_key(**feature))
        .map(|feature| format!("\n  {feature} = [\"{forwards_to}/{feature}\"]"))
        .collect();
    (!lines.is_empty()).then(|| {
        format!(
            "the package `{package}` lacks Cargo features that this engine or address needs; add to [features] in {}:{}",
            known.manifest_path,
            lines.concat()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_a_manifest_lacks_is_named_with_the_line_to_add() {
        let text = r#"{"packages": [{"name": "perf-tests", "manifest_path": "/r/Cargo.toml",
            "features": {"docker": ["vllm-perf/docker"]}}]}"#;
        let workspace: Workspace = serde_json::from_str(text).unwrap();
        let missing =
            |package, features: &[&str]| missing(&workspace, package, features, "vllm-perf");
        assert_eq!(missing("perf-tests", &["docker"]), None);
        let said = missing("perf-tests", &["docker", "nvml"]).unwrap();
        assert!(said.ends_with("in /r/Cargo.toml:\n  nvml = [\"vllm-perf/nvml\"]"), "{said}");
        assert!(missing("other", &["nvml"]).unwrap().contains("is called `other`"));
    }
}
