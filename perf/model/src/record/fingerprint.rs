//! What a run ran on and against: [`Fingerprint`]; and what differs between two of them.

use serde::{Deserialize, Serialize};

use crate::record::compile_cache::CompileCache;
use crate::record::difference::Difference;
use crate::record::effective::EffectiveConfiguration;
use crate::record::gpu_setup::GpuSettings;
use crate::spec::engine_kind::EngineKind;

/// What a run ran on and against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How the server was brought up.
    pub engine: EngineKind,
    /// The hardware: `2 × NVIDIA GeForce RTX 4090`, or the CPU and its cores.
    pub hardware: String,
    /// The model's name.
    pub model: String,
    /// The engine arguments that the test declares, `--flag=value`, in order.
    pub arguments: Vec<String>,
    /// Environment variables of the engine that are no secret, `NAME=value`, sorted.
    #[serde(default)]
    pub environment: Vec<String>,
    /// Arguments and variables put under test for this run, over the declared ones. Empty in a
    /// baseline as a rule.
    #[serde(default)]
    pub under_test: Vec<String>,
    /// The image as it was named, for a container.
    pub image: Option<String>,
    /// The image's digest, or the id of one that was built locally.
    pub image_digest: Option<String>,
    /// What the server says its version is.
    pub vllm: Option<String>,
    /// The GPU driver.
    pub driver: Option<String>,
    /// What the engine says that it runs with; empty where it does not say it.
    #[serde(default, skip_serializing_if = "EffectiveConfiguration::is_empty")]
    pub effective: EffectiveConfiguration,
    /// How the leased GPUs are set up; empty where that is not known.
    #[serde(default, skip_serializing_if = "GpuSettings::is_empty")]
    pub gpu_settings: GpuSettings,
    /// What the start found in the compile cache; absent where it compiles nothing, or does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compile_cache: Option<CompileCache>,
}

impl Fingerprint {
    /// A server of which nothing else is known.
    pub fn new(engine: EngineKind, hardware: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            engine,
            hardware: hardware.into(),
            model: model.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            under_test: Vec::new(),
            image: None,
            image_digest: None,
            vllm: None,
            driver: None,
            effective: EffectiveConfiguration::default(),
            gpu_settings: GpuSettings::default(),
            compile_cache: None,
        }
    }

    /// The folder of `baselines/` that holds this machine's: the GPU's name, `cpu`, or `simulated`.
    pub fn folder(&self) -> String {
        if self.engine == EngineKind::Simulated {
            return "simulated".to_owned();
        }
        if self.hardware.starts_with("CPU") {
            return "cpu".to_owned();
        }
        slug(&self.hardware)
    }

    /// Whether the same was started on the same hardware. What the engine and the driver report of it
    /// does not count.
    pub fn is_same_launch(&self, other: &Self) -> bool {
        let (effective, gpu_settings) = (other.effective.clone(), other.gpu_settings.clone());
        let compile_cache = other.compile_cache;
        Self { effective, gpu_settings, compile_cache, ..self.clone() } == *other
    }

    /// What differs that is under test, how the GPUs are set up, and what the engine made of it.
    pub fn under_test_since(&self, baseline: &Self) -> Vec<Difference> {
        let mut differences = self.launched_differently(baseline);
        differences.extend(baseline.gpu_settings.differences(&self.gpu_settings));
        if let (Some(before), Some(now)) = (baseline.compile_cache, self.compile_cache)
            && before != now
        {
            differences.push(Difference {
                what: "compile cache".to_owned(),
                baseline: before.to_string(),
                measured: now.to_string(),
            });
        }
        differences.extend(baseline.effective.differences(&self.effective));
        differences
    }

    /// What differs that is under test: image, version, driver, and arguments put under test for
    /// this run.
    pub(crate) fn launched_differently(&self, baseline: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        let mut note = |what: &str, baseline: Option<&String>, measured: Option<&String>| {
            if baseline != measured {
                differences.push(Difference {
                    what: what.to_owned(),
                    baseline: show(baseline),
                    measured: show(measured),
                });
            }
        };
        note("image", baseline.image.as_ref(), self.image.as_ref());
        note("image digest", baseline.image_digest.as_ref(), self.image_digest.as_ref());
        note("vLLM", baseline.vllm.as_ref(), self.vllm.as_ref());
        note("driver", baseline.driver.as_ref(), self.driver.as_ref());
        let (before, now) = (baseline.under_test.join(" "), self.under_test.join(" "));
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        note("command line", text(&before).as_ref(), text(&now).as_ref());
        differences
    }

    /// What differs that makes the two runs incomparable: engine, hardware, model, declared
    /// arguments, environment.
    pub fn incomparable_with(&self, baseline: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        let mut note = |what: &str, baseline: String, measured: String| {
            if baseline != measured {
                differences.push(Difference { what: what.to_owned(), baseline, measured });
            }
        };
        note("engine", baseline.engine.to_string(), self.engine.to_string());
        note("hardware", baseline.hardware.clone(), self.hardware.clone());
        note("model", baseline.model.clone(), self.model.clone());
        differences.extend(settings_changed("argument", &baseline.arguments, &self.arguments));
        differences.extend(settings_changed(
            "environment",
            &baseline.environment,
            &self.environment,
        ));
        differences
    }
}

