//! What a server that is up reports of its configuration: [`reported_configuration`].
//!
//! `/metrics` has the cache's settings as labels of `vllm:cache_config_info`. `/server_info` has all
//! of them, in development mode alone (`VLLM_SERVER_DEV_MODE=1`).

use crate::record::effective::EffectiveConfiguration;
use serde_json::Value;

/// Where a server in development mode reports its configuration.
pub const SERVER_INFO: &str = "/server_info?config_format=json";

/// Parts of the configuration that change what the server does, and not where or for whom.
const PARTS: &[&str] = &[
    "attention_config",
    "cache_config",
    "compilation_config",
    "kernel_config",
    "lora_config",
    "parallel_config",
    "scheduler_config",
    "speculative_config",
];

/// Settings that follow from the memory that was free, or that name a place, a port or an engine.
const LEFT_OUT: &[&str] = &[
    "engine",
    "num_gpu_blocks",
    "num_cpu_blocks",
    "kv_cache_size_tokens",
    "kv_cache_max_concurrency",
    "kv_cache_memory_bytes",
    "cpu_kvcache_space_bytes",
];

/// Endings of such names.
const LEFT_OUT_ENDINGS: &[&str] = &["_dir", "_ip", "_port", "_path", "_port_list", "instance_id"];

/// Reads the texts of `/metrics` and of [`SERVER_INFO`], where the server has them. What cannot be
/// read is left out.
pub fn reported_configuration(
    metrics: Option<&str>,
    server_info: Option<&str>,
) -> EffectiveConfiguration {
    let mut found = EffectiveConfiguration::default();
    let labels = metrics.and_then(|text| {
        text.lines().find_map(|line| line.strip_prefix("vllm:cache_config_info{"))
    });
    for (name, value) in labels.map(labels_of).unwrap_or_default() {
        keep(&mut found, "cache_config", name, value);
    }
    let info: Option<Value> = server_info.and_then(|text| serde_json::from_str(text).ok());
    if let Some(Value::Object(parts)) = info.as_ref().and_then(|info| info.get("vllm_config")) {
        for part in PARTS {
            if let Some(Value::Object(settings)) = parts.get(*part) {
                settings.iter().for_each(|(name, value)| {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    keep(&mut found, part, name, &text);
                });
            }
        }
    }
    found
}

fn keep(found: &mut EffectiveConfiguration, part: &str, name: &str, value: &str) {
    let is_left_out = LEFT_OUT.contains(&name)
        || name.starts_with('_')
        || LEFT_OUT_ENDINGS.iter().any(|end| name.ends_with(end));
    if !is_left_out {
        found.insert(&format!("{part}.{name}"), value);
    }
}

/// The labels of a metric, from behind its brace: `block_size="16",cache_dtype="auto"} 1.0`.
fn labels_of(text: &str) -> Vec<(&str, &str)> {
    let (mut rest, mut labels) = (text, Vec::new());
    while let Some((name, behind)) = rest.split_once("=\"") {
        // A quote inside a value is escaped; such a value ends the reading.
        let Some((value, behind)) = behind.split_once('"') else { break };
        labels.push((name, value));
        let Some(next) = behind.strip_prefix(',') else { break };
        rest = next;
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(found: &EffectiveConfiguration) -> Vec<String> {
        found.iter().map(|(name, value)| format!("{name} = {value}")).collect()
    }

    #[test]
    fn the_labels_of_the_cache_are_settings_and_its_size_is_not() {
        let metrics = "# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig\n\
                       # TYPE vllm:cache_config_info gauge\n\
                       vllm:cache_config_info{_block_size_resolved=\"True\",block_size=\"128\",cache_dtype=\"auto\",engine=\"0\",\
                       kv_cache_dtype_skip_layers=\"[]\",num_gpu_blocks=\"16384\"} 1.0\n";
        let found = reported_configuration(Some(metrics), None);
        assert_eq!(
            shown(&found),
            [
                "cache_config.block_size = 128",
                "cache_config.cache_dtype = auto",
                "cache_config.kv_cache_dtype_skip_layers = []"
            ]
        );
    }

    #[test]
    fn the_parts_of_server_info_are_settings_and_places_are_not() {
        let info = r#"{"vllm_config": {
            "scheduler_config": {"max_num_seqs": 256, "async_scheduling": true},
            "parallel_config": {"tensor_parallel_size": 2, "data_parallel_master_port": 2931},
            "compilation_config": {"cudagraph_mode": "FULL", "cache_dir": "/cache/x", "cudagraph_capture_sizes": [1, 2]},
            "model_config": {"model": "/models/tiny"}, "instance_id": "ab12"}, "vllm_env": {"VLLM_X": "1"}}"#;
        let found = reported_configuration(None, Some(info));
        assert_eq!(
            shown(&found),
            [
                "compilation_config.cudagraph_capture_sizes = [1,2]",
                "compilation_config.cudagraph_mode = FULL",
                "parallel_config.tensor_parallel_size = 2",
                "scheduler_config.async_scheduling = true",
                "scheduler_config.max_num_seqs = 256"
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for text in
            ["", "vllm:cache_config_info{a", "vllm:cache_config_info{a=\"b", "{\"vllm_config\": 1}"]
        {
            assert!(reported_configuration(Some(text), Some(text)).is_empty(), "{text}");
        }
    }
}
