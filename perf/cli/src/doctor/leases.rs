//! Hardware that other runs have leased: [`look`].

use perf_report::terminal::Check;

use super::Machine;
use super::gpus::Found;
use super::holders::Lease;

/// Names each lease that is held. It stops a run where nothing else is left: the CPU's on a machine
/// without GPUs, a GPU's where no other GPU is free.
pub(super) fn look(machine: &Machine, gpus: Found, held: &[Lease], checks: &mut Vec<Check>) {
    for lease in held {
        let (what, is_last) = if lease.is_of_cpu() {
            ("the CPU", gpus.gpus == 0)
        } else {
            (lease.gpu().unwrap_or(&lease.file), gpus.free == 0)
        };
        checks.push(Check::problem_if(
            machine.starts_servers() && is_last,
            format!("{what} is leased by {}", lease.by),
            "wait until that run ends, which `--wait=30m` does",
        ));
    }
}
