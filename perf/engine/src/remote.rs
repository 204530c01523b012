//! A server that is already up somewhere. It is looked at, and never started or stopped. Main
//! function: [`find`].

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;

use perf_model::record::effective::EffectiveConfiguration;
use perf_model::record::fingerprint::Fingerprint;
use perf_model::spec::server_url::ServerUrl;

use crate::error::EngineError;
use crate::launch_spec::LaunchSpec;
use crate::readiness::Probe;
use crate::running::{Address, Handle, Running};

/// What a server that is up says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What it answers at `/health`.
    pub health: u16,
    /// The names of its models.
    pub models: Vec<String>,
    /// Its version, where it says it.
    pub version: Option<String>,
    /// What it reports of its configuration.
    pub effective: EffectiveConfiguration,
}

/// The answer to a look; the error says what came instead, and what to do.
pub type Looking = Pin<Box<dyn Future<Output = Result<Seen, String>> + Send>>;

/// Looks at the server at an address, with the keys and certificates that it needs.
#[derive(Clone)]
pub struct Look(Arc<LookAt>);

type LookAt = dyn Fn(String) -> Looking + Send + Sync + UnwindSafe + RefUnwindSafe;

impl Look {
    /// By this function.
    pub fn new(
        look: impl Fn(String) -> Looking + Send + Sync + UnwindSafe + RefUnwindSafe + 'static,
    ) -> Self {
        Self(Arc::new(look))
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}

/// Looks for the planned server at this address.
pub(crate) async fn find(
    url: &str,
    look: Option<&Look>,
    spec: LaunchSpec,
) -> Result<Running, EngineError> {
    let hardware = hardware(url)?;
    let url = parse(url)?.to_string();
    let seen = match look {
        Some(Look(look)) => look(url.clone())
            .await
            .map_err(|answer| EngineError::NotMeasurable { url: url.clone(), answer })?,
        None => probe(&url).await?,
    };
    // A gateway may hand on the API alone.
    if !matches!(seen.health, 200 | 401 | 403 | 404 | 405) {
        return Err(EngineError::Unhealthy { url, answer: format!("{} to /health", seen.health) });
    }
    let model = spec.server.model.clone();
    if !seen.models.contains(&model) {
        return Err(EngineError::ModelNotServed { url, model, served: seen.models });
    }
    let (vllm, effective) = (seen.version, spec.redacted(&seen.effective));
    let fingerprint = Fingerprint { hardware, vllm, effective, ..spec.fingerprint };
    Ok(Running::new(Address::Url(url), fingerprint, Handle::Elsewhere))
}

/// Asks a server without a key over plain HTTP.
async fn probe(url: &str) -> Result<Seen, EngineError> {
    let url = url.to_owned();
    let unreachable = |reason| EngineError::Unreachable { url: url.clone(), reason };
    let probe = Probe::new(&url).map_err(unreachable)?;
    let health = probe.health().await.map_err(unreachable)?;
    if health != 200 {
        return Ok(Seen { health, ..Seen::default() });
    }
    let models = probe
        .models()
        .await
        .map_err(|answer| EngineError::Unhealthy { url: url.clone(), answer })?;
    let (version, effective) = (probe.version().await, probe.configuration().await);
    Ok(Seen { health, models, version, effective })
}

/// What a record says of the hardware behind an address: no more than where it is.
pub(crate) fn hardware(url: &str) -> Result<String, EngineError> {
    Ok(format!("remote: {}", parse(url)?.host()))
}

fn parse(url: &str) -> Result<ServerUrl, EngineError> {
    ServerUrl::parse(url).map_err(|error| EngineError::invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_the_host_of_an_address() {
        assert_eq!(hardware("http://gpu-box:8000/v1/").unwrap(), "remote: gpu-box");
        assert_eq!(hardware("http://[::1]:8000").unwrap(), "remote: [::1]");
        assert_eq!(hardware("http://gateway/team-a").unwrap(), "remote: gateway");
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        let error = hardware("http://user:secret@gpu-box:8000").unwrap_err().to_string();
        assert!(error.contains("password") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn an_address_that_cannot_be_used_says_what_to_write() {
        for text in ["gpu-box:8000", "8000"] {
            let error = hardware(text).unwrap_err();
            assert!(
                error.to_string().ends_with("write http://HOST:PORT or https://HOST"),
                "{error}"
            );
        }
    }
}
