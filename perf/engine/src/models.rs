//! Where a model's files are: [`Models`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use perf_model::spec::config::{Config, ModelLocation};
use perf_model::spec::settings::Settings;
use perf_model::spec::suggest::nearest;

use crate::error::EngineError;

/// What settings and `perf.toml` say about where models are.
#[derive(Clone, Debug)]
pub(crate) struct Models {
    settings: BTreeMap<String, PathBuf>,
    config: BTreeMap<String, ModelLocation>,
    folder: Option<PathBuf>,
}

/// Where a model's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// In this folder of the machine.
    Host(PathBuf),
    /// In this folder of the image.
    InImage(PathBuf),
}

impl Models {
    pub(crate) fn new(settings: &Settings, config: &Config) -> Self {
        Self {
            settings: settings.models.clone(),
            config: config.models.clone(),
            folder: config.models_folder.clone(),
        }
    }

    /// The model's folder on this machine.
    pub(crate) fn on_host(&self, model: &str) -> Result<PathBuf, EngineError> {
        self.where_it_is(model, Path::is_dir)
    }

    /// The model's folder on this machine, or its file, as other servers than vLLM have it.
    pub(crate) fn file_or_folder(&self, model: &str) -> Result<PathBuf, EngineError> {
        self.where_it_is(model, Path::exists)
    }

    fn where_it_is(
        &self,
        model: &str,
        is_usable: fn(&Path) -> bool,
    ) -> Result<PathBuf, EngineError> {
        let configured = || self.config.get(model).and_then(|location| location.path.clone());
        let in_folder = || self.folder.as_ref().map(|folder| folder.join(model));
        // A place that the user names is final: the next one is used only where none is named.
        let place = self.settings.get(model).cloned().or_else(configured).or_else(in_folder);
        match place {
            // Docker and the server's own working directory both want an absolute path.
            Some(path) if is_usable(&path) => Ok(std::path::absolute(&path).unwrap_or(path)),
            place => Err(EngineError::ModelNotFound {
                model: model.to_owned(),
                looked: place.into_iter().collect(),
                nearest: self.nearest(model),
            }),
        }
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
        assert_eq!(models(&[("m", first.clone())], &config).on_host("m").unwrap(), first);
        assert_eq!(models(&[], &config).on_host("m").unwrap(), second);
        let folder_only = config.lines().next().unwrap();
        assert_eq!(models(&[], folder_only).on_host("m").unwrap(), third);
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
        assert_eq!(own.for_container("m").unwrap(), Files::Host(root.path().to_owned()));
    }
}
