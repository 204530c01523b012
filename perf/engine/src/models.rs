//! Where a model's files are: [`Models`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use perf_machine::hub::{self, NotFetched, Snapshot};
use perf_model::spec::config::Config;
use perf_model::spec::model_location::ModelLocation;
use perf_model::spec::settings::Settings;
use perf_model::spec::suggest::nearest;

use crate::error::EngineError;

/// What settings and `perf.toml` say about where models are.
#[derive(Clone, Debug)]
pub(crate) struct Models {
    settings: BTreeMap<String, PathBuf>,
    config: BTreeMap<String, ModelLocation>,
    folder: Option<PathBuf>,
    hub_cache: Option<PathBuf>,
}

/// Where a model's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// On this machine.
    Host(HostFiles),
    /// In this folder of the image.
    InImage(PathBuf),
}

/// A model's files on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostFiles {
    /// A folder that holds all of them, also what they link to.
    pub(crate) folder: PathBuf,
    /// Where they are in it.
    pub(crate) within: PathBuf,
    /// The commit that they are of, of a model of the hub.
    pub(crate) revision: Option<String>,
}

impl HostFiles {
    fn in_folder(path: &Path) -> Self {
        // Docker and the server's own working directory both want an absolute path.
        let folder = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { folder, within: PathBuf::new(), revision: None }
    }

    /// Where they are.
    pub(crate) fn path(&self) -> PathBuf {
        // Joined with nothing, a file's path would end in a slash.
        if self.within.as_os_str().is_empty() {
            return self.folder.clone();
        }
        self.folder.join(&self.within)
    }
}

impl From<Snapshot> for HostFiles {
    fn from(found: Snapshot) -> Self {
        let within = found.within();
        let folder = std::path::absolute(&found.repository).unwrap_or(found.repository);
        Self { folder, within, revision: Some(found.commit) }
    }
}

impl Models {
    pub(crate) fn new(settings: &Settings, config: &Config) -> Self {
        Self {
            settings: settings.models.clone(),
            config: config.models.clone(),
            folder: config.models_folder.clone(),
            hub_cache: config.hub_cache.clone(),
        }
    }

    /// The model's folder on this machine.
    pub(crate) fn on_host(&self, model: &str) -> Result<HostFiles, EngineError> {
        self.where_it_is(model, Path::is_dir)
    }

    /// The model's folder on this machine, or its file, as other servers than vLLM have it.
    pub(crate) fn file_or_folder(&self, model: &str) -> Result<HostFiles, EngineError> {
        self.where_it_is(model, Path::exists)
    }

    fn where_it_is(
        &self,
        model: &str,
        is_usable: fn(&Path) -> bool,
    ) -> Result<HostFiles, EngineError> {
        let location = self.config.get(model);
        let configured = || location.and_then(|location| location.path.clone());
        let in_folder = || self.folder.as_ref().map(|folder| folder.join(model));
        // A place that the user names is final: the next one is used only where none is named.
        let place = self.settings.get(model).cloned().or_else(configured);
        if place.is_none()
            && let Some(location) = location
            && let Some(id) = &location.hub
        {
            return self.in_hub(id, location.revision.as_deref());
        }
        match place.or_else(in_folder) {
            Some(path) if is_usable(&path) => Ok(HostFiles::in_folder(&path)),
            place => Err(EngineError::ModelNotFound {
                model: model.to_owned(),
                looked: place.into_iter().collect(),
                nearest: self.nearest(model),
            }),
        }
    }

    /// The snapshot of a model in the hub's cache.
    fn in_hub(&self, id: &str, revision: Option<&str>) -> Result<HostFiles, EngineError> {
        let found = hub::find(self.hub_cache.as_deref(), id, revision);
        found.map(HostFiles::from).map_err(|NotFetched { cache, command }| {
            EngineError::ModelNotFetched { id: id.to_owned(), command, cache }
        })
    }

    /// The known model whose name is the nearest.
    fn nearest(&self, model: &str) -> Option<String> {
        let in_folder =
            self.folder.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
        let in_folder = in_folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let known: Vec<String> =
            self.settings.keys().chain(self.config.keys()).cloned().chain(in_folder).collect();
        let others = known.iter().map(String::as_str).filter(|name| *name != model);
        nearest(model, others).map(str::to_owned)
    }

