//! The progress of a run on a terminal, one line that is updated in place: [`Live`]. Without a terminal
//! there is none, and tests write their plain lines.
//!
//! A test says which phase it is in ([`perf_model::spec::progress`]). How far a load is, a thread here
//! reads from its record twice a second, so that the client has nothing to do for it.

mod now;
mod record_tail;

use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use perf_model::spec::progress::Progress;
use perf_report::terminal;

use now::Now;

/// Between two looks at the record of a load.
const LOOK: Duration = Duration::from_millis(500);

/// How long the last words of a test are waited for. What it started may still hold its standard error.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The line that is on the terminal now.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes something to the terminal with the line out of its way.
pub(crate) fn above<T>(write: impl FnOnce() -> T) -> T {
    let bar = lock(&SHOWN).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// The line. Dropping it removes it.
pub(crate) struct Live {
    now: Arc<Mutex<Now>>,
    bar: ProgressBar,
    /// The thread that updates it ends when this is dropped.
    _end: Sender<()>,
}

impl Live {
    /// Shows the line for a run of so many scenarios, which takes about so long; `None` without a
    /// terminal that can update a line.
    pub(crate) fn begin(scenarios: usize, estimate: Option<Duration>) -> Option<Self> {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if !std::io::stderr().is_terminal() || is_dumb || is_set("CI") {
            return None;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // Without a colour, so that there is none for `NO_COLOR` to take away.
        bar.set_style(ProgressStyle::with_template("{msg}").ok()?);
        *lock(&SHOWN) = Some(bar.clone());
        let now = Arc::new(Mutex::new(Now::of(scenarios, estimate)));
        let (end, ended) = channel();
        let (shown, shared) = (bar.clone(), Arc::clone(&now));
        thread::spawn(move || update(&shown, &shared, &ended));
        Some(Self { now, bar, _end: end })
    }

    /// A scenario begins, on so many GPUs, with so much GPU time left for it and those after it.
    pub(crate) fn scenario(&self, name: &str, gpus: u8, gpu_left_s: Option<f64>) {
        lock(&self.now).begin(name, gpus, gpu_left_s);
    }

    /// A scenario has ended.
    pub(crate) fn ended(&self, name: &str) {
        lock(&self.now).end(name);
    }

    /// Takes what a test writes to its standard error: its progress into the line, and everything else
    /// above it.
    pub(crate) fn listen(&self, stderr: impl Read + Send + 'static) -> Listening {
        let (now, bar) = (Arc::clone(&self.now), self.bar.clone());
        let (end, ended) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                match Progress::read(&line) {
                    Some(progress) => lock(&now).take(progress),
                    None => bar.println(line),
                }
            }
            // The test may no longer be waited for.
            let _ = end.send(());
        });
        Listening(ended)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        *lock(&SHOWN) = None;
        self.bar.finish_and_clear();
    }
}

/// What a test writes is being read.
pub(crate) struct Listening(Receiver<()>);

impl Listening {
    /// Waits for the last words of a test that has ended.
    pub(crate) fn finish(self) {
        let _ = self.0.recv_timeout(LAST_WORDS);
    }
}

/// Updates the line until the run has ended.
fn update(bar: &ProgressBar, now: &Mutex<Now>, ended: &Receiver<()>) {
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let moment = lock(now).look();
        let line = terminal::progress(&moment, width());
        if lock(&SHOWN).is_some() {
            bar.set_message(line);
            bar.tick();
        }
    }
}

/// The columns of the terminal; the last stays free, because some terminals break a line there.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    columns.unwrap_or(80).saturating_sub(1)
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is shown is whole at any time.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
