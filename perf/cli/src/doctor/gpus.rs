//! GPUs and their driver, as `nvidia-smi` shows them: [`look`].

use perf_machine::gpu::IDLE_MIB;
use perf_report::terminal::Check;

use super::Machine;
use super::ask::{Answer, ask};
use super::holders::Lease;
use crate::detect;

const GPUS: &str = "--query-gpu=index,uuid,name,driver_version,persistence_mode,power.limit,power.default_limit,memory.used";
/// Asked for apart: a driver that does not know one of these answers nothing.
const STATES: &str = "--query-gpu=uuid,clocks.applications.graphics,clocks.default_applications.graphics,\
    ecc.errors.uncorrected.volatile.total";
const PROCESSES: &str = "--query-compute-apps=gpu_uuid,pid,process_name,used_memory";
const PLAIN: &str = "--format=csv,noheader,nounits";

/// What there is, for the checks after this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// GPUs of the machine.
    pub(super) gpus: usize,
    /// Those that a run can lease now.
    pub(super) free: usize,
}

/// The answers of `nvidia-smi`, a line for each GPU or process.
#[derive(Debug, Default)]
struct Listed {
    gpus: String,
    states: String,
    processes: String,
}

/// Looks at all GPUs.
pub(super) fn look(machine: &Machine, held: &[Lease], checks: &mut Vec<Check>) -> Found {
    let unseen = Found { gpus: detect::gpus(), free: detect::gpus() };
    let gpus = match ask("nvidia-smi", &[GPUS, PLAIN]) {
        Answer::Said(gpus) => gpus,
        Answer::NoCommand if !detect::nvml() => {
            checks.push(Check::ok("no NVIDIA GPU here, and no driver"));
            return unseen;
        }
        Answer::NoCommand => {
            checks.push(Check::note(
                format!("the driver shows {} GPUs; `nvidia-smi` is not on the PATH, so they were not looked at", unseen.gpus),
                "install the package of the driver that has it (`nvidia-utils`)",
            ));
            return unseen;
        }
        Answer::Failed(why) => {
            checks.push(Check::problem_if(
                machine.starts_servers() && detect::nvml(),
                format!("the driver cannot be asked: `nvidia-smi` says: {why}"),
                "load the driver that belongs to its library, which a reboot does after an update",
            ));
            return unseen;
        }
    };
    let said = |arguments: &[&str]| match ask("nvidia-smi", arguments) {
        Answer::Said(text) => text,
        _ => String::new(),
    };
    let listed =
        Listed { gpus, states: said(&[STATES, PLAIN]), processes: said(&[PROCESSES, PLAIN]) };
    judge(&listed, held, machine.starts_servers(), checks)
}

/// What the answers mean. That no GPU is free stops a run that starts servers.
fn judge(listed: &Listed, held: &[Lease], starts_servers: bool, checks: &mut Vec<Check>) -> Found {
    let gpus: Vec<Vec<&str>> =
        rows(&listed.gpus).into_iter().filter(|row| row.len() == 8).collect();
    let mut busy = Vec::new();
    let mut found = Found { gpus: gpus.len(), free: 0 };
    for gpu in &gpus {
        let (index, uuid, name) = (gpu[0], gpu[1], gpu[2]);
        let label = format!("GPU {index} ({name})");
        set_up(gpu, &label, &listed.states, checks);
        // What is on a leased GPU belongs to its run.
        if held.iter().any(|lease| lease.is_of_gpu(uuid)) {
            continue;
        }
        match used_by(gpu, &listed.processes) {
            None => found.free += 1,
            Some((who, remedy)) => busy.push((format!("{label} is in use by {who}"), remedy)),
        }
    }
    if let Some(first) = gpus.first() {
        let summary = format!("driver {}: {} of {} GPUs free", first[3], found.free, found.gpus);
        checks.push(Check::ok(summary));
    }
    let stops = starts_servers && found.free == 0;
    checks.extend(busy.into_iter().map(|(what, remedy)| Check::problem_if(stops, what, remedy)));
    found
}

/// How a GPU is set up, as far as figures suffer from it.
fn set_up(gpu: &[&str], label: &str, states: &str, checks: &mut Vec<Check>) {
    let (index, uuid) = (gpu[0], gpu[1]);
    if gpu[4] == "Disabled" {
        checks.push(Check::note(
            format!("{label}: persistence mode is off, so the driver sets the card up anew for each server"),
            format!("`sudo nvidia-smi -i {index} -pm 1`"),
        ));
    }
    if let (Some(limit), Some(default)) = (number(gpu[5]), number(gpu[6]))
        && limit < default
    {
        checks.push(Check::note(
            format!("{label}: its power cap is {limit:.0} W, and {default:.0} W by default"),
            format!(
                "`sudo nvidia-smi -i {index} -pl {default:.0}`, unless its baselines have this cap"
            ),
        ));
    }
    let state = rows(states).into_iter().find(|row| row.len() == 4 && row[0] == uuid);
    let Some(state) = state else { return };
    if let (Some(clock), Some(default)) = (number(state[1]), number(state[2]))
        && clock < default
    {
        checks.push(Check::note(
            format!(
                "{label}: its application clock is {clock:.0} MHz, and {default:.0} MHz by default"
            ),
            format!("`sudo nvidia-smi -i {index} -rac`, unless its baselines have this clock"),
        ));
    }
    if let Some(errors) = number(state[3]).filter(|errors| *errors > 0.0) {
        checks.push(Check::note(
            format!("{label}: {errors:.0} memory errors since the driver was loaded could not be corrected"),
            format!("see `nvidia-smi -i {index} -q -d ECC,ROW_REMAPPER`; reset or replace the card"),
        ));
    }
}

