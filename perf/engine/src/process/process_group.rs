//! A process group, and what came out of it, that does not outlive this process: [`ProcessGroup`].

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use perf_machine::host::processes;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// What leads the group: a shell that waits for the end of its input, which the kernel brings about
/// when this process ends in any way, and then kills the whole group, itself included, after
/// those that left the group and carry its mark.
///
/// It is there before the server is, so there is no moment at which a killed run leaves a server
/// behind. And as it is a child that is not waited for until the end, its number, which is the
/// group's, is not given to anybody else.
const LEADER: &str = "trap '' HUP INT TERM; read -r _ && exit 0
for file in $(grep -lsF \"$0\" /proc/[0-9]*/environ); do
    process=${file#/proc/}
    kill -KILL \"${process%/environ}\"
done
kill -KILL 0";

/// The variable that marks each process that was started in the group: a server with several API
/// processes starts groups of its own.
const MARK: &str = "VLLM_PERF_SERVER";

/// Between two looks at who is left.
const LOOK: Duration = Duration::from_millis(10);

/// How long killed processes may take to be gone; one that is in the driver takes a while.
const PATIENCE: Duration = Duration::from_secs(15);

/// A process group and the shell that leads it.
#[derive(Debug)]
pub(super) struct ProcessGroup {
    leader: Child,
    members: Members,
}

/// By what the processes of a group are found.
#[derive(Clone, Debug)]
pub(super) struct Members {
    number: Pid,
    /// The variable that each of them, and no other process, has in its environment.
    mark: String,
}

impl Members {
    /// The processes of the group, those that left it, and those that either of them started.
    pub(super) fn with_descendants(&self) -> Vec<u32> {
        let mut found = members(self.number);
        found.extend(marked(&self.mark));
        let parents: Vec<(u32, u32)> =
            processes().filter_map(|process| Some((process, parent(process)?))).collect();
        loop {
            let is_new = |(process, parent): &&(u32, u32)| {
                found.contains(parent) && !found.contains(process)
            };
            let Some((child, _)) = parents.iter().find(is_new) else { return found };
            found.push(*child);
        }
    }
}

impl ProcessGroup {
    pub(super) fn new() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mark =
            format!("{}-{}-{now}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let leader = Command::new("sh")
            .args(["-c", LEADER, &format!("{MARK}={mark}")])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot run `sh`, which watches over it: {error}"))?;
        let number = Pid::from_child(&leader);
        let mark = format!("{MARK}={mark}");
        Ok(Self { leader, members: Members { number, mark } })
    }

    /// Makes a process start in this group, marked as one of it.
    pub(super) fn adopt(&self, command: &mut Command) {
        command.env(MARK, self.members.mark.trim_start_matches(MARK).trim_start_matches('='));
        command.process_group(self.members.number.as_raw_nonzero().get());
    }

    pub(super) fn members(&self) -> &Members {
        &self.members
    }

    /// Asks everyone in the group to end. The leader does not listen.
    pub(super) fn terminate(&self) {
        let _ = kill_process_group(self.members.number, Signal::TERM);
    }

    /// Ends every process of the group, the leader included, and those that left it, and checks
    /// that none is left.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        let Members { number, mark } = &self.members;
        // A leader that another process has ended already is not waited for yet, so the number is
        // still the group's.
        let _ = kill_process_group(*number, Signal::KILL);
        let begun = Instant::now();
        let left = loop {
            let mut left = marked(mark);
            for process in
                left.iter().filter_map(|process| Pid::from_raw(i32::try_from(*process).ok()?))
            {
                let _ = kill_process(process, Signal::KILL);
            }
            left.extend(members(*number));
            left.sort_unstable();
            left.dedup();
            if left.is_empty() || begun.elapsed() > PATIENCE {
                break left;
            }
            std::thread::sleep(LOOK);
        };
        if let Some(input) = &mut self.leader.stdin {
            let _ = input.write_all(b"\n");
        }
        let _ = self.leader.wait();
        if left.is_empty() {
            return Ok(());
        }
        let numbers: Vec<String> = left.iter().map(u32::to_string).collect();
        Err(format!(
            "the processes {} do not end; try `kill -9 {}`",
            numbers.join(", "),
            numbers.join(" ")
        ))
    }
}

/// The processes that carry a mark. Those of other users cannot be looked at, and are none of ours.
fn marked(mark: &str) -> Vec<u32> {
    let is_marked = |process: &u32| {
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    processes().filter(is_marked).collect()
}

/// The processes of a group that have not ended. Those that have, and are not waited for yet, hold
/// nothing any more.
fn members(group: Pid) -> Vec<u32> {
    processes()
        .filter(|process: &u32| {
            let status =
                std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            is_member(&status, group.as_raw_nonzero().get())
        })
        .collect()
}

fn parent(process: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = status.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

/// Reads `42 (name) STATE parent group …`; the name may itself hold spaces and brackets.
fn is_member(status: &str, group: i32) -> bool {
    let Some((_, fields)) = status.rsplit_once(')') else { return false };
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ended = matches!(fields.first(), Some(&("Z" | "X")));
    !ended && fields.get(2).and_then(|number| number.parse().ok()) == Some(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_with_any_name_is_recognised() {
        assert!(is_member("42 (a) b) S 1 40 40 0", 40));
        assert!(!is_member("42 (a) S 1 41 40 0", 40));
        assert!(!is_member("42 (a) Z 1 40 40 0", 40));
        assert!(!is_member("", 40));
    }

    #[test]
    fn a_group_ends_with_everyone_in_it() {
        let mut group = ProcessGroup::new().unwrap();
        let mut command = Command::new("sleep");
        command.arg("600");
        group.adopt(&mut command);
        let mut child = command.spawn().unwrap();
        assert!(members(group.members.number).contains(&child.id()));
        assert!(group.members().with_descendants().contains(&child.id()));
        assert_eq!(group.kill(), Ok(()));
        assert!(!child.wait().unwrap().success());
    }
}
