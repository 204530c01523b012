//! Waits until somebody touches a file: [`Wake`].

use std::path::Path;
use std::time::Duration;

use perf_clock::Clock;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::net::unix::pipe::Receiver;

/// Wakes the one that waits when the file is touched ([`perf_machine::lock::touch`]).
///
/// Where the kernel cannot tell, only the limit of a wait ends it: in virtual time, on a file system
/// of another machine, and where this user has no more inotify instances to use.
#[derive(Debug)]
pub(crate) struct Wake {
    events: Option<Receiver>,
}

impl Wake {
    /// From now on.
    pub(crate) fn on_touch_of(path: &Path, clock: Clock) -> Self {
        // A runtime of virtual time waits for nothing outside of this process.
        Self { events: if clock.is_virtual() { None } else { watch(path) } }
    }

    /// Whether a touch ends a wait here.
    pub(crate) fn hears(&self) -> bool {
        self.events.is_some()
    }

    /// Waits for a touch since the watch began or the last wait ended, at most so long.
    pub(crate) async fn wait(&self, clock: Clock, limit: Duration) {
        match &self.events {
            Some(events) => drop(clock.timeout(limit, touched(events)).await),
            None => clock.sleep(limit).await,
        }
    }
}

fn watch(path: &Path) -> Option<Receiver> {
    let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
    inotify::add_watch(&events, path, WatchFlags::ATTRIB | WatchFlags::DONT_FOLLOW).ok()?;
    // It is read as a pipe is.
    Receiver::from_owned_fd_unchecked(events).ok()
}

async fn touched(events: &Receiver) {
    let mut buffer = [0; 1_024];
    loop {
        // After an error nothing more can be learned here, so that only time ends the wait.
        let Ok(()) = events.readable().await else { return std::future::pending().await };
        let mut was_touched = false;
        while events.try_read(&mut buffer).is_ok_and(|read| read > 0) {
            was_touched = true;
        }
        if was_touched {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use perf_machine::lock;

    use super::*;

    #[test]
    fn a_touch_ends_the_wait_for_that_file_and_for_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        for path in [&one, &other] {
            std::fs::write(path, "kept").unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clock = Clock::real();
            let wakes = [&one, &other].map(|path| Wake::on_touch_of(path, clock));
            // Twice before the wait is one reason to look.
            lock::touch(&one).unwrap();
            lock::touch(&one).unwrap();
            let first = std::pin::pin!(wakes[0].wait(clock, Duration::from_hours(1)));
            let second = std::pin::pin!(wakes[1].wait(clock, Duration::from_hours(1)));
            tokio::select! {
                () = first => {}
                () = second => panic!("the other file was not touched"),
            }
            lock::touch(&other).unwrap();
            wakes[1].wait(clock, Duration::from_hours(1)).await;
        });
        assert_eq!(std::fs::read_to_string(&one).unwrap(), "kept");
    }

    #[test]
    fn a_file_that_cannot_be_watched_and_virtual_time_leave_the_limit() {
        perf_clock::run_virtual(async |clock| {
            let wake = Wake::on_touch_of(Path::new("/nowhere"), clock);
            wake.wait(clock, Duration::from_secs(7)).await;
            assert_eq!(clock.now().as_secs(), 7);
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let wake =
            runtime.block_on(async { Wake::on_touch_of(Path::new("/nowhere"), Clock::real()) });
        assert!(!wake.hears());
    }
}