/// Who computes on a GPU that no run has leased, and what to do.
fn used_by(gpu: &[&str], processes: &str) -> Option<(String, String)> {
    let users: Vec<Vec<&str>> =
        rows(processes).into_iter().filter(|row| row.len() == 4 && row[0] == gpu[1]).collect();
    if users.is_empty() {
        let used = number(gpu[7]).filter(|used| *used > IDLE_MIB as f64)?;
        let who = format!("a process that the driver does not name ({used:.0} MiB)");
        let remedy =
            format!("`sudo fuser -v /dev/nvidia{}` shows who has it open; end that", gpu[0]);
        return Some((who, remedy));
    }
    let name = |user: &Vec<&str>| {
        let program = user[2].rsplit('/').next().unwrap_or_default();
        match number(user[3]) {
            Some(used) => format!("process {} ({program}, {used:.0} MiB)", user[1]),
            None => format!("process {} ({program})", user[1]),
        }
    };
    let who = users.iter().map(name).collect::<Vec<_>>().join(" and ");
    let pids = users.iter().map(|user| user[1]).collect::<Vec<_>>().join(" ");
    Some((who, format!("end it (`kill {pids}`), or let the run wait for it with `--wait=30m`")))
}

fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split(',').map(str::trim).collect()).collect()
}

/// A number; nothing for `[N/A]` and its like.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use perf_report::terminal::Severity;

    use super::*;

    fn listed(gpus: &[&str], states: &str, processes: &str) -> Listed {
        Listed { gpus: gpus.join("\n"), states: states.to_owned(), processes: processes.to_owned() }
    }

    const GOOD: &str = "0, GPU-a, NVIDIA H200, 580.1, Enabled, 700.00, 700.00, 0";
    const OTHER: &str = "1, GPU-b, NVIDIA H200, 580.1, Enabled, 700.00, 700.00, 70000";

    fn judged(listed: &Listed, held: &[Lease]) -> (Found, Vec<Check>) {
        let mut checks = Vec::new();
        let found = judge(listed, held, true, &mut checks);
        checks.retain(|check| check.severity != Severity::Ok);
        (found, checks)
    }

    #[test]
    fn a_gpu_as_it_should_be_is_no_finding() {
        let (found, checks) = judged(&listed(&[GOOD], "GPU-a, [N/A], [N/A], 0", ""), &[]);
        assert_eq!(found, Found { gpus: 1, free: 1 });
        assert_eq!(checks, []);
    }

    #[test]
    fn a_lowered_cap_a_lowered_clock_errors_and_no_persistence_are_notes() {
        let gpu = "3, GPU-a, NVIDIA H200, 580.1, Disabled, 400.00, 700.00, 0";
        let (_, checks) = judged(&listed(&[gpu], "GPU-a, 1200, 1980, 2", ""), &[]);
        assert_eq!(checks.len(), 4, "{checks:?}");
        assert!(checks.iter().all(|check| check.severity == Severity::Note), "{checks:?}");
        assert!(checks[1].what.contains("400 W, and 700 W by default"), "{checks:?}");
        assert!(checks[1].remedy.as_ref().unwrap().contains("-i 3 -pl 700"), "{checks:?}");
    }

    #[test]
    fn a_process_of_another_is_a_problem_only_where_no_gpu_is_left() {
        let process = "GPU-a, 4242, /usr/bin/python3, 500";
        let (found, checks) = judged(&listed(&[GOOD], "", process), &[]);
        assert_eq!(found.free, 0);
        assert_eq!(checks[0].severity, Severity::Problem);
        assert!(checks[0].what.contains("process 4242 (python3, 500 MiB)"), "{checks:?}");
        let free = "1, GPU-b, NVIDIA H200, 580.1, Enabled, 700.00, 700.00, 4";
        let (_, checks) = judged(&listed(&[GOOD, free], "", process), &[]);
        assert_eq!(checks[0].severity, Severity::Note);
    }

    #[test]
    fn memory_without_a_process_is_in_use_unless_a_run_has_the_gpu() {
        let (_, checks) = judged(&listed(&[OTHER], "", ""), &[]);
        assert!(checks[0].what.contains("does not name (70000 MiB)"), "{checks:?}");
        let lease = Lease { file: "gpu-GPU-b.lock".into(), by: "a run".into() };
        assert_eq!(judged(&listed(&[OTHER], "", ""), &[lease]).1, []);
    }
}
