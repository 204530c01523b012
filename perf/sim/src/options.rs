//! What to simulate, and the environment that the server finds: [`Options`], [`Environment`].

use std::time::Duration;

use crate::injection::Injection;
use crate::profile::Profile;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// The machine and the model on it.
    pub profile: Profile,
    /// The arguments after the model on the command line of `vllm serve`.
    pub args: Vec<String>,
    /// The model, as on the command line of `vllm serve`.
    pub model: String,
    /// The seed of everything random; another seed gives another engine start.
    pub seed: u64,
    /// The faults to simulate.
    pub injection: Injection,
}

/// The environment of a server, apart from its arguments. The default suits a library in
/// virtual time.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Whether the developer routes exist, as with `VLLM_SERVER_DEV_MODE=1`.
    pub dev_mode: bool,
    /// How long the start takes, in place of the profile's time.
    pub startup: Option<Duration>,
    /// Whether the log also goes to stderr as it is written, except for the last line of a start
    /// that succeeds: it says that the server can be reached, so the caller prints it.
    pub log_to_stderr: bool,
}
