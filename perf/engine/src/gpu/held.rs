//! Whether GPUs are as they were before a server was started on them: [`wait_until_given_back`].

use std::time::{Duration, Instant};

use perf_machine::host::describe_process;

use super::{Gpu, now};

/// How long the driver may take to give memory back after the last process has ended.
const RELEASE: Duration = Duration::from_secs(10);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// The memory that may be in use more than before, in MiB: what the driver itself takes varies.
const SLACK_MIB: u64 = 512;

/// Waits until the memory of the GPUs is back where it was before, for a while. Gives what each of them
/// still holds then, and who holds it; nothing where all is well or unknown.
pub(crate) fn wait_until_given_back(before: &[Gpu]) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let held = held(before, &now(before));
        if held.is_empty() || begun.elapsed() >= RELEASE {
            return held;
        }
        std::thread::sleep(LOOK);
    }
}

fn held(before: &[Gpu], now: &[Gpu]) -> Vec<String> {
    // Without NVML nothing is known of any.
    if now.is_empty() {
        return Vec::new();
    }
    before
        .iter()
        .filter_map(|gpu| held_of(gpu, now.iter().find(|it| it.setup.uuid == gpu.setup.uuid)))
        .collect()
}

fn held_of(before: &Gpu, now: Option<&Gpu>) -> Option<String> {
    let Some(now) = now else {
        return Some(format!("GPU {} no longer answers; look at `dmesg`", before.setup.index));
    };
    let (was, is) = (before.used_mib()?, now.used_mib()?);
    let more = is.saturating_sub(was);
    if more <= SLACK_MIB {
        return None;
    }
    let name = |user: &super::GpuProcess| describe_process(user.pid);
    let holders: Vec<String> = now.users.iter().map(name).collect();
    let by = match holders.as_slice() {
        [] => "a process that the driver does not name".to_owned(),
        names => names.join(" and "),
    };
    Some(format!(
        "GPU {} holds {more} MiB more than before the start, by {by}; `docker ps` does not show a process that outlived its \
         container: end it by its id",
        before.setup.index
    ))
}

#[cfg(test)]
mod tests {
    use perf_model::record::gpu_setup::GpuSetup;

    use super::*;
    use crate::gpu::GpuProcess;

    fn gpu(used_mib: u64, users: Vec<GpuProcess>) -> Gpu {
        let uuid = "GPU-4".into();
        let setup =
            GpuSetup { index: 4, uuid, used_before_mib: Some(used_mib), ..GpuSetup::default() };
        Gpu { setup, users }
    }

    #[test]
    fn a_gpu_that_holds_memory_is_named_with_the_process_that_holds_it() {
        let before = [gpu(4, vec![])];
        assert!(held(&before, &[gpu(300, vec![])]).is_empty());
        let user = GpuProcess { pid: u32::MAX, used_mib: None };
        assert_said(
            &held(&before, &[gpu(81_924, vec![user])]),
            "GPU 4 holds 81920 MiB more than before the start, by process 4294967295; `docker ps`",
        );
        assert_said(
            &held(&before, &[gpu(81_924, vec![])]),
            "GPU 4 holds 81920 MiB more than before the start, by a process that the driver does not name;",
        );
        let mut other = gpu(0, vec![]);
        other.setup.uuid = "GPU-5".into();
        assert_said(&held(&before, &[other]), "GPU 4 no longer answers");
        assert!(held(&before, &[]).is_empty());
    }

    fn assert_said(held: &[String], begin: &str) {
        assert!(held.len() == 1 && held[0].starts_with(begin), "{held:?}");
    }
}
