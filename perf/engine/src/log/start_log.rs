//! What a server's log says of its start: [`StartLog`].

use std::time::Duration;

use super::compile_cache::CompileCacheLog;
use super::effective::EffectiveLog;
use super::start_up::StartUpLog;

/// What a log has shown so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct StartLog {
    /// How long the start took, and what the time went to.
    pub(crate) start_up: StartUpLog,
    /// What the engine runs with.
    pub(crate) effective: EffectiveLog,
    /// What it found in the compile cache.
    pub(crate) compile_cache: CompileCacheLog,
}

impl StartLog {
    /// Takes in a line that arrived so long after the start.
    pub(crate) fn see(&mut self, at: Duration, line: &str) {
        self.start_up.see(at, line);
        self.effective.see(line);
        self.compile_cache.see(line);
    }
}
