//! The lines of a snapshot that say what was measured, and on what: [`lines`] writes them, [`File`]
//! reads them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::text::{line, list, optional, quote, text_line};
use super::{Baseline, BaselineError, LONG_LINES};
use crate::record::compile_cache::CompileCache;
use crate::record::effective::EffectiveConfiguration;
use crate::record::fingerprint::Fingerprint;
use crate::record::gpu_setup::GpuSettings;

/// The first lines, from the schema on.
pub(super) fn lines(baseline: &Baseline, schema: u32) -> String {
    let print = &baseline.fingerprint;
    let text = |key: &str, text: &str| described(schema, "", key, text);
    let mut yaml = [
        line("schema", &schema.to_string()),
        line("suite", &quote(&baseline.suite)),
        line("load", &quote(&baseline.load)),
        text("workload", &baseline.workload),
        text("arrivals", &baseline.arrivals),
        line("engine", &print.engine.to_string()),
        line("hardware", &quote(&print.hardware)),
        line("model", &quote(&print.model)),
        line("arguments", &list(&print.arguments)),
        line("environment", &list(&print.environment)),
        line("under_test", &list(&print.under_test)),
        line("image", &optional(print.image.as_deref())),
        line("image_digest", &optional(print.image_digest.as_deref())),
        line("vllm", &optional(print.vllm.as_deref())),
        line("driver", &optional(print.driver.as_deref())),
    ]
    .concat();
    if let Some(day) = baseline.measured_on {
        yaml += &line("measured_on", &quote(&day.to_string()));
    }
    yaml
}

/// The last lines: how the GPUs were set up, what the starts found in the
/// compile cache, and what the engine reported of its configuration, if that
/// is known.
pub(super) fn effective_lines(baseline: &Baseline, schema: u32) -> String {
    let Fingerprint { gpu_settings, effective, compile_cache, .. } = &baseline.fingerprint;
    let mut yaml = String::new();
    if !gpu_settings.is_empty() {
        yaml += "gpu_settings:\n";
        for (name, value) in gpu_settings.iter() {
            yaml += &described(schema, "  ", &quote(name), value);
        }
    }
    if let Some(state) = compile_cache {
        yaml += &line("compile_cache", state.name());
    }
    if !effective.is_empty() {
        yaml += "effective: # what the engine says that it runs with\n";
        for (name, value) in effective.iter() {
            yaml += &described(schema, "  ", &quote(name), value);
        }
    }
    yaml
}

/// A key and a text, which older versions did not break into lines.
fn described(schema: u32, indent: &str, key: &str, text: &str) -> String {
    if schema <= LONG_LINES {
        format!("{indent}{key}: {}\n", quote(text))
    } else {
        text_line(indent, key, text)
    }
}

/// A snapshot as it is parsed. The forms differ in what they say of a metric.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File<Values> {
    #[serde(rename = "schema")]
    _schema: u32,
    suite: String,
    load: String,
    workload: String,
    arrivals: String,
    engine: String,
    hardware: String,
    model: String,
    arguments: Vec<String>,
    environment: Vec<String>,
    under_test: Vec<String>,
    image: Option<String>,
    image_digest: Option<String>,
    vllm: Option<String>,
    driver: Option<String>,
    #[serde(default)]
    gpu_settings: GpuSettings,
    #[serde(default)]
    compile_cache: Option<CompileCache>,
    #[serde(default)]
    effective: EffectiveConfiguration,
    #[serde(default)]
    measured_on: Option<String>,
    /// In the text for its reader; it follows from the engine starts.
    #[serde(default, rename = "measured")]
    _measured: Option<String>,
    /// Of older versions only.
    #[serde(default)]
    gpu_s_per_start: Option<f64>,
    metrics: BTreeMap<String, Values>,
}

impl<Values> File<Values> {
    /// The baseline without its metrics, and what the file says of each.
    pub(super) fn into_parts(self) -> Result<(Baseline, BTreeMap<String, Values>), BaselineError> {
        let measured_on = self.measured_on.map(|day| day.parse()).transpose();
        let baseline = Baseline {
            suite: self.suite,
            load: self.load,
            workload: self.workload,
            arrivals: self.arrivals,
            fingerprint: Fingerprint {
                engine: self.engine.parse().map_err(BaselineError::Edited)?,
                hardware: self.hardware,
                model: self.model,
                arguments: self.arguments,
                environment: self.environment,
                under_test: self.under_test,
                image: self.image,
                image_digest: self.image_digest,
                vllm: self.vllm,
                driver: self.driver,
                effective: self.effective,
                gpu_settings: self.gpu_settings,
                compile_cache: self.compile_cache,
            },
            measured_on: measured_on.map_err(|error| BaselineError::Edited(format!("{error}")))?,
            gpu_s_per_start: self.gpu_s_per_start.unwrap_or_default(),
            metrics: BTreeMap::new(),
            slacks: BTreeMap::new(),
            estimated: BTreeSet::new(),
        };
        Ok((baseline, self.metrics))
    }
}
