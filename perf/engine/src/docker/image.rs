//! The image under test: finds or pulls it, and reads how it wants its arguments. Main type:
//! [`Image`].

use futures_util::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::{CreateImageInfo, ImageInspect};
use testcontainers::bollard::query_parameters::CreateImageOptionsBuilder;

use super::daemon::{failed, is_missing};
use crate::error::EngineError;
use crate::readiness::chain;

/// An image that is on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// Its name in two parts, which joined by a colon give the reference.
    pub(super) name: String,
    /// The tag, or for a reference by digest what comes after `sha256:`.
    pub(super) tag: String,
    /// The registry's digest, or the image's id where it comes from none.
    pub(super) digest: String,
    pub(super) entrypoint: Entrypoint,
}

/// What the image's entrypoint expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrypoint {
    /// `vllm serve`: the model, then flags.
    Serve,
    /// `python3 -m vllm.entrypoints.openai.api_server`, as images had it up to 2025: flags, the
    /// model is one of them.
    ApiServer,
}

impl Entrypoint {
    fn read(words: &[String]) -> Option<Self> {
        match words.last()?.as_str() {
            "serve" => Some(Self::Serve),
            "vllm.entrypoints.openai.api_server" => Some(Self::ApiServer),
            _ => None,
        }
    }

    /// The words that name the model.
    pub(super) fn model(self, path: &str) -> Vec<String> {
        match self {
            Self::Serve => vec![path.to_owned()],
            Self::ApiServer => vec!["--model".to_owned(), path.to_owned()],
        }
    }
}

/// Finds the image, and pulls it if it is not on this machine.
pub(super) async fn find(
    docker: &Docker,
    reference: &str,
    progress: &mut dyn FnMut(&str),
) -> Result<Image, EngineError> {
    let inspected = match docker.inspect_image(reference).await {
        Err(error) if is_missing(&error) => {
            pull(docker, reference, progress).await?;
            docker.inspect_image(reference).await
        }
        inspected => inspected,
    };
    let inspected = inspected
        .map_err(|error| failed(&format!("inspect the image `{reference}`"), chain(&error)))?;
    describe(reference, inspected)
}

fn describe(reference: &str, inspected: ImageInspect) -> Result<Image, EngineError> {
    let words = inspected.config.and_then(|config| config.entrypoint).unwrap_or_default();
    let entrypoint = Entrypoint::read(&words).ok_or_else(|| EngineError::UnknownEntrypoint {
        image: reference.to_owned(),
        entrypoint: words,
    })?;
    let (name, tag) = split(reference);
    let repository = name.trim_end_matches("@sha256");
    let digests = inspected.repo_digests.unwrap_or_default();
    // An image may have been pulled from several registries; the digest of the one that was named
    // is meant.
    let named = digests
        .iter()
        .find(|digest| digest.split('@').next() == Some(repository))
        .or(digests.first());
    let digest =
        named.and_then(|digest| digest.split_once('@')).map(|(_, digest)| digest.to_owned());
    let digest = digest.or(inspected.id).unwrap_or_default();
    Ok(Image { name: name.to_owned(), tag: tag.to_owned(), digest, entrypoint })
}

/// Parts `name:tag`, `name@sha256:…` or `name`. A colon before a slash is a registry's port.
fn split(reference: &str) -> (&str, &str) {
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    }
}

async fn pull(
    docker: &Docker,
    reference: &str,
    progress: &mut dyn FnMut(&str),
) -> Result<(), EngineError> {
    let (name, tag) = split(reference);
    progress(&format!("pulling {reference}"));
    // The platform is named, as some daemons would else take one that this machine has to emulate.
    let options = CreateImageOptionsBuilder::new()
        .from_image(&format!("{name}:{tag}"))
        .platform(platform())
        .build();
    let mut steps = docker.create_image(Some(options), None, None);
    let mut layers = 0_u32;
    while let Some(step) = steps.next().await {
        let step = step.map_err(|error| EngineError::ImageMissing {
            image: reference.to_owned(),
            reason: chain(&error),
        })?;
        if is_layer_done(&step) {
            layers += 1;
            progress(&format!("pulling {reference}: {layers} layers done"));
        }
    }
    Ok(())
}

fn is_layer_done(step: &CreateImageInfo) -> bool {
    step.status.as_deref() == Some("Pull complete")
}

fn platform() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "linux/arm64",
        _ => "linux/amd64",
    }
}

#[cfg(test)]
mod tests {
    use testcontainers::bollard::models::ImageConfig;

    use super::*;

    fn inspected(entrypoint: &[&str], digests: &[&str]) -> ImageInspect {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        ImageInspect {
            id: Some("sha256:1d".into()),
            repo_digests: Some(own(digests)),
            config: Some(ImageConfig {
                entrypoint: Some(own(entrypoint)),
                ..ImageConfig::default()
            }),
            ..ImageInspect::default()
        }
    }

    #[test]
    fn references_are_parted_where_the_tag_begins() {
        assert_eq!(split("vllm/vllm-openai:v0.32.0"), ("vllm/vllm-openai", "v0.32.0"));
        assert_eq!(split("vllm/vllm-openai"), ("vllm/vllm-openai", "latest"));
        assert_eq!(split("registry:5000/vllm"), ("registry:5000/vllm", "latest"));
        assert_eq!(split("vllm/vllm-openai@sha256:ab12"), ("vllm/vllm-openai@sha256", "ab12"));
    }

    #[test]
    fn the_model_goes_where_the_entrypoint_wants_it() {
        let form = |words: &[&str]| {
            describe("i", inspected(words, &[])).map(|image| image.entrypoint.model("/m"))
        };
        assert_eq!(form(&["vllm", "serve"]).unwrap(), ["/m"]);
        assert_eq!(form(&["perf-sim", "serve"]).unwrap(), ["/m"]);
        assert_eq!(
            form(&["python3", "-m", "vllm.entrypoints.openai.api_server"]).unwrap(),
            ["--model", "/m"]
        );
        let error = form(&["/bin/sh", "-c"]).unwrap_err();
        assert!(matches!(error, EngineError::UnknownEntrypoint { .. }), "{error}");
    }

    #[test]
    fn the_digest_is_that_of_the_registry_that_was_named() {
        let digests = ["mirror/vllm@sha256:aa", "vllm/vllm-openai@sha256:bb"];
        let digest = |name: &str, digests: &[&str]| {
            describe(name, inspected(&["serve"], digests)).unwrap().digest
        };
        assert_eq!(digest("vllm/vllm-openai:v1", &digests), "sha256:bb");
        assert_eq!(digest("vllm/vllm-openai@sha256:bb", &digests), "sha256:bb");
        assert_eq!(digest("other", &digests), "sha256:aa");
        assert_eq!(digest("built-here", &[]), "sha256:1d");
    }
}
