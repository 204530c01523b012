//! A server that is already up somewhere. It is looked at, and never started or stopped. Main
//! function: [`find`].

use perf_model::record::fingerprint::Fingerprint;
use perf_model::spec::server_url::ServerUrl;

use crate::error::EngineError;
use crate::launch_spec::LaunchSpec;
use crate::readiness::Probe;
use crate::running::{Address, Handle, Running};

/// Looks for the planned server at this address.
pub(crate) async fn find(url: &str, spec: LaunchSpec) -> Result<Running, EngineError> {
    let hardware = hardware(url)?;
    let url = parse(url)?.to_string();
    let unreachable = |reason| EngineError::Unreachable { url: url.clone(), reason };
    let probe = Probe::new(&url).map_err(unreachable)?;
    let health = probe.health().await.map_err(unreachable)?;
    if health != 200 {
        return Err(EngineError::Unhealthy { url, answer: format!("{health} to /health") });
    }
    let served = probe
        .models()
        .await
        .map_err(|answer| EngineError::Unhealthy { url: url.clone(), answer })?;
    let model = spec.server.model.clone();
    if !served.contains(&model) {
        return Err(EngineError::ModelNotServed { url, model, served });
    }
    let vllm = probe.version().await;
    let fingerprint = Fingerprint { hardware, vllm, ..spec.fingerprint };
    Ok(Running::new(Address::Url(url), fingerprint, Handle::Elsewhere))
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
        for text in ["gpu-box:8000", "https://gpu-box", "8000"] {
            let error = hardware(text).unwrap_err();
            assert!(error.to_string().ends_with("write http://HOST:PORT"), "{error}");
        }
    }
}
