//! `[compile_cache]` in `perf.toml`: with which cache of compiled kernels servers start:
//! [`CompileCacheConfig`].

use std::path::PathBuf;

use serde::Deserialize;

/// With which cache of compiled kernels servers start. vLLM names its folder in `VLLM_CACHE_ROOT`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CompileCacheConfig {
    /// What is in it when a server starts: `as_found`, `cold` or `warm`.
    pub state: CompileCacheState,
    /// The folder of a warm cache. Without one, containers use a named volume, and processes a folder
    /// among the user's caches.
    pub folder: Option<PathBuf>,
}

/// What is in the compile cache when a measured server starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CompileCacheState {
    /// What the image or the machine has there. The first start of a process may be cold, and those
    /// after it warm.
    #[default]
    AsFound,
    /// Nothing: every start compiles.
    Cold,
    /// What an earlier start compiled. A start that finds less fills the cache and is not measured.
    Warm,
}

impl CompileCacheConfig {
    /// Names what cannot be meant.
    pub(crate) fn fault(&self) -> Option<String> {
        let folder = self.folder.as_ref()?;
        if folder.as_os_str().is_empty() {
            return Some("compile_cache.folder is empty; name a folder".to_owned());
        }
        (self.state != CompileCacheState::Warm).then(|| {
            "compile_cache.folder is where a warm cache is kept; add `state = \"warm\"`, or take it out".to_owned()
        })
    }
}
