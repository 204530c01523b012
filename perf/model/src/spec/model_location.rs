//! `[models.NAME]` in `perf.toml`: where a model's files are: [`ModelLocation`].

use std::path::PathBuf;

use serde::Deserialize;

/// Where a model's files are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ModelLocation {
    /// A folder on this machine; containers see it read-only.
    pub path: Option<PathBuf>,
    /// Its id at the Hugging Face hub, `OWNER/NAME`, for a model in the hub's cache on this machine.
    pub hub: Option<String>,
    /// The branch, tag or commit of that; `main` without it.
    pub revision: Option<String>,
    /// A folder inside the image, for an image that carries its model.
    pub in_image: Option<PathBuf>,
}

impl ModelLocation {
    /// Names what cannot be meant.
    pub(crate) fn fault(&self, name: &str) -> Option<String> {
        let Self { path, hub, revision, in_image } = self;
        let is_part = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it))
        };
        let is_id = |id: &String| {
            id.split_once('/').is_some_and(|(owner, model)| is_part(owner) && is_part(model))
        };
        if let Some(id) = hub.as_ref().filter(|id| !is_id(id)) {
            return Some(format!("models.{name}.hub = \"{id}\" is no id; write OWNER/NAME"));
        }
        if revision.is_some() && hub.is_none() {
            return Some(format!("models.{name}.revision belongs to `hub`, which is missing"));
        }
        if let Some(revision) = revision.as_ref().filter(|it| !it.split('/').all(is_part)) {
            return Some(format!(
                "models.{name}.revision = \"{revision}\" is no branch, tag or commit"
            ));
        }
        (path.is_none() && hub.is_none() && in_image.is_none())
            .then(|| format!("models.{name} says nothing; name its `path`, `hub` or `in_image`"))
    }
}
