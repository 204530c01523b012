//! The kinds of engine: [`EngineKind`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the server under test was brought up. A figure of one engine is never compared with a figure
/// of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// An image, through Docker.
    Docker,
    /// A `vllm serve` on this machine.
    Process,
    /// A server that was already up.
    Remote,
    /// The simulated vLLM, in virtual time.
    Simulated,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Docker => "docker",
            Self::Process => "process",
            Self::Remote => "remote",
            Self::Simulated => "simulated",
        })
    }
}

impl std::str::FromStr for EngineKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let all = [Self::Docker, Self::Process, Self::Remote, Self::Simulated];
        all.into_iter().find(|kind| kind.to_string() == name).ok_or_else(|| {
            format!("no engine is called `{name}`; there are docker, process, remote and simulated")
        })
    }
}
