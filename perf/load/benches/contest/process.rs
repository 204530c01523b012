//! Processes on a core each, and what they cost: [`watch`].

use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A process that ends with its owner, also when that panics.
pub(crate) struct Owned(pub(crate) Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn on_core(core: &str, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core, program]);
    command
}

/// Runs a client to its end: what it printed, its processor seconds, its largest resident set.
pub(crate) fn watch(mut command: Command) -> (String, f64, f64) {
    let before = ended_children_s();
    let mut child = command.spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(stdout).unwrap());
    let status = format!("/proc/{}/status", child.id());
    let mut peak_mb = 0.0;
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_mins(10), "the client does not end");
        let peak = std::fs::read_to_string(&status).ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        });
        peak_mb = peak.map_or(peak_mb, |kilobytes| kilobytes / 1_024.0);
        std::thread::sleep(Duration::from_millis(20));
    }
    (reader.join().unwrap(), ended_children_s() - before, peak_mb)
}

/// Processor time of all children that have ended, from the operating system's ticks of 10 ms.
fn ended_children_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The command's name is in parentheses and may hold spaces; `cutime` and `cstime` are the 16th
    // and 17th fields.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[13..15].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}
