//! The processes in which a server's engine runs, apart from its API server: [`EngineProcesses`].
//!
//! vLLM notices at once that its engine died, but its API server ends only seconds later. The kernel
//! reports the end of each of these processes as it happens, and costs nothing until then.

use std::future::poll_fn;
use std::task::Poll;

#[cfg(feature = "docker")]
use perf_machine::host::processes;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::net::unix::pipe::Receiver;

/// How vLLM 0.10 and later title the processes of an engine: `VLLM::EngineCore`, `VLLM::Worker_TP0`.
const TITLE: &[u8] = b"VLLM::";

/// The processes of the engine of a server that is ready. None where the engine runs in the API server's
/// process, on another machine, or in a version of vLLM that gives them no title.
#[derive(Debug, Default)]
pub(crate) struct EngineProcesses {
    /// A handle of each, which becomes readable when the process ends.
    watched: Vec<Receiver>,
}

impl EngineProcesses {
    /// Those among the processes of a server. Needs a runtime whose I/O is enabled.
    pub(crate) fn among(server: impl IntoIterator<Item = u32>) -> Self {
        let is_engine = |process: &u32| {
            std::fs::read(format!("/proc/{process}/cmdline"))
                .is_ok_and(|title| title.starts_with(TITLE))
        };
        Self { watched: server.into_iter().filter(is_engine).filter_map(watch).collect() }
    }

    /// Those of a container, by its full identifier.
    #[cfg(feature = "docker")]
    pub(crate) fn of_container(id: &str) -> Self {
        let is_inside = |process: &u32| {
            std::fs::read_to_string(format!("/proc/{process}/cgroup"))
                .is_ok_and(|group| group.contains(id))
        };
        Self::among(processes().filter(is_inside))
    }

    /// Waits until one of them ends, forever if there is none.
    pub(crate) async fn one_ended(&self) {
        let end = |process| Box::pin(Receiver::readable(process));
        let mut ends: Vec<_> = self.watched.iter().map(end).collect();
        poll_fn(|context| {
            let has_ended = ends.iter_mut().any(|end| end.as_mut().poll(context).is_ready());
            if has_ended { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

fn watch(process: u32) -> Option<Receiver> {
    let number = Pid::from_raw(i32::try_from(process).ok()?)?;
    let handle = pidfd_open(number, PidfdFlags::NONBLOCK).ok()?;
    // It is no pipe, and only waited for.
    Receiver::from_owned_fd_unchecked(handle).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;

    fn titled(title: &str) -> Child {
        let mut command = Command::new("sleep");
        let child = command.arg0(title).arg("600").spawn().unwrap();
        // The kernel shows the words of a program a moment after it has begun.
        let shown = format!("/proc/{}/cmdline", child.id());
        while std::fs::read(&shown).unwrap().is_empty() {
            std::thread::yield_now();
        }
        child
    }

    #[test]
    fn the_end_of_an_engine_process_ends_the_wait_and_that_of_another_does_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let [mut api, mut engine, mut worker] =
            ["vllm", "VLLM::EngineCore", "VLLM::Worker_TP0"].map(titled);
        runtime.block_on(async {
            let processes = EngineProcesses::among([&api, &engine, &worker].map(Child::id));
            assert_eq!(processes.watched.len(), 2);
            api.kill().unwrap();
            api.wait().unwrap();
            let mut ended = std::pin::pin!(processes.one_ended());
            let is_over = poll_fn(|context| Poll::Ready(ended.as_mut().poll(context).is_ready()));
            assert!(!is_over.await);
            worker.kill().unwrap();
            ended.await;
            // It stays over for the next one that asks.
            processes.one_ended().await;
        });
        for process in [&mut engine, &mut worker] {
            let _ = process.kill();
            process.wait().unwrap();
        }
    }
}
