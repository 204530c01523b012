//! A server that is already up somewhere. It is looked at, and never started or stopped. Main
//! function: [`find`].

use perf_model::record::fingerprint::Fingerprint;

use crate::error::EngineError;
use crate::launch_spec::LaunchSpec;
use crate::readiness::Probe;
use crate::running::{Address, Handle, Running};

/// Looks for the planned server at this address.
pub(crate) async fn find(url: &str, spec: LaunchSpec) -> Result<Running, EngineError> {
    let hardware = hardware(url)?;
    let Remote { url, shown, .. } = Remote::parse(url)?;
    let unreachable = |reason| EngineError::Unreachable { url: shown.clone(), reason };
    let probe = Probe::new(&url).map_err(unreachable)?;
    let health = probe.health().await.map_err(unreachable)?;
    if health != 200 {
        return Err(EngineError::Unhealthy { url: shown, answer: format!("{health} to /health") });
    }
    let served = probe
        .models()
        .await
        .map_err(|answer| EngineError::Unhealthy { url: shown.clone(), answer })?;
    let model = spec.server.model.clone();
    if !served.contains(&model) {
        return Err(EngineError::ModelNotServed { url: shown, model, served });
    }
    let vllm = probe.version().await;
    let fingerprint = Fingerprint { hardware, vllm, ..spec.fingerprint };
    Ok(Running::new(Address::Url(url), fingerprint, Handle::Elsewhere))
}

/// What a record says of the hardware behind an address: no more than where it is.
pub(crate) fn hardware(url: &str) -> Result<String, EngineError> {
    Ok(format!("remote: {}", Remote::parse(url)?.host))
}

/// The address of a server elsewhere.
#[derive(Debug, PartialEq, Eq)]
struct Remote {
    /// For requests; without a slash at its end.
    url: String,
    /// For messages: without a password.
    shown: String,
    host: String,
}

impl Remote {
    fn parse(text: &str) -> Result<Self, EngineError> {
        let wrong = |why: &str| {
            EngineError::invalid(format!("the server's address {why}; write http://HOST:PORT"))
        };
        let mut parsed = reqwest::Url::parse(text)
            .map_err(|error| wrong(&format!("cannot be read ({error})")))?;
        if parsed.scheme() != "http" {
            return Err(wrong(
                "must begin with http://, as encryption would be part of what is measured",
            ));
        }
        let host = parsed.host_str().ok_or_else(|| wrong("names no host"))?.to_owned();
        let tidy = |url: &reqwest::Url| {
            let url = url.as_str().trim_end_matches('/');
            url.strip_suffix("/v1").unwrap_or(url).to_owned()
        };
        let url = tidy(&parsed);
        let hidden = parsed.set_username("").and_then(|()| parsed.set_password(None));
        let shown = if hidden.is_ok() { tidy(&parsed) } else { host.clone() };
        Ok(Self { url, shown, host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_loses_its_slash_its_version_and_its_password() {
        let remote = Remote::parse("http://user:pass@gpu-box:8000/v1/").unwrap();
        assert_eq!(remote.url, "http://user:pass@gpu-box:8000");
        assert_eq!(remote.shown, "http://gpu-box:8000");
        assert_eq!(remote.host, "gpu-box");
    }

    #[test]
    fn an_address_that_cannot_be_used_says_what_to_write() {
        for text in ["gpu-box:8000", "https://gpu-box", "8000"] {
            let error = Remote::parse(text).unwrap_err();
            assert!(error.to_string().ends_with("write http://HOST:PORT"), "{error}");
        }
    }
}
