//! Images and models that are the tested ones with a fault in them.

use std::path::{Path, PathBuf};

use super::support::Place;
use super::{docker, image};

/// The tested image with a change. It is removed at the end.
pub(crate) struct Derived(String);

impl Derived {
    /// With files or folders of this machine copied to places in it, and with changes of its
    /// configuration as `docker commit --change` takes them.
    pub(crate) fn new(name: &str, files: &[(&Path, &str)], changes: &[&str]) -> Self {
        let container = docker(&["create", &image()]);
        let container = container.trim();
        for (file, inside) in files {
            docker(&["cp", &file.display().to_string(), &format!("{container}:{inside}")]);
        }
        let derived = format!("vllm-perf-test:{name}-{}", std::process::id());
        let mut words = vec!["commit"];
        words.extend(changes.iter().flat_map(|change| ["--change", *change]));
        words.extend([container, &derived]);
        docker(&words);
        docker(&["rm", container]);
        Self(derived)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

impl Drop for Derived {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rmi", "--force", &self.0]).output();
    }
}

/// A copy of the model that the image carries.
pub(crate) fn model(place: &Place) -> PathBuf {
    let container = docker(&["create", &image()]);
    let container = container.trim();
    let folder = place.folder("models");
    docker(&["cp", &format!("{container}:/models/tiny"), &folder.display().to_string()]);
    docker(&["rm", container]);
    folder.join("tiny")
}

/// A fault of a model's files.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    ConfigCorrupt,
    WeightsCut,
    TokenizerMissing,
    ArchitectureUnknown,
}

impl Fault {
    /// Puts it into a model.
    pub(crate) fn put_into(self, model: &Path) {
        let (config, weights) = (model.join("config.json"), model.join("model.safetensors"));
        match self {
            Self::ConfigCorrupt => {
                let text = std::fs::read(&config).unwrap();
                std::fs::write(&config, &text[..text.len() / 2]).unwrap();
            }
            Self::WeightsCut => {
                let file = std::fs::OpenOptions::new().write(true).open(&weights).unwrap();
                file.set_len(file.metadata().unwrap().len() / 2).unwrap();
            }
            Self::TokenizerMissing => {
                for name in ["tokenizer.json", "tokenizer_config.json"] {
                    std::fs::remove_file(model.join(name)).unwrap();
                }
            }
            Self::ArchitectureUnknown => {
                let text = std::fs::read_to_string(&config).unwrap();
                let (begin, rest) = text.split_once("\"architectures\"").unwrap();
                let (_, end) = rest.split_once(']').unwrap();
                let text = format!("{begin}\"architectures\": [\"NoSuchModelForCausalLM\"]{end}");
                std::fs::write(&config, text).unwrap();
            }
        }
    }
}
