//! How long a failure takes from its cause to its name. It is printed, and not asserted, because it
//! depends on the machine: a row `TIMED | failure | since its line in the log | since its end`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use perf_engine::{Engine, EngineError};
use perf_model::spec::server::Server;

use super::support::{Place, block_on};
use super::{docker, running_containers, start};

/// The log of the container of a place, each line with the moment at which it came.
pub(crate) struct Followed {
    seen: Arc<Mutex<Seen>>,
    is_over: Arc<AtomicBool>,
}

#[derive(Default)]
struct Seen {
    lines: Vec<(Instant, String)>,
    /// When the log ended, which is when the container did.
    ended: Option<Instant>,
}

impl Followed {
    /// Begins to look for the container.
    pub(crate) fn begin(place: &Place) -> Self {
        let (seen, is_over) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let place = Place::at(place.path().to_owned());
        std::thread::spawn({
            let (seen, is_over) = (Arc::clone(&seen), Arc::clone(&is_over));
            move || {
                let container = loop {
                    match running_containers(&place).pop() {
                        Some(container) => break container,
                        None if is_over.load(Ordering::SeqCst) => return,
                        None => std::thread::sleep(Duration::from_millis(200)),
                    }
                };
                follow(&container, &seen);
            }
        });
        Self { seen, is_over }
    }

    /// Seconds since a line with these words came, and since the container ended.
    fn since(&self, words: Option<&str>) -> [Option<f64>; 2] {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let line = words.and_then(|words| seen.lines.iter().find(|(_, it)| it.contains(words)));
        [line.map(|(at, _)| *at), seen.ended].map(|at| at.map(|at| at.elapsed().as_secs_f64()))
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

fn follow(container: &str, seen: &Mutex<Seen>) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new("docker");
    command.args(["logs", "--follow", container]).stdin(Stdio::null());
    let mut logs = command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
    // The log ends only when all writing ends of the pipe are closed.
    drop(command);
    for line in BufReader::new(reader).lines().map_while(Result::ok) {
        seen.lock().unwrap_or_else(PoisonError::into_inner).lines.push((Instant::now(), line));
    }
    seen.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(Instant::now());
    let _ = logs.wait();
}

/// A start that fails. Prints how long that took from its cause.
pub(crate) fn failed_start(place: &Place, engine: &Engine, server: &Server) -> EngineError {
    let (log, begun) = (Followed::begin(place), Instant::now());
    let error = block_on(start(engine, server)).unwrap_err();
    let cause = match &error {
        EngineError::StartFailed { cause, .. } => cause.as_deref(),
        _ => None,
    };
    let [line, end] = log.since(cause);
    print(&error, [line, end, Some(begun.elapsed().as_secs_f64())]);
    error
}

/// Prints a row: how long it took since the line, since the end and since the start or the deed.
fn print(error: &EngineError, times: [Option<f64>; 3]) {
    let [line, end, whole] =
        times.map(|time| time.map_or("–".to_owned(), |time| format!("{time:.1} s")));
    let name = error.failure().map_or_else(|| "no name".to_owned(), |name| name.to_string());
    eprintln!("TIMED | {name} | line {line} | end {end} | whole {whole}");
}

/// Prints how long it took from what somebody did to the name of it.
pub(crate) fn print_since(name: impl std::fmt::Display, deed: &str, done: Instant) {
    eprintln!("TIMED | {name} | {deed} {:.1} s", done.elapsed().as_secs_f64());
}

/// The process of this machine whose command has these words in it, of those in a container.
pub(crate) fn process_in(container: &str, words: &str) -> u32 {
    let top = docker(&["top", container, "-eo", "pid,args"]);
    let line = top.lines().skip(1).find(|line| line.contains(words));
    let line = line.unwrap_or_else(|| panic!("no process of {container} is `{words}`:\n{top}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}
