//! Which processes on the leased GPUs are the server's: [`Owners`].

use std::path::Path;

use super::{Gpu, GpuProcess};

/// The processes that computed on the GPUs when the server was ready. Nothing computed there before it
/// was started, so they are the server's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners {
    own: Vec<u32>,
    groups: Vec<String>,
}

impl Owners {
    /// Those of a server that is ready now.
    pub(crate) fn now(gpus: &[Gpu]) -> Self {
        let own: Vec<u32> = gpus.iter().flat_map(|gpu| &gpu.users).map(|user| user.pid).collect();
        let groups = own.iter().filter_map(|process| group(*process)).collect();
        Self { own, groups }
    }

    /// The processes that are not the server's. One that it started later is in its process group,
    /// or in its container.
    #[cfg_attr(
        not(feature = "nvml"),
        allow(dead_code, reason = "only NVML says which processes compute on a GPU")
    )]
    pub(super) fn foreign(&self, users: &[GpuProcess]) -> Vec<u32> {
        let is_own = |process: u32| {
            self.own.contains(&process)
                || group(process).is_some_and(|group| self.groups.contains(&group))
        };
        users.iter().map(|user| user.pid).filter(|process| !is_own(*process)).collect()
    }
}

/// What holds a process together with others of its program: the container that it is in, otherwise
/// its process group.
fn group(process: u32) -> Option<String> {
    let folder = Path::new("/proc").join(process.to_string());
    let control = std::fs::read_to_string(folder.join("cgroup")).unwrap_or_default();
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // The cgroup of a container has its identifier, of 64 digits.
    let is_identifier =
        |word: &str| word.len() == 64 && word.bytes().all(|it| it.is_ascii_hexdigit());
    if control != own && control.split(['/', '-', '.', '\n']).any(is_identifier) {
        return Some(control);
    }
    let status = std::fs::read_to_string(folder.join("stat")).ok()?;
    let (_, fields) = status.rsplit_once(") ")?;
    Some(fields.split(' ').nth(2)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_the_servers_group_is_its_own_and_another_is_not() {
        use std::os::unix::process::CommandExt;
        let sleep = |group| {
            let mut command = std::process::Command::new("sleep");
            command.arg("60").process_group(group).spawn().unwrap()
        };
        let mut server = sleep(0);
        let leader = i32::try_from(server.id()).unwrap();
        let (mut later, mut other) = (sleep(leader), sleep(0));
        let user = |pid| GpuProcess { pid, used_mib: None };
        let gpu = Gpu { users: vec![user(server.id())], ..Gpu::default() };
        let seen = [server.id(), later.id(), other.id()].map(user);
        let foreign = Owners::now(&[gpu]).foreign(&seen);
        for process in [&mut server, &mut later, &mut other] {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        assert_eq!(foreign, [other.id()]);
    }
}