    /// The model's folder for a container: in the image if it is there, otherwise on this machine.
    pub(crate) fn for_container(&self, model: &str) -> Result<Files, EngineError> {
        let in_image = self.config.get(model).and_then(|location| location.in_image.clone());
        match in_image {
            Some(path) if !self.settings.contains_key(model) => Ok(Files::InImage(path)),
            _ => self.on_host(model).map(Files::Host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(settings: &[(&str, PathBuf)], config: &str) -> Models {
        let own = |(name, path): &(&str, PathBuf)| ((*name).to_owned(), path.clone());
        let settings =
            Settings { models: settings.iter().map(own).collect(), ..Settings::default() };
        Models::new(&settings, &Config::from_toml(config).unwrap())
    }

    #[test]
    fn settings_come_before_perf_toml_and_that_before_the_folder_of_all_models() {
        let root = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        let (first, second, third) = (place("first"), place("second"), place("all/m"));
        let config = format!(
            "models_folder = {:?}\n[models.m]\npath = {second:?}\n",
            root.path().join("all")
        );
        assert_eq!(models(&[("m", first.clone())], &config).on_host("m").unwrap().path(), first);
        assert_eq!(models(&[], &config).on_host("m").unwrap().path(), second);
        let folder_only = config.lines().next().unwrap();
        assert_eq!(models(&[], folder_only).on_host("m").unwrap().path(), third);
    }

    #[test]
    fn a_model_that_is_nowhere_names_where_it_was_looked_for() {
        let error = models(&[], "models_folder = \"/no/such/folder\"").on_host("m").unwrap_err();
        assert!(error.to_string().contains("looked in /no/such/folder/m;"), "{error}");
        let error = models(&[], "").on_host("m").unwrap_err();
        assert!(error.to_string().contains("perf.toml names none"), "{error}");
    }

    #[test]
    fn an_error_about_a_missing_model_names_the_nearest_one_and_the_key() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("Qwen2.5-14B-Instruct-AWQ")).unwrap();
        let folder = format!("models_folder = {:?}", root.path());
        let error =
            models(&[], &folder).on_host("Qwen2.5-14B-Instuct-AWQ").unwrap_err().to_string();
        assert!(error.contains("the nearest known name is `Qwen2.5-14B-Instruct-AWQ`"), "{error}");
        assert!(
            error.contains(
                "`path` under [models.\"Qwen2.5-14B-Instuct-AWQ\"] in perf.toml or with --model"
            ),
            "{error}"
        );
        let given = [("tinny", root.path().to_owned())];
        let error = models(&given, "").on_host("tiny").unwrap_err().to_string();
        assert!(
            error.contains("the nearest known name is `tinny`") && error.contains("[models.tiny]"),
            "{error}"
        );
    }

    #[test]
    fn a_container_takes_the_model_in_its_image_unless_the_settings_name_another() {
        let root = tempfile::tempdir().unwrap();
        let config = "[models.m]\nin_image = \"/models/m\"\n";
        assert_eq!(
            models(&[], config).for_container("m").unwrap(),
            Files::InImage("/models/m".into())
        );
        let own = models(&[("m", root.path().to_owned())], config);
        assert_eq!(own.for_container("m").unwrap(), Files::Host(HostFiles::in_folder(root.path())));
    }

    #[test]
    fn a_model_of_the_hub_is_found_in_its_cache_or_named_with_the_command_that_fetches_it() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("models--o--n");
        let config = format!("hub_cache = {:?}\n[models.m]\nhub = \"o/n\"\n", cache.path());
        let error = models(&[], &config).on_host("m").unwrap_err().to_string();
        assert!(error.contains("`hf download o/n --cache-dir /"), "{error}");
        std::fs::create_dir_all(folder.join("snapshots/c0ffee")).unwrap();
        std::fs::create_dir_all(folder.join("refs")).unwrap();
        std::fs::write(folder.join("refs/main"), "c0ffee").unwrap();
        let found = models(&[], &config).on_host("m").unwrap();
        assert_eq!(found.path(), folder.join("snapshots/c0ffee"));
        // A container needs what the snapshot links to as well.
        assert_eq!((found.folder, found.revision), (folder, Some("c0ffee".to_owned())));
    }
}
