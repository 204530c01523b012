//! Owns a container from before it is created until it is gone: [`ContainerSupervisor`].
//!
//! All of it happens on a thread of its own, with a runtime of its own. testcontainers removes a
//! container when its handle is dropped, but panics when that happens outside of a runtime, and
//! leaves the container when creating it is abandoned half way or when it cannot be started. Here
//! the handle never leaves the thread, the owner of the supervisor may drop it anywhere and at any
//! time, and the thread ends by removing, by label, all that is left.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::query_parameters::{InspectContainerOptions, LogsOptionsBuilder};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage};
use tokio::sync::{mpsc as requests, oneshot, watch};

use super::daemon::failed;
use super::ending::{Ending, wait_for_end};
use super::reaper::ContainerRun;
use super::request::PORT;
use super::stamp::since_epoch;
use crate::error::EngineError;
use crate::failure::Evidence;
use crate::launch_spec::LaunchSpec;
use crate::log::{KEPT, Lines, LogFile, LogTail, StartLog, shown};
use crate::readiness::chain;
use crate::secrets::Secrets;
use crate::supervisor::{ExitNotice, ServerExit, Supervisor};

/// How long the log may take to be handed over.
const PATIENCE: Duration = Duration::from_secs(10);

/// The port on this machine, if the container still runs; or why there is no container.
type Started = Result<Option<u16>, EngineError>;

/// Takes what was wanted: some of those who ask block, and some do not.
type Answer<T> = Box<dyn FnOnce(T) + Send>;

/// What is wanted of the log, and where it goes.
enum Wanted {
    /// Its last lines.
    Tail(Answer<Vec<String>>),
    /// What it says of the start.
    StartLog(Answer<StartLog>),
}

/// Owns a container.
pub(super) struct ContainerSupervisor {
    started: Option<oneshot::Receiver<Started>>,
    /// Closing this is what tells the thread to end. `None` once it was stopped.
    log_requests: Option<requests::UnboundedSender<Wanted>>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl ContainerSupervisor {
    /// Begins to create and start the container.
    pub(super) fn spawn(
        docker: Docker,
        request: ContainerRequest<GenericImage>,
        run: ContainerRun,
        spec: &LaunchSpec,
    ) -> (Self, ExitNotice) {
        let (log_requests, asked) = requests::unbounded_channel();
        let (announce_start, started) = oneshot::channel();
        let (announce_death, notice) = ExitNotice::new();
        let (secrets, log) = (spec.secrets.clone(), spec.log.clone());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime =
                runtime.map_err(|error| format!("no runtime for the container: {error}"))?;
            runtime.block_on(async {
                let work = Work { docker: docker.clone(), secrets, log, announce_death };
                work.keep(request, announce_start, asked).await;
                run.remove(&docker).await
            })
        });
        let supervisor =
            Self { started: Some(started), log_requests: Some(log_requests), thread: Some(thread) };
        (supervisor, notice)
    }

    /// How the start went. To be called once; what it gives does not borrow the supervisor.
    pub(super) fn started(&mut self) -> impl Future<Output = Started> + use<> {
        let started = self.started.take();
        async move {
            let broken =
                || failed("start a container", "the thread that starts it panicked".to_owned());
            match started {
                Some(started) => started.await.unwrap_or_else(|_| Err(broken())),
                None => Err(broken()),
            }
        }
    }

    /// Asks the thread; what it does not answer is dropped.
    fn ask(&self, wanted: Wanted) {
        if let Some(requests) = &self.log_requests {
            let _ = requests.send(wanted);
        }
    }
}

impl Supervisor for ContainerSupervisor {
    fn log_tail(&self) -> Vec<String> {
        let (answer, lines) = mpsc::channel();
        self.ask(Wanted::Tail(Box::new(move |lines| drop(answer.send(lines)))));
        shown(&lines.recv_timeout(PATIENCE).unwrap_or_default())
    }

    fn log(&self) -> Pin<Box<dyn Future<Output = Vec<String>> + Send>> {
        let (answer, lines) = oneshot::channel();
        self.ask(Wanted::Tail(Box::new(move |lines| drop(answer.send(lines)))));
        Box::pin(async move { lines.await.unwrap_or_default() })
    }

    fn start_log(&self) -> StartLog {
        let (answer, read) = mpsc::channel();
        self.ask(Wanted::StartLog(Box::new(move |log| drop(answer.send(log)))));
        read.recv_timeout(PATIENCE).unwrap_or_default()
    }

    fn stop(&mut self) -> Result<(), String> {
        drop(self.log_requests.take());
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread
            .join()
            .unwrap_or_else(|_| Err("the thread that removes the container panicked".to_owned()))
    }
}

