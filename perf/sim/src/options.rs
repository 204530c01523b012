//! What to simulate, and the environment that the server finds: [`Options`], [`Environment`].

use std::time::Duration;

use crate::injection::Injection;
use crate::profile::Profile;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// The machine and the model on it.
    pub profile: Profile,
    /// What follows the model on the command line of `vllm serve`.
    pub args: Vec<String>,
    /// The model, as on the command line of `vllm serve`.
    pub model: String,
    /// Decides all that is random; another seed is another start.
    pub seed: u64,
    /// What goes wrong on purpose.
    pub injection: Injection,
}

/// What a server finds around it, beside its arguments. The default suits a library in virtual
/// time.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Whether the routes for developers exist, as with `VLLM_SERVER_DEV_MODE=1`.
    pub dev_mode: bool,
    /// How long the start takes, in place of the profile's time.
    pub startup: Option<Duration>,
    /// Whether the log also goes to stderr as it is written, but for the last line of a start that
    /// succeeds: it says that the server can be reached, which is up to the caller.
    pub log_to_stderr: bool,
}
