//! The repository that the commands work on: [`Repository`].

use std::path::PathBuf;
use std::sync::OnceLock;

use perf_store::root::package_folder;

/// Where a repository is, and which of its packages the commands build.
#[derive(Clone, Debug)]
pub struct Repository {
    /// The folder with `perf.toml`, `tests` and `baselines`.
    pub root: PathBuf,
    /// The package whose `tests` are the scenarios.
    pub scenarios_package: String,
    /// The package whose binary calls `perf_tools::main`.
    pub tools_package: String,
    /// That binary.
    pub tools_program: String,
}

impl Repository {
    /// The root of a repository whose xtask lies in a folder right below it: `xtask` is
    /// `env!("CARGO_MANIFEST_DIR")` there. cargo sets that variable anew for `cargo xtask`.
    pub fn root_above(xtask: &str) -> PathBuf {
        let xtask = package_folder(xtask);
        xtask.parent().map_or_else(|| xtask.clone(), PathBuf::from)
    }
}

/// A process works on one repository, from its first command on.
static REPOSITORY: OnceLock<Repository> = OnceLock::new();

/// Sets the repository; only the first call counts.
pub(crate) fn set(repository: Repository) {
    let _ = REPOSITORY.set(repository);
}

/// The repository that was set. Unit tests get the one of this crate.
pub(crate) fn get() -> &'static Repository {
    REPOSITORY.get_or_init(|| Repository {
        root: PathBuf::from("."),
        scenarios_package: String::new(),
        tools_package: String::new(),
        tools_program: String::new(),
    })
}
