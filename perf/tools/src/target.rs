//! The server that is asked: [`find`] finds out what it serves, and what may be wrong with it.

use std::iter;

use anyhow::{Context, Result, anyhow};
use perf_clock::Clock;
use perf_load::{Endpoint, Unanswered};
use perf_model::record::fingerprint::Fingerprint;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::server_url::ServerUrl;
use perf_model::spec::suggest::nearest;

use crate::cli::Cli;

/// As many of a server's models are named.
const NAMED: usize = 8;

/// What was found out about the server.
pub(crate) struct Target {
    pub(crate) fingerprint: Fingerprint,
    /// What to say of the model where the server refuses requests; absent when it lists the model,
    /// or lists none.
    pub(crate) hint: Option<String>,
}

/// Asks the server what it serves.
pub(crate) async fn find(asked: &Cli, endpoint: &Endpoint, clock: Clock) -> Result<Target> {
    let url = &asked.url;
    let mix = asked.model_mix.clone().unwrap_or_default();
    let first_of_mix = mix.name(0).map(str::to_owned);
    let (model, hint) = match (
        asked.model.as_ref().or(first_of_mix.as_ref()),
        perf_load::models(endpoint, clock).await,
    ) {
        (Some(model), Ok(served)) => {
            let of_mix = mix.models().iter().map(|model| model.name.as_str());
            let mut asked = iter::once(model.as_str()).chain(of_mix);
            (model.clone(), asked.find_map(|model| unlisted(model, &served)))
        }
        // There may be a server without a list, or with one that this key may not read.
        (
            Some(model),
            Err(Unanswered::NotFound(_) | Unanswered::NoList(_) | Unanswered::Key { .. }),
        ) => (model.clone(), None),
        (None, Ok(served)) => {
            let first = served.into_iter().next();
            (first.context("the server lists no model at /v1/models; name one with --model")?, None)
        }
        (None, Err(error @ (Unanswered::NotFound(_) | Unanswered::NoList(_)))) => {
            return Err(anyhow!(
                "{url} was asked for its models: {error}; if it has no such list, name the model with --model"
            ));
        }
        (_, Err(error)) => return Err(anyhow!("{url} was asked for its models: {error}")),
    };
    let host = ServerUrl::parse(url)?.authority();
    let fingerprint = Fingerprint {
        vllm: perf_load::version(endpoint, clock).await,
        effective: perf_load::configuration(endpoint, clock).await,
        ..Fingerprint::new(EngineKind::Remote, format!("remote: {host}"), model)
    };
    Ok(Target { fingerprint, hint })
}

/// What a server has instead of a model that it does not list, the nearest name first.
fn unlisted(model: &str, served: &[String]) -> Option<String> {
    if served.is_empty() || served.iter().any(|name| name == model) {
        return None;
    }
    let near = nearest(model, served.iter().map(String::as_str));
    let others = served.iter().map(String::as_str).filter(|name| Some(*name) != near);
    let names: Vec<String> =
        near.into_iter().chain(others).map(|name| format!("`{name}`")).collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names = names[..names.len().min(NAMED)].join(", ");
    Some(format!(
        "the server does not list the model `{model}`; it has {names}{more}: take one of them with --model or --model-mix"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_of_a_server_are_named_with_the_nearest_first() {
        let served = ["other", "qwen2.5-7b"].map(str::to_owned);
        let hint = unlisted("qwen2.5-7B", &served).unwrap();
        assert!(
            hint.ends_with(
                "it has `qwen2.5-7b`, `other`: take one of them with --model or --model-mix"
            ),
            "{hint}"
        );
        assert_eq!((unlisted("other", &served), unlisted("any", &[])), (None, None));
        let many: Vec<String> = (0..10).map(|number| format!("m{number}")).collect();
        assert!(unlisted("zzz", &many).unwrap().contains("`m7` and 2 more"));
    }
}
