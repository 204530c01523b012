//! Ctrl-C, the signal to terminate, the end of the terminal, and that of the command that runs this
//! test: [`Interrupt`], which a run waits for beside everything else it waits for. [`Stop`] does the
//! same by hand.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::watch;

use crate::parent::Parent;

/// Runs that are under way in this process. libtest runs tests side by side in threads, and the
/// process may only exit when the last of them has removed its server.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Whether one of them was interrupted, so that the last one to end ends the process.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Becomes ready when this process is asked to stop.
#[derive(Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens for SIGINT, SIGTERM and SIGHUP, and for the end of the command, on the current tokio
    /// runtime.
    pub(crate) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut hangup = signal(SignalKind::hangup())?;
        let (sender, receiver) = watch::channel(false);
        let parent_ended = async {
            match Parent::find() {
                Some(parent) => parent.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                () = parent_ended => {}
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            // A second signal finds the removal under way; it changes nothing, and nothing is left
            // behind.
            let _ = sender.send(true);
            std::future::pending::<()>().await;
        });
        Ok(Self(receiver))
    }

    /// One that never comes, for the simulated engine: a signal ends the process, and so does the
    /// end of the command, as there is nothing to remove.
    pub(crate) fn never() -> Self {
        if let Some(parent) = Parent::find() {
            parent.exit_with_it();
        }
        let (sender, receiver) = watch::channel(false);
        // Leaked on purpose: a dropped sender would end the wait.
        std::mem::forget(sender);
        Self(receiver)
    }

    /// Waits for the interruption.
    pub(crate) async fn wait(&mut self) {
        if self.0.wait_for(|interrupted| *interrupted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Stops what waits for one of its [`Interrupt`]s, for another reason than a signal.
pub(crate) struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    /// Becomes ready when all are stopped.
    pub(crate) fn interrupt(&self) -> Interrupt {
        Interrupt(self.0.subscribe())
    }

    /// Stops all.
    pub(crate) fn all(&self) {
        self.0.send_replace(true);
    }
}

/// A run that is under way.
pub(crate) struct UnderWay;

impl UnderWay {
    /// Counts one more, unless the process is about to exit.
    pub(crate) fn begin() -> Self {
        UNDER_WAY.fetch_add(1, Ordering::SeqCst);
        let under_way = Self;
        if INTERRUPTED.load(Ordering::SeqCst) {
            under_way.end_interrupted();
        }
        under_way
    }

    /// Ends an interrupted run, whose server is gone, and with the last run that is under way the
    /// process. Does not return, or libtest would begin the next test.
    pub(crate) fn end_interrupted(self) -> ! {
        INTERRUPTED.store(true, Ordering::SeqCst);
        drop(self);
        loop {
            std::thread::park();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let was_last = UNDER_WAY.fetch_sub(1, Ordering::SeqCst) == 1;
        if was_last && INTERRUPTED.load(Ordering::SeqCst) {
            std::process::exit(i32::from(perf_model::judge::exit_code::INTERRUPTED));
        }
    }
}
