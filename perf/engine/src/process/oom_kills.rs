//! How often the kernel killed a process for want of memory: [`OomKills`].

use std::path::{Path, PathBuf};

/// The kernel's count, of this process's cgroup where it has one and of the whole machine else.
///
/// A kill by hand ends a process in just the same way, so only the count tells the two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OomKills(Option<u64>);

impl OomKills {
    /// The count now.
    pub(super) fn now() -> Self {
        let cgroups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let in_cgroup = files(&cgroups).into_iter().find_map(|file| count_in(&file));
        Self(in_cgroup.or_else(|| count_in(Path::new("/proc/vmstat"))))
    }

    /// Whether there was one more since then.
    pub(super) fn rose_since(self, then: Self) -> bool {
        matches!((self.0, then.0), (Some(now), Some(then)) if now > then)
    }
}

/// Where the count of a process may be, by its lines `hierarchy:controllers:path`: of the second
/// version of cgroups, or of the memory controller of the first. Within a container the path of the
/// host may not be there, and the root is its own.
fn files(cgroups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in cgroups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            let root = Path::new("/sys/fs/cgroup");
            files.extend([root.join(path), root.to_owned()].map(|at| at.join("memory.events")));
        } else if controllers.split(',').any(|controller| controller == "memory") {
            let root = Path::new("/sys/fs/cgroup/memory");
            files
                .extend([root.join(path), root.to_owned()].map(|at| at.join("memory.oom_control")));
        }
    }
    files
}

/// The value behind `oom_kill` in a file of names and values.
fn count_in(file: &Path) -> Option<u64> {
    count(&std::fs::read_to_string(file).ok()?)
}

fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_each_kind_of_cgroup() {
        let of = |text: &str| {
            files(text).iter().map(|file| file.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            of("0::/user.slice/run\n"),
            ["/sys/fs/cgroup/user.slice/run/memory.events", "/sys/fs/cgroup/memory.events"]
        );
        assert_eq!(
            of("12:cpu,cpuacct:/x\n7:memory:/docker/1\n"),
            [
                "/sys/fs/cgroup/memory/docker/1/memory.oom_control",
                "/sys/fs/cgroup/memory/memory.oom_control"
            ]
        );
        assert_eq!(count("low 0\nhigh 0\noom 3\noom_kill 2\noom_group_kill 1\n"), Some(2));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"), Some(4));
        assert_eq!(count("nr_free_pages 1\n"), None);
    }

    #[test]
    fn a_kill_is_the_kernels_only_if_its_count_rose() {
        assert!(OomKills(Some(3)).rose_since(OomKills(Some(2))));
        assert!(!OomKills(Some(2)).rose_since(OomKills(Some(2))));
        assert!(!OomKills(Some(2)).rose_since(OomKills(None)));
    }
}
