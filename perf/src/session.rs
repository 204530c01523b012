//! Where this process runs and what it was asked to do: [`Session`].

use std::env::VarError;
use std::path::{Path, PathBuf};

use perf_clock::Clock;
use perf_model::judge::gate::{DUET_RUNS, Gate};
use perf_model::record::file::Part;
use perf_model::spec::access::{API_KEYS, Access};
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::progress::{PROGRESS_VARIABLE, Phase, Progress};
use perf_model::spec::settings::{Purpose, Settings, VARIABLE};
use perf_store::config_file;
use perf_store::root::package_folder;

use crate::error::{Error, Result};

/// What `cargo xtask perf` asked for, what `perf.toml` says, and the folders that follow from both.
pub(crate) struct Session {
    /// What was asked for.
    pub(crate) settings: Settings,
    /// What `perf.toml` says.
    pub(crate) config: Config,
    /// The repository's root.
    pub(crate) root: PathBuf,
    /// Where records and reports go.
    pub(crate) run_folder: PathBuf,
    /// Whether a command shows the progress on a terminal, and reads it for that.
    is_watched: bool,
}

impl Session {
    /// Reads the settings from the environment and `perf.toml` from the repository's root.
    pub(crate) fn open() -> Result<Self> {
        let root = package_folder(env!("CARGO_MANIFEST_DIR"));
        let settings = read_settings().map_err(|error| {
            Error::Usage(format!(
                "the variable {VARIABLE} cannot be read: {error}; start tests with `cargo xtask perf`"
            ))
        })?;
        let config = config_file::read(&root).map_err(|error| Error::Usage(error.to_string()))?;
        let run_folder = settings
            .run_folder
            .clone()
            .unwrap_or_else(|| target_folder(&root).join("perf").join("cargo-test"));
        let is_watched = settings.run_folder.is_some()
            && std::env::var_os(PROGRESS_VARIABLE).is_some_and(|value| !value.is_empty());
        Ok(Self { settings, config, root, run_folder, is_watched })
    }

    /// How the server is reached. One that was started here gets vLLM's own key, if that is set, and
    /// nothing else.
    pub(crate) fn access(&self) -> Access {
        if self.settings.engine == EngineKind::Remote {
            return self.settings.access.clone().over(&self.config.remote);
        }
        let key = API_KEYS[0];
        let is_set = std::env::var(key).is_ok_and(|key| !key.trim().is_empty());
        if is_set {
            Access { api_key_env: Some(key.to_owned()), ..Access::none() }
        } else {
            Access::none()
        }
    }

    /// Engine starts of a session that becomes a baseline.
    pub(crate) fn starts(&self) -> u32 {
        self.settings.starts.unwrap_or(self.config.starts)
    }

    /// Engine starts of a measurement that is judged, at most.
    pub(crate) fn most_starts(&self, gate: &Gate) -> u32 {
        let most = u32::try_from(gate.most_starts()).unwrap_or(u32::MAX);
        self.settings.budget.starts.map_or(most, |starts| starts.min(most))
    }

    /// Runs of each load in a start.
    pub(crate) fn runs(&self) -> u32 {
        match self.settings.purpose {
            Purpose::Refresh => self.settings.runs.unwrap_or(self.config.runs),
            Purpose::Gate => 1,
            // Without a baseline, nothing else says how far a single run may be off.
            Purpose::Compare => DUET_RUNS,
        }
    }

    /// The gate for a suite with so many guards. The error rate is divided among all guards of the
    /// run, which only the one who runs all suites knows.
    pub(crate) fn gate(&self, guards: usize) -> Result<Gate> {
        let checks = self.settings.checks.map_or(guards, |checks| checks as usize);
        let usual = match self.settings.purpose {
            Purpose::Compare => Some(self.config.gate.compare_pairs),
            Purpose::Gate | Purpose::Refresh => None,
        };
        let starts = self.settings.budget.starts.or(usual);
        let gate = Gate::of_run(&self.config.gate, checks, starts);
        gate.map_err(|error| Error::Usage(error.to_string()))
    }

    /// Where the log of a server that is started in this run is kept.
    pub(crate) fn log(&self, suite: &str, part: Part, start: u32) -> PathBuf {
        self.run_folder.join(suite).join(part.folder(start, 1)).join("server.log")
    }

    /// Shows the progress of a long run. Written past libtest's capture, and only under
    /// `cargo xtask perf`.
    pub(crate) fn tell(&self, suite: &str, what: &str) {
        use std::io::Write;
        if self.settings.run_folder.is_some() {
            let _ = writeln!(std::io::stderr().lock(), "  {suite}: {what}");
        }
    }

    /// Shows what a suite does from now on, behind which engine start it is, if it is one. Where a terminal shows the progress, the next such word takes
    /// its place there, and warnings stay.
    pub(crate) fn doing(&self, suite: &str, title: &str, what: &str) {
        if what.starts_with("warning: ") {
            return self.tell(suite, what);
        }
        let gap = if title.is_empty() { "" } else { ": " };
        let what = format!("{title}{gap}{what}");
        if self.is_watched {
            Self::progress(suite, Phase::Doing(what));
        } else {
            self.tell(suite, &what);
        }
    }

    /// Shows that a load begins. In virtual time it is over at once.
    pub(crate) fn loads(
        &self,
        suite: &str,
        title: &str,
        requests: u32,
        record: &Path,
        clock: Clock,
    ) {
        if self.is_watched {
            let (title, record) = (title.to_owned(), record.to_owned());
            Self::progress(suite, Phase::Load { title, requests, record });
        } else if !clock.is_virtual() {
            self.tell(suite, &format!("{title}: {requests} requests"));
        }
    }

    fn progress(suite: &str, phase: Phase) {
        use std::io::Write;
        let progress = Progress { suite: suite.to_owned(), phase };
        let _ = writeln!(std::io::stderr().lock(), "{}", progress.line());
    }

    /// A path as a person at the repository's root would type it.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

/// What `cargo xtask perf` asked for; the defaults where nothing was asked for.
fn read_settings() -> std::result::Result<Settings, String> {
    match std::env::var(VARIABLE) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| error.to_string()),
        Err(VarError::NotPresent) => Ok(Settings::default()),
        Err(error) => Err(error.to_string()),
    }
}

/// The folder that cargo builds into: test binaries lie in `<target>/<profile>/deps`.
fn target_folder(root: &Path) -> PathBuf {
    let binary = std::env::current_exe().ok();
    let deps = binary.as_deref().and_then(Path::parent).filter(|folder| folder.ends_with("deps"));
    deps.and_then(|deps| deps.ancestors().nth(2))
        .map_or_else(|| root.join("target"), Path::to_path_buf)
}
