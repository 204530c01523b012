//! Where a server keeps the kernels that it compiles, so that every measured start finds the same there:
//! [`CompileCacheFolder`].

use std::path::{Path, PathBuf};

use perf_model::record::compile_cache::CompileCache;
use perf_model::spec::compile_cache::{CompileCacheConfig, CompileCacheState};
use perf_model::spec::server::Server;

use crate::error::EngineError;

/// The variable in which vLLM is given the folder of its caches.
const VARIABLE: &str = "VLLM_CACHE_ROOT";

/// Where a container sees its cache. Images have nothing there.
const IN_CONTAINER: &str = "/var/cache/vllm-perf";

/// The volume that containers share.
const VOLUME: &str = "vllm-perf-compile-cache";

/// The folder in which a server keeps what it compiles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CompileCacheFolder {
    /// As the server sees it; `None` where that is its own choice.
    path: Option<PathBuf>,
    /// What containers find there; `None` for an empty folder that ends with the container.
    mounted: Option<Mounted>,
}

/// What is mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mounted {
    /// A volume of Docker by its name.
    Volume(&'static str),
    /// A folder of this machine.
    Folder(PathBuf),
}

impl CompileCacheFolder {
    /// For a container.
    pub(crate) fn in_container(config: &CompileCacheConfig) -> Result<Self, EngineError> {
        let path = Some(PathBuf::from(IN_CONTAINER));
        Ok(match config.state {
            CompileCacheState::AsFound => Self::default(),
            CompileCacheState::Cold => Self { path, mounted: None },
            CompileCacheState::Warm => {
                let folder = config.folder.as_deref().map(made).transpose()?;
                let mounted = folder.map_or(Mounted::Volume(VOLUME), Mounted::Folder);
                Self { path, mounted: Some(mounted) }
            }
        })
    }

    /// For a process of this machine, whose log is kept in the file `log`.
    pub(crate) fn of_process(
        config: &CompileCacheConfig,
        log: Option<&Path>,
    ) -> Result<Self, EngineError> {
        let path = match config.state {
            CompileCacheState::AsFound => None,
            CompileCacheState::Cold => {
                let beside = log.and_then(Path::parent).map(Path::to_owned);
                let beside = beside.unwrap_or_else(std::env::temp_dir);
                let folder = beside.join(format!("compile-cache-{}", std::process::id()));
                // One that a killed run left is not empty.
                let _ = std::fs::remove_dir_all(&folder);
                Some(made(&folder)?)
            }
            CompileCacheState::Warm => Some(made(&config.folder.clone().map_or_else(users, Ok)?)?),
        };
        Ok(Self { path, mounted: None })
    }

    /// The variable for the server.
    pub(crate) fn variable(&self) -> Option<(String, String)> {
        self.path.as_ref().map(|path| (VARIABLE.to_owned(), path.display().to_string()))
    }

    /// What is mounted, and where.
    #[cfg_attr(not(feature = "docker"), expect(dead_code, reason = "only containers have mounts"))]
    pub(crate) fn mount(&self) -> Option<(&Mounted, &Path)> {
        self.mounted.as_ref().zip(self.path.as_deref())
    }
}

/// The cold cache of a process. Dropping it removes the folder.
#[derive(Debug)]
pub(crate) struct ColdFolder(PathBuf);

impl ColdFolder {
    /// That of a process, if it is to have one.
    pub(crate) fn of(folder: &CompileCacheFolder, config: &CompileCacheConfig) -> Option<Self> {
        let path = folder.path.clone().filter(|_| config.state == CompileCacheState::Cold);
        path.map(Self)
    }
}

impl Drop for ColdFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Refuses a server that names the folder itself where the run does.
pub(crate) fn check(config: &CompileCacheConfig, server: &Server) -> Result<(), EngineError> {
    if config.state == CompileCacheState::AsFound || !server.environment.contains_key(VARIABLE) {
        return Ok(());
    }
    Err(EngineError::invalid(format!(
        "{VARIABLE} is set for this server, and [compile_cache] in perf.toml sets it too; take one of them out"
    )))
}

/// Whether a server that found this has filled the cache, where it was to find it filled.
pub(crate) fn was_filled(config: &CompileCacheConfig, found: Option<CompileCache>) -> bool {
    config.state == CompileCacheState::Warm && found == Some(CompileCache::Cold)
}

/// The folder among the caches of this user.
fn users() -> Result<PathBuf, EngineError> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let caches = named.or_else(|| Some(std::env::home_dir()?.join(".cache")));
    let none = "there is no home folder to keep a warm compile cache in; name a `folder` under [compile_cache] in perf.toml";
    Ok(caches.ok_or_else(|| EngineError::invalid(none))?.join("vllm-perf/compile"))
}

/// The absolute path of a folder that is there now.
fn made(folder: &Path) -> Result<PathBuf, EngineError> {
    std::fs::create_dir_all(folder).and_then(|()| std::path::absolute(folder)).map_err(|error| {
        EngineError::invalid(format!(
            "cannot use the compile cache {}: {error}; name another `folder` under [compile_cache] in perf.toml",
            folder.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(state: CompileCacheState, folder: Option<&Path>) -> CompileCacheConfig {
        CompileCacheConfig { state, folder: folder.map(Path::to_owned) }
    }

    #[test]
    fn a_container_has_its_own_an_empty_or_the_shared_cache() {
        let of = |state, folder| CompileCacheFolder::in_container(&config(state, folder)).unwrap();
        assert_eq!(of(CompileCacheState::AsFound, None).variable(), None);
        let cold = of(CompileCacheState::Cold, None);
        assert_eq!(cold.variable().unwrap().1, IN_CONTAINER);
        assert_eq!(cold.mount(), None);
        let warm = of(CompileCacheState::Warm, None);
        assert_eq!(warm.mount(), Some((&Mounted::Volume(VOLUME), Path::new(IN_CONTAINER))));
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("kept");
        let warm = of(CompileCacheState::Warm, Some(&folder));
        assert_eq!(warm.mount().unwrap().0, &Mounted::Folder(folder.clone()));
        assert!(folder.is_dir());
    }

    #[test]
    fn a_cold_cache_of_a_process_is_empty_and_gone_after_it() {
        let place = tempfile::tempdir().unwrap();
        let log = place.path().join("server.log");
        let config = config(CompileCacheState::Cold, None);
        let folder = CompileCacheFolder::of_process(&config, Some(&log)).unwrap();
        let path = folder.path.clone().unwrap();
        std::fs::write(path.join("kernel"), "old").unwrap();
        let again = CompileCacheFolder::of_process(&config, Some(&log)).unwrap();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
        drop(ColdFolder::of(&again, &config));
        assert!(!path.exists());
    }

    #[test]
    fn a_warm_cache_of_a_process_stays() {
        let place = tempfile::tempdir().unwrap();
        let config = config(CompileCacheState::Warm, Some(place.path()));
        let folder = CompileCacheFolder::of_process(&config, None).unwrap();
        assert!(ColdFolder::of(&folder, &config).is_none());
        assert_eq!(folder.variable().unwrap().1, place.path().display().to_string());
    }

    #[test]
    fn a_server_that_names_the_folder_itself_is_refused() {
        let mut server = Server::default();
        let warm = config(CompileCacheState::Warm, None);
        assert!(check(&warm, &server).is_ok());
        server.environment.insert(VARIABLE.to_owned(), "/cache".to_owned());
        assert!(check(&warm, &server).unwrap_err().to_string().contains(VARIABLE));
        assert!(check(&CompileCacheConfig::default(), &server).is_ok());
    }
}