/// Compares `name=value` settings name by name, so that only what changed is named.
fn settings_changed(what: &str, baseline: &[String], measured: &[String]) -> Vec<Difference> {
    let name = |setting: &str| setting.split('=').next().unwrap_or_default().to_owned();
    let find = |settings: &[String], wanted: &str| {
        settings.iter().find(|setting| name(setting) == wanted).cloned()
    };
    let mut names: Vec<String> =
        baseline.iter().chain(measured).map(|setting| name(setting)).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| {
            let (before, now) = (find(baseline, &name), find(measured, &name));
            (before != now).then(|| Difference {
                what: what.to_owned(),
                baseline: show(before.as_ref()),
                measured: show(now.as_ref()),
            })
        })
        .collect()
}

fn show(value: Option<&String>) -> String {
    value.cloned().unwrap_or_else(|| "none".to_owned())
}

/// Lower case letters, digits and single dashes: `2 × NVIDIA H200` is `2x-nvidia-h200`.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.replace(" × ", "x ").chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::fingerprint;

    #[test]
    fn an_upgrade_is_under_test_and_stays_comparable() {
        let mut now = fingerprint();
        now.vllm = Some("0.32.0".into());
        now.driver = None;
        assert!(now.incomparable_with(&fingerprint()).is_empty());
        let shown: Vec<String> =
            now.under_test_since(&fingerprint()).iter().map(Difference::to_string).collect();
        assert_eq!(shown, ["vLLM: 0.31.0 → 0.32.0", "driver: 565.57.01 → none"]);
    }

    #[test]
    fn another_declared_argument_is_incomparable_and_named() {
        let mut now = fingerprint();
        now.arguments = vec!["--max-model-len=4096".into()];
        let shown: Vec<String> =
            now.incomparable_with(&fingerprint()).iter().map(Difference::to_string).collect();
        assert_eq!(
            shown,
            [
                "argument: --enforce-eager → none",
                "argument: --max-model-len=8192 → --max-model-len=4096"
            ]
        );
    }

    #[test]
    fn baselines_live_in_a_folder_named_after_the_hardware() {
        let mut here = fingerprint();
        assert_eq!(here.folder(), "2x-nvidia-geforce-rtx-4090");
        here.hardware = "CPU: AMD EPYC, 2 cores".into();
        assert_eq!(here.folder(), "cpu");
        here.engine = EngineKind::Simulated;
        assert_eq!(here.folder(), "simulated");
    }
}
