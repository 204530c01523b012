//! Where a server keeps the kernels that it compiles, so that every measured start finds the same there:
//! [`CompileCacheFolder`].

use std::path::{Path, PathBuf};

use perf_machine::host;
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
pub(crate) enum CompileCacheFolder {
    /// The server's own choice.
    #[default]
    Own,
    /// In a container: what is mounted there; without it, an empty folder that ends with the container.
    Container(Option<Mounted>),
    /// Of a process, which finds there what an earlier one compiled.
    Warm(PathBuf),
    /// Of a process, which finds nothing there.
    Cold(PathBuf),
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
    /// For a container of this server.
    #[cfg(feature = "docker")]
    pub(crate) fn in_container(
        config: &CompileCacheConfig,
        server: &Server,
    ) -> Result<Self, EngineError> {
        check(config, server)?;
        Ok(match config.state {
            CompileCacheState::AsFound => Self::Own,
            CompileCacheState::Cold => Self::Container(None),
            CompileCacheState::Warm => {
                let folder = config.folder.as_deref().map(made).transpose()?;
                Self::Container(Some(folder.map_or(Mounted::Volume(VOLUME), Mounted::Folder)))
            }
        })
    }

    /// For a process of this machine that is this server, whose log is kept in the file `log`.
    pub(crate) fn of_process(
        config: &CompileCacheConfig,
        server: &Server,
        log: Option<&Path>,
    ) -> Result<Self, EngineError> {
        check(config, server)?;
        Ok(match config.state {
            CompileCacheState::AsFound => Self::Own,
            CompileCacheState::Cold => {
                let beside = log.and_then(Path::parent).map(Path::to_owned);
                let beside = beside.unwrap_or_else(std::env::temp_dir);
                let folder = beside.join(format!("compile-cache-{}", std::process::id()));
                // One that a killed run left is not empty.
                let _ = std::fs::remove_dir_all(&folder);
                Self::Cold(made(&folder)?)
            }
            CompileCacheState::Warm => {
                Self::Warm(made(&config.folder.clone().map_or_else(users, Ok)?)?)
            }
        })
    }

    /// The variable for the server.
    pub(crate) fn variable(&self) -> Option<(String, String)> {
        let path = match self {
            Self::Own => return None,
            Self::Container(_) => IN_CONTAINER.to_owned(),
            Self::Warm(path) | Self::Cold(path) => path.display().to_string(),
        };
        Some((VARIABLE.to_owned(), path))
    }

    /// What is mounted, and where.
    #[cfg(feature = "docker")]
    pub(crate) fn mount(&self) -> Option<(&Mounted, &'static Path)> {
        match self {
            Self::Container(Some(mounted)) => Some((mounted, Path::new(IN_CONTAINER))),
            _ => None,
        }
    }

    /// What ends with the server.
    pub(crate) fn cold(&self) -> Option<ColdFolder> {
        match self {
            Self::Cold(path) => Some(ColdFolder(path.clone())),
            _ => None,
        }
    }
}

/// The cold cache of a process. Dropping it removes the folder.
#[derive(Debug)]
pub(crate) struct ColdFolder(PathBuf);

impl Drop for ColdFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Refuses a server that names the folder itself where the run does.
fn check(config: &CompileCacheConfig, server: &Server) -> Result<(), EngineError> {
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
    let none = "there is no home folder to keep a warm compile cache in; name a `folder` under [compile_cache] in perf.toml";
    let caches = host::user_caches().ok_or_else(|| EngineError::invalid(none))?;
    Ok(caches.join("vllm-perf/compile"))
}

/// The absolute path of a folder for a cache, which is there now.
pub(crate) fn made(folder: &Path) -> Result<PathBuf, EngineError> {
    std::fs::create_dir_all(folder).and_then(|()| std::path::absolute(folder)).map_err(|error| {
        EngineError::invalid(format!(
            "cannot use the cache folder {}: {error}; name another in perf.toml",
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

    #[cfg(feature = "docker")]
    #[test]
    fn a_container_has_its_own_an_empty_or_the_shared_cache() {
        let server = Server::default();
        let of = |state, folder| {
            CompileCacheFolder::in_container(&config(state, folder), &server).unwrap()
        };
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
        let of = || CompileCacheFolder::of_process(&config, &Server::default(), Some(&log));
        let path = PathBuf::from(of().unwrap().variable().unwrap().1);
        std::fs::write(path.join("kernel"), "old").unwrap();
        let again = of().unwrap();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
        drop(again.cold());
        assert!(!path.exists());
    }

    #[test]
    fn a_warm_cache_of_a_process_stays() {
        let place = tempfile::tempdir().unwrap();
        let config = config(CompileCacheState::Warm, Some(place.path()));
        let folder = CompileCacheFolder::of_process(&config, &Server::default(), None).unwrap();
        assert!(folder.cold().is_none());
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
