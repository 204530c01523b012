//! Owns a server process: reads its log, notices its death, ends it. Main type:
//! [`ProcessSupervisor`].

use std::io::{PipeReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::oom_kills::OomKills;
use super::process_group::{Members, ProcessGroup};
use crate::failure::{Evidence, ServerFailure};
use crate::log::{Lines, LogFile, LogTail, StartLog, shown};
use crate::secrets::Secrets;
use crate::supervisor::{ExitNotice, ServerExit, Supervisor};

/// How long a server may take to end when asked to; vLLM takes two or three seconds.
const GRACE: Duration = Duration::from_secs(10);

/// How long the last lines of a dead server may take; a worker that outlives it holds the log open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Owns a server process and its group.
#[derive(Debug)]
pub(super) struct ProcessSupervisor {
    /// `None` once it was stopped.
    group: Option<ProcessGroup>,
    tail: LogTail,
    /// Hears of the end of the server process, and closes when its log was read to the end.
    ended: Receiver<()>,
}

impl ProcessSupervisor {
    /// Runs the command, and keeps its log at a place if one is given. An error says why it cannot
    /// be run.
    pub(super) fn spawn(
        mut command: Command,
        secrets: &Secrets,
        log: Option<PathBuf>,
    ) -> Result<(Self, ExitNotice), String> {
        // The start counts from here.
        let tail = LogTail::new(secrets.clone()).kept_in(log.as_deref().map(LogFile::at));
        let mut group = ProcessGroup::new()?;
        let kills = OomKills::now();
        let spawned = (|| {
            // One pipe for both, so that the lines stay in order.
            let (reader, writer) = std::io::pipe()?;
            command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
            group.adopt(&mut command);
            let child = command.spawn()?;
            Ok::<_, std::io::Error>((child, reader))
        })();
        // It holds the writing ends of the pipe, and the log ends only when all of these are
        // closed.
        drop(command);
        let (mut child, reader) = match spawned {
            Ok(spawned) => spawned,
            Err(error) => {
                group.kill()?;
                return Err(secrets.redact(&error.to_string()));
            }
        };
        let (log_ended, log_end) = channel();
        let (process_ended, ended) = channel();
        let (announce, notice) = ExitNotice::new();
        thread::spawn({
            let tail = tail.clone();
            move || read(reader, &tail, &log_ended)
        });
        thread::spawn({
            let tail = tail.clone();
            move || {
                let exit_code = child.wait().ok().and_then(exit_code);
                let _ = process_ended.send(());
                let _ = log_end.recv_timeout(LAST_WORDS);
                let (log_lines, deed) = (tail.lines(), None);
                let evidence = Evidence { exit_code, oom_killed: false, deed, log: &log_lines };
                let mut death = ServerExit::read(evidence);
                if death.kind == ServerFailure::Killed && OomKills::now().rose_since(kills) {
                    death = ServerExit::read(Evidence { oom_killed: true, ..evidence });
                }
                announce.send_replace(Some(death.logged(log.as_deref())));
            }
        });
        Ok((Self { group: Some(group), tail, ended }, notice))
    }
}

impl ProcessSupervisor {
    /// By what the processes of the server are found; `None` once it was stopped.
    pub(super) fn members(&self) -> Option<Members> {
        self.group.as_ref().map(|group| group.members().clone())
    }
}

impl Supervisor for ProcessSupervisor {
    fn log_tail(&self) -> Vec<String> {
        shown(&self.tail.lines())
    }

    fn log(&self) -> Pin<Box<dyn Future<Output = Vec<String>> + Send>> {
        Box::pin(std::future::ready(self.tail.lines()))
    }

    fn start_log(&self) -> StartLog {
        self.tail.start_log()
    }

    fn stop(&mut self) -> Result<(), String> {
        let Some(mut group) = self.group.take() else { return Ok(()) };
        group.terminate();
        // What is received is the end of the thread that watches, which is the end of the server.
        let _ = self.ended.recv_timeout(GRACE);
        let killed = group.kill();
        // Everybody who could write to the log is gone, so what is left of it is read at once.
        while self.ended.recv_timeout(LAST_WORDS).is_ok() {}
        self.tail.close();
        killed
    }
}

impl Drop for ProcessSupervisor {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// Reads the log to its end.
fn read(mut reader: PipeReader, tail: &LogTail, ended: &Sender<()>) {
    let mut lines = Lines::default();
    let mut piece = vec![0; 64 * 1024];
    while let Ok(bytes) = reader.read(&mut piece)
        && bytes > 0
    {
        lines.push(&piece[..bytes], |line| tail.push(line));
    }
    lines.end(|line| tail.push(line));
    // The receiver is gone when the server died long ago and a worker kept the log open.
    let _ = ended.send(());
}

/// The exit code, by the convention of shells where a signal ended the process.
fn exit_code(status: ExitStatus) -> Option<i64> {
    let signal = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(signal).map(i64::from)
}
