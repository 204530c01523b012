//! The scenarios: tests in `tests/`, built by cargo and listed by their own binaries.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use perf_model::judge::exit_code;

use crate::artifacts::{self, Artifact, Target};
use crate::filters;
use crate::runs::root;
use crate::say::say;

/// One test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// `file::test`.
    pub(crate) name: String,
    /// The test's name in its binary.
    pub(crate) test: String,
    /// The binary.
    pub(crate) binary: PathBuf,
}

/// Prints the names of all scenarios.
pub(crate) fn list() -> Result<u8> {
    for scenario in build()? {
        say(scenario.name);
    }
    Ok(exit_code::HELD)
}

/// Builds the scenarios and picks those that the filters name.
pub(crate) fn pick(filters: &[String]) -> Result<Vec<Scenario>> {
    filters::pick("scenario", build()?, |scenario| &scenario.name, filters)
}

fn build() -> Result<Vec<Scenario>> {
    let built = artifacts::build(
        &["test", "--package", "vllm-perf", "--test", "*", "--no-run"],
        "the scenarios do",
    )?;
    let mut scenarios = Vec::new();
    for artifact in built {
        let Artifact { target, executable: Some(binary) } = artifact else { continue };
        if target.holds_scenarios(&root()) {
            scenarios.extend(tests_of(&target.name, &binary)?);
        }
    }
    scenarios.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(scenarios)
}

impl Target {
    /// Scenarios lie in `tests/`; the façade's own tests do not.
    fn holds_scenarios(&self, root: &Path) -> bool {
        self.kind.iter().any(|kind| kind == "test") && self.src_path.starts_with(root.join("tests"))
    }
}

fn tests_of(file: &str, binary: &Path) -> Result<Vec<Scenario>> {
    let output = Command::new(binary)
        .args(["--list", "--format", "terse"])
        .output()
        .with_context(|| format!("cannot list the tests of {}", binary.display()))?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let tests = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(tests
        .map(|test| Scenario {
            name: format!("{file}::{test}"),
            test: test.to_owned(),
            binary: binary.to_owned(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_in_their_folder_are_scenarios() {
        let target = |kind: &str, path: &str| Target {
            name: "cpu_smoke".into(),
            kind: vec![kind.into()],
            src_path: Path::new("/repo").join(path),
        };
        assert!(target("test", "tests/cpu_smoke.rs").holds_scenarios(Path::new("/repo")));
        assert!(!target("test", "perf/tests/life_cycle.rs").holds_scenarios(Path::new("/repo")));
        assert!(!target("lib", "tests/lib.rs").holds_scenarios(Path::new("/repo")));
    }
}
