//! The scenarios: tests in `tests/`, built by cargo and listed by their own binaries.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::settings::Settings;

use crate::artifacts::{self, Artifact, Target};
use crate::runs::root;
use crate::{cargo_features, filters, repository};

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

impl Scenario {
    /// The file that it is in, without its extension.
    pub(crate) fn file(&self) -> &str {
        self.name.split("::").next().unwrap_or_default()
    }
}

/// The Cargo features that an engine needs on this machine. The simulated and the remote engine need
/// none, so that they share their build with `cargo test`.
pub(crate) fn features_for(engine: EngineKind, has_nvml: bool) -> &'static [&'static str] {
    match engine {
        EngineKind::Docker => &["docker", "nvml"],
        EngineKind::Process if has_nvml => &["nvml"],
        EngineKind::Process | EngineKind::Remote | EngineKind::Simulated => &[],
    }
}

/// The same for a run: a remote server behind https needs TLS.
pub(crate) fn features(settings: &Settings, config: &Config, has_nvml: bool) -> Vec<&'static str> {
    let mut features = features_for(settings.engine, has_nvml).to_vec();
    let access = settings.access.clone().over(&config.remote);
    let url = settings.url.as_deref().unwrap_or_default();
    if settings.engine == EngineKind::Remote && access.needs_tls(url) {
        features.push("tls");
    }
    features
}

/// Builds the scenarios with these Cargo features and picks those that the filters name.
pub(crate) fn pick(filters: &[String], features: &[&str]) -> Result<Vec<Scenario>> {
    filters::pick("scenario", build(features)?, |scenario| &scenario.name, filters)
}

fn build(features: &[&str]) -> Result<Vec<Scenario>> {
    let joined = features.join(",");
    let package = repository::get().scenarios_package.as_str();
    let mut arguments = vec!["test", "--package", package, "--test", "*", "--no-run"];
    if !features.is_empty() {
        cargo_features::check(package, features, "vllm-perf")?;
        let names = features.iter().map(|name| match *name {
            "nvml" => "NVML",
            "tls" => "TLS",
            _ => "Docker",
        });
        let names = names.collect::<Vec<_>>().join(" and ");
        eprintln!("building with {names} support");
        arguments.extend(["--features", &joined]);
    }
    let built = artifacts::build(&arguments, "the scenarios do")?;
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

/// The scenarios of a test program, by the name of its file in `tests/`.
pub(crate) fn tests_of(file: &str, binary: &Path) -> Result<Vec<Scenario>> {
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
    fn an_engine_is_built_with_what_it_needs_and_the_simulated_one_as_cargo_test_builds_it() {
        assert_eq!(features_for(EngineKind::Docker, false), ["docker", "nvml"]);
        assert_eq!(features_for(EngineKind::Process, true), ["nvml"]);
        for (engine, has_nvml) in [(EngineKind::Process, false), (EngineKind::Simulated, true)] {
            assert!(features_for(engine, has_nvml).is_empty());
        }
        assert!(features_for(EngineKind::Remote, true).is_empty());
        let url = Some("https://gw".to_owned());
        let remote = Settings { engine: EngineKind::Remote, url, ..Settings::default() };
        assert_eq!(features(&remote, &Config::default(), false), ["tls"]);
    }

    #[test]
    fn only_tests_in_their_folder_are_scenarios() {
        let target = |kind: &str, path: &str| Target {
            name: "cpu_smoke".into(),
            kind: vec![kind.into()],
            src_path: Path::new("/repo").join(path),
        };
        assert!(target("test", "tests/cpu_smoke.rs").holds_scenarios(Path::new("/repo")));
        assert!(!target("test", "perf/tests/facade/main.rs").holds_scenarios(Path::new("/repo")));
        assert!(!target("lib", "tests/lib.rs").holds_scenarios(Path::new("/repo")));
    }
}
