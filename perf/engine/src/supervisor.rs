//! Owns a server that was started here, until it is gone: [`Supervisor`]. [`ExitNotice`] reports
//! that the server ended.

use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use tokio::sync::watch;

use crate::failure::{Evidence, ServerFailure};
use crate::log::{StartLog, shown};

/// How a server ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerExit {
    /// Its exit code; 128 and the signal's number when a signal ended it. vLLM exits with 0 when
    /// its engine dies.
    pub exit_code: Option<i64>,
    /// Whether the kernel ended it for want of memory.
    pub oom_killed: bool,
    /// The line of the log that names the root cause, where one does.
    pub cause: Option<String>,
    /// The end of its log.
    pub log_tail: Vec<String>,
    /// Where all of its log is kept, if it logged anything and that is kept.
    pub log: Option<PathBuf>,
    /// What it looks like, by the same reading of exit code and log as for a start that failed.
    pub kind: ServerFailure,
}

impl ServerExit {
    /// Reads the death of a server from what is left of it.
    pub(crate) fn read(evidence: Evidence<'_>) -> Self {
        let Evidence { exit_code, oom_killed, log, .. } = evidence;
        let kind = ServerFailure::classify(evidence);
        Self {
            exit_code,
            oom_killed,
            cause: kind.cause(log).map(str::to_owned),
            log_tail: shown(log),
            log: None,
            kind,
        }
    }

    /// The same of a server that was ready.
    pub(crate) fn while_serving(self) -> Self {
        Self { kind: self.kind.while_serving(), ..self }
    }

    /// The same, with where its log is kept.
    pub(crate) fn logged(self, path: Option<&Path>) -> Self {
        let log = path.filter(|_| !self.log_tail.is_empty()).map(Path::to_owned);
        Self { log, ..self }
    }
}

/// How it ended and what to do about it, its root cause where the log names one, and the end of
/// the log.
impl fmt::Display for ServerExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exit_code {
            Some(code) => write!(f, "exit code {code}")?,
            None => write!(f, "exit code unknown")?,
        }
        if self.kind != ServerFailure::Other {
            write!(f, ", {}: {}", self.kind, self.kind.advice())?;
        }
        if let Some(cause) = &self.cause {
            write!(f, "\n  {cause}")?;
        }
        self.log_tail.iter().try_for_each(|line| write!(f, "\n    {line}"))?;
        self.log
            .iter()
            .try_for_each(|path| write!(f, "\n  all of its log is in {}", path.display()))
    }
}

/// Owns a server that was started here. Dropping a supervisor without stopping it must leave
/// nothing behind either.
pub(crate) trait Supervisor: Send {
    /// The end of the server's log, as it is shown.
    fn log_tail(&self) -> Vec<String>;

    /// The lines of the log in which the cause of a failure is looked for. Does not block.
    fn log(&self) -> Pin<Box<dyn Future<Output = Vec<String>> + Send>>;

    /// What the server's log says of its start, when it is up.
    fn start_log(&self) -> StartLog;

    /// Ends the server, removes what belongs to it and checks that it is gone. Blocks; only the
    /// first call acts.
    fn stop(&mut self) -> Result<(), String>;
}

/// Reports to all that wait that the server died.
#[derive(Clone, Debug)]
pub(crate) struct ExitNotice(watch::Receiver<Option<ServerExit>>);

impl ExitNotice {
    /// A notice, and where the death is to be written.
    pub(crate) fn new() -> (watch::Sender<Option<ServerExit>>, Self) {
        let (sender, receiver) = watch::channel(None);
        (sender, Self(receiver))
    }

    /// Waits for the death; forever if the server is stopped first.
    pub(crate) async fn wait(&mut self) -> ServerExit {
        if let Ok(death) = self.0.wait_for(Option::is_some).await
            && let Some(death) = death.clone()
        {
            return death;
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_was_killed_says_by_what_and_what_may_help() {
        let of = |exit_code, log: &[String]| {
            let evidence =
                Evidence { exit_code: Some(exit_code), oom_killed: false, deed: None, log };
            ServerExit::read(evidence)
        };
        let death = of(137, &["INFO serving".to_owned()]);
        assert_eq!(
            death.logged(Some(Path::new("start-1/server.log"))).to_string(),
            "exit code 137, killed by signal 9: nothing shows that memory ran out; look for what killed it (`docker kill`, \
             `kill -9`); `dmesg` names a kill by the kernel\n    INFO serving\n  all of its log is in start-1/server.log"
        );
        let ended = of(1, &[]).logged(Some(Path::new("start-1/server.log")));
        assert_eq!(ended.to_string(), "exit code 1");
    }
}
