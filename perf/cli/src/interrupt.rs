//! Ctrl-C while a scenario runs: handed on to it, and waited for, because it has a server to
//! remove.

use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Remembers whether this process was asked to stop, and hands that on to the scenario that runs.
#[derive(Clone)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
    /// The process id of the scenario that runs; 0 for none.
    child: Arc<AtomicU32>,
}

impl Interrupt {
    /// Listens for SIGINT, SIGTERM and SIGHUP from now on.
    pub(crate) fn listen() -> Result<Self> {
        let interrupt = Self { asked: Arc::default(), child: Arc::default() };
        let mut signals =
            Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot listen for Ctrl-C")?;
        let handed_on = interrupt.clone();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                handed_on.asked.store(true, Ordering::SeqCst);
                let child = i32::try_from(handed_on.child.load(Ordering::SeqCst))
                    .ok()
                    .and_then(Pid::from_raw);
                if let Some(child) = child {
                    // A terminal signals the whole group, so the scenario may know already; hearing
                    // it twice is harmless.
                    let _ = kill_process(
                        child,
                        if signal == SIGTERM { Signal::TERM } else { Signal::INT },
                    );
                }
            }
        });
        Ok(interrupt)
    }

    /// Whether this process was asked to stop.
    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits for a scenario to end.
    pub(crate) fn wait(&self, mut child: Child) -> Result<ExitStatus> {
        self.child.store(child.id(), Ordering::SeqCst);
        let status = child.wait().context("cannot wait for the scenario");
        self.child.store(0, Ordering::SeqCst);
        status
    }
}