impl Drop for ContainerSupervisor {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// What the thread does until it is asked to end.
struct Work {
    docker: Docker,
    secrets: Secrets,
    /// Where the log is to be kept.
    log: Option<PathBuf>,
    announce_death: watch::Sender<Option<ServerExit>>,
}

impl Work {
    async fn keep(
        &self,
        request: ContainerRequest<GenericImage>,
        announce_start: oneshot::Sender<Started>,
        mut asked: requests::UnboundedReceiver<Wanted>,
    ) {
        let begun = SystemTime::now();
        let mut start = Box::pin(self.start(request));
        let started = loop {
            tokio::select! {
                started = &mut start => break started,
                request = asked.recv() => match request {
                    Some(Wanted::Tail(answer)) => answer(Vec::new()),
                    Some(Wanted::StartLog(answer)) => answer(StartLog::default()),
                    None => return,
                }
            }
        };
        let container = match started {
            Ok(container) => container,
            Err(error) => {
                let _ = announce_start.send(Err(error));
                return;
            }
        };
        let id = container.id().to_owned();
        let _ = announce_start.send(Ok(self.port(&id).await));
        let answer = async {
            while let Some(wanted) = asked.recv().await {
                match wanted {
                    Wanted::Tail(answer) => answer(self.tail(&id).await.lines()),
                    Wanted::StartLog(answer) => answer(self.start_log(&id, begun).await),
                }
            }
        };
        let watch = async {
            self.watch(&id, begun).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = answer => {}
            () = watch => {}
        }
        if let Some(path) = &self.log {
            let file = LogTail::new(self.secrets.clone()).kept_in(Some(LogFile::at(path)));
            let _ = tokio::time::timeout(PATIENCE, self.read(&id, "all", &file)).await;
        }
        // By label as well afterwards, so what this says does not matter.
        let _ = container.rm().await;
    }

    async fn start(
        &self,
        request: ContainerRequest<GenericImage>,
    ) -> Result<ContainerAsync<GenericImage>, EngineError> {
        let started = request.start().await;
        started.map_err(|error| failed("start a container", self.secrets.redact(&chain(&error))))
    }

    /// The port on this machine; none when the container has ended already.
    async fn port(&self, id: &str) -> Option<u16> {
        let container =
            self.docker.inspect_container(id, None::<InspectContainerOptions>).await.ok()?;
        let ports = container.network_settings?.ports?;
        ports.get(&format!("{PORT}/tcp"))?.as_ref()?.first()?.host_port.as_ref()?.parse().ok()
    }

    /// Waits for the end of the container, and announces it.
    async fn watch(&self, id: &str, begun: SystemTime) {
        let Ending { exit_code, oom_killed, deed } = wait_for_end(&self.docker, id, begun).await;
        let lines = self.tail(id).await.lines();
        let death = ServerExit::read(Evidence { exit_code, oom_killed, deed, log: &lines });
        self.announce_death.send_replace(Some(death.logged(self.log.as_deref())));
    }

    /// The last lines of the log, fetched when they are wanted: following it would take from what
    /// is being measured.
    async fn tail(&self, id: &str) -> LogTail {
        let tail = LogTail::new(self.secrets.clone());
        self.read(id, &KEPT.to_string(), &tail).await;
        tail
    }

    /// What the log says of the start that began then. Docker stamps each line with the wall clock of
    /// this machine.
    async fn start_log(&self, id: &str, begun: SystemTime) -> StartLog {
        let begun = begun.duration_since(UNIX_EPOCH).unwrap_or_default();
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true).build();
        let (mut lines, mut found) = (Lines::default(), StartLog::default());
        let mut see = |line: &[u8]| {
            let line = String::from_utf8_lossy(line);
            if let Some((stamp, line)) = line.split_once(' ')
                && let Some(at) = since_epoch(stamp)
            {
                found.see(at.saturating_sub(begun), line);
            }
        };
        let mut pieces = self.docker.logs(id, Some(options));
        while let Some(Ok(piece)) = pieces.next().await {
            lines.push(piece.as_ref(), &mut see);
        }
        lines.end(&mut see);
        found
    }

    /// Reads the given number of last lines of the log, or `all`.
    async fn read(&self, id: &str, lines: &str, into: &LogTail) {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(lines).build();
        let mut pieces = self.docker.logs(id, Some(options));
        let mut lines_read = Lines::default();
        while let Some(Ok(piece)) = pieces.next().await {
            lines_read.push(piece.as_ref(), |line| into.push(line));
        }
        lines_read.end(|line| into.push(line));
    }
}
