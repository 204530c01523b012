//! The connection to Docker, and what its errors mean. Main function: [`connect`].

use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::core::client::docker_client_instance;

use crate::error::EngineError;
use crate::readiness::chain;

/// What Docker says when it has no way to hand out GPUs.
const NO_GPU_RUNTIME: &[&str] = &[
    "could not select device driver",
    "nvidia-container-cli",
    "unknown or invalid runtime name: nvidia",
];

/// Connects to the daemon that `DOCKER_HOST` names, or to the one of this machine, and checks that
/// it answers.
pub(super) async fn connect() -> Result<Docker, EngineError> {
    let client = docker_client_instance().await.map_err(|error| unavailable(&chain(&error)))?;
    client.ping().await.map_err(|error| unavailable(&chain(&error)))?;
    Ok(client)
}

/// What a failed request means for the user.
pub(super) fn failed(what: &str, reason: String) -> EngineError {
    if NO_GPU_RUNTIME.iter().any(|sign| reason.contains(sign)) {
        return EngineError::GpuRuntimeMissing { reason };
    }
    EngineError::Docker { what: what.to_owned(), reason }
}

/// Whether the daemon says that there is no such thing.
pub(super) fn is_missing(error: &DockerError) -> bool {
    matches!(error, DockerError::DockerResponseServerError { status_code: 404, .. })
}

fn unavailable(reason: &str) -> EngineError {
    let hint = perf_machine::docker::remedy(reason);
    EngineError::DockerUnavailable { reason: reason.to_owned(), hint: hint.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_without_the_nvidia_runtime_is_recognised() {
        let reason = r#"could not select device driver "" with capabilities: [[gpu]]"#;
        assert!(matches!(
            failed("start a container", reason.into()),
            EngineError::GpuRuntimeMissing { .. }
        ));
        assert!(matches!(
            failed("start a container", "no space left".into()),
            EngineError::Docker { .. }
        ));
    }

    #[test]
    fn a_socket_that_may_not_be_opened_needs_another_word_than_one_that_is_missing() {
        let text = |reason: &str| unavailable(reason).to_string();
        assert!(text("Permission denied (os error 13)").contains("usermod"));
        assert!(!text("Socket not found: /var/run/docker.sock").contains("usermod"));
    }
}
