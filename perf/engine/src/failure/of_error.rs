//! Which failure of a server an error is: [`EngineError::failure`].

use super::ServerFailure;
use crate::error::EngineError;

/// How a registry says that it does not hand out an image.
const PULL_DENIED: &[&str] =
    &["pull access denied", "unauthorized", "denied: ", "no basic auth credentials"];

/// How Docker says that it cannot run the command of a container.
const NO_COMMAND: &[&str] = &[
    "executable file not found",
    "exec format error",
    "exec: \"",
    "OCI runtime create failed: container_linux.go: starting container process caused",
];

impl EngineError {
    /// Which failure of a server this is; none for what is no failure of a server, such as hardware
    /// that is in use.
    pub fn failure(&self) -> Option<ServerFailure> {
        let has = |text: &str, words: &[&str]| words.iter().any(|words| text.contains(words));
        Some(match self {
            Self::StartFailed { kind, .. } | Self::ModelUnusable { kind, .. } => *kind,
            Self::StartTimedOut { .. } => ServerFailure::NotReadyInTime,
            Self::PortTaken { .. } => ServerFailure::PortTaken,
            Self::GpuRuntimeMissing { .. } => ServerFailure::NoGpuRuntime,
            Self::ModelNotFound { .. } | Self::ModelNotFetched { .. } => {
                ServerFailure::ModelMissing
            }
            Self::ImageMissing { reason, .. } if has(reason, PULL_DENIED) => {
                ServerFailure::PullDenied
            }
            Self::ImageMissing { .. } => ServerFailure::ImageMissing,
            Self::VllmNotFound { .. }
            | Self::CommandNotFound { .. }
            | Self::UnknownEntrypoint { .. } => ServerFailure::BadEntrypoint,
            Self::Docker { reason, .. } if has(reason, NO_COMMAND) => ServerFailure::BadEntrypoint,
            Self::Docker { reason, .. } if reason.contains("no space left on device") => {
                ServerFailure::DiskFull
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_refuses_has_a_name_where_it_is_a_known_failure() {
        let docker = |reason: &str| EngineError::Docker {
            what: "start a container".into(),
            reason: reason.into(),
        };
        let missing = |reason: &str| EngineError::ImageMissing {
            image: "vllm/x".into(),
            reason: reason.into(),
        };
        let rows = [
            (
                docker(
                    r#"OCI runtime create failed: exec: "/nowhere": stat /nowhere: no such file or directory"#,
                ),
                Some(ServerFailure::BadEntrypoint),
            ),
            (
                docker("write /var/lib/docker/tmp: no space left on device"),
                Some(ServerFailure::DiskFull),
            ),
            (docker("something else"), None),
            (
                missing(
                    "pull access denied for vllm/x, repository does not exist or may require 'docker login'",
                ),
                Some(ServerFailure::PullDenied),
            ),
            (missing("manifest for vllm/x:9 not found"), Some(ServerFailure::ImageMissing)),
        ];
        for (error, failure) in rows {
            assert_eq!(error.failure(), failure, "{error}");
        }
        assert!(docker(r#"exec: "/nowhere""#).to_string().contains("check the entrypoint"));
    }
}
