//! A process group, and what came out of it, that does not outlive this process: [`ProcessGroup`].

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// What leads the group: a shell that waits for the end of its input, which the kernel brings about
/// when this process ends in whatever way, and then kills the whole group, itself included, after
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

/// The variable that marks whoever was started in the group: a server with several API processes
/// starts groups of its own.
const MARK: &str = "VLLM_PERF_SERVER";

/// Between two looks at who is left.
const LOOK: Duration = Duration::from_millis(10);

/// How long killed processes may take to be gone; one that is in the driver takes a while.
const PATIENCE: Duration = Duration::from_secs(15);

/// A process group and the shell that leads it.
#[derive(Debug)]
pub(super) struct ProcessGroup {
    leader: Child,
    number: Pid,
    /// What everyone in it has in its environment, and nobody else.
    mark: String,
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
        Ok(Self { leader, number, mark })
    }

    /// Makes a process start in this group, marked as one of it.
    pub(super) fn adopt(&self, command: &mut Command) {
        command.env(MARK, &self.mark);
        command.process_group(self.number.as_raw_nonzero().get());
    }

    /// Asks everyone in the group to end. The leader does not listen.
    pub(super) fn terminate(&self) {
        let _ = kill_process_group(self.number, Signal::TERM);
    }

    /// Ends everyone in the group, the leader included, and whoever came out of it, and checks that
    /// nobody is left.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        let mark = format!("{MARK}={}", self.mark);
        // A leader that somebody else has ended already is not waited for yet, so the number is
        // still the group's.
        let _ = kill_process_group(self.number, Signal::KILL);
        let begun = Instant::now();
        let left = loop {
            let mut left = marked(&mark);
            for process in
                left.iter().filter_map(|process| Pid::from_raw(i32::try_from(*process).ok()?))
            {
                let _ = kill_process(process, Signal::KILL);
            }
            left.extend(members(self.number));
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

fn processes() -> impl Iterator<Item = u32> {
    let folders = std::fs::read_dir("/proc").into_iter().flatten();
    folders.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
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
    fn a_member_is_recognised_whatever_its_name() {
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
        assert!(members(group.number).contains(&child.id()));
        assert_eq!(group.kill(), Ok(()));
        assert!(!child.wait().unwrap().success());
    }
}
