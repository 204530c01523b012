//! Ctrl-C while scenarios run: handed on to them, and waited for, because they have servers to
//! remove.

use std::collections::BTreeSet;
use std::process::{Child, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Remembers whether this process was asked to stop, and hands that on to the scenarios that run.
#[derive(Clone)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
    /// The process ids of the scenarios that run.
    children: Arc<Mutex<BTreeSet<u32>>>,
}

impl Interrupt {
    /// Listens for SIGINT, SIGTERM and SIGHUP from now on.
    pub(crate) fn listen() -> Result<Self> {
        let interrupt = Self { asked: Arc::default(), children: Arc::default() };
        let mut signals =
            Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot listen for Ctrl-C")?;
        let handed_on = interrupt.clone();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                handed_on.asked.store(true, Ordering::SeqCst);
                let signal = if signal == SIGTERM { Signal::TERM } else { Signal::INT };
                for child in handed_on.children().iter() {
                    if let Some(child) = i32::try_from(*child).ok().and_then(Pid::from_raw) {
                        // A terminal signals the whole group, so the scenario may know already;
                        // hearing it twice is harmless.
                        let _ = kill_process(child, signal);
                    }
                }
            }
        });
        Ok(interrupt)
    }

    /// Whether this process was asked to stop.
    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Does some work unless this process was asked to stop; gives nothing then.
    pub(crate) fn unless_asked<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        if self.asked() { Ok(None) } else { work().map(Some) }
    }

    /// Waits for a scenario to end. Gives what it wrote where that is piped to this process.
    pub(crate) fn wait(&self, child: Child) -> Result<Output> {
        let id = child.id();
        self.children().insert(id);
        let output = child.wait_with_output().context("cannot wait for the scenario");
        self.children().remove(&id);
        output
    }

    fn children(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        // A set of numbers is whole at any time.
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
