//! Free space where runs and images are written, and the limit of open files: [`look`]. Models are only
//! read, so they need no space.

use std::path::Path;

use perf_report::terminal::Check;
use perf_store::runs::Runs;
use rustix::process::{Resource, getrlimit};

use crate::runs;

const GIB: u64 = 1 << 30;

/// A record has a line for each request and ten lines a second for each GPU: tens of MiB for a suite,
/// and a whole night stays below this.
const RUNS_BYTES: u64 = GIB;

/// A vLLM image with CUDA takes 20 to 30 GiB unpacked, beside its layers while they are pulled.
const IMAGE_BYTES: u64 = 40 * GIB;

/// Each request in flight is an open file. The load generator raises the soft limit up to the hard
/// one; the widest committed loads have some hundred requests in flight.
const OPEN_FILES: u64 = 4_096;

/// Looks at the folder of runs and at the limit of open files.
pub(super) fn look(checks: &mut Vec<Check>) {
    let folder = Runs::of(&runs::root()).folder().to_owned();
    match free(&folder) {
        None => {}
        Some(bytes) if bytes >= RUNS_BYTES => {
            checks.push(Check::ok(format!("{} free for runs", gib(bytes))));
        }
        Some(bytes) => checks.push(Check::problem(
            format!(
                "{} free for runs in {}; a night needs up to {}",
                gib(bytes),
                folder.display(),
                gib(RUNS_BYTES)
            ),
            format!(
                "remove old runs there, or name another folder in {}",
                perf_store::runs::VARIABLE
            ),
        )),
    }
    checks.push(open_files(getrlimit(Resource::Nofile).maximum));
}

/// What is wrong with the space for an image that is still to be pulled.
pub(super) fn room_for_image(docker_folder: &Path) -> Option<Check> {
    // A daemon elsewhere has its folder elsewhere.
    let bytes = docker_folder.is_dir().then(|| free(docker_folder)).flatten()?;
    (bytes < IMAGE_BYTES).then(|| {
        let what = format!(
            "the image is still to be pulled, and {} has {} free; an image with CUDA needs up to {} meanwhile",
            docker_folder.display(),
            gib(bytes),
            gib(IMAGE_BYTES)
        );
        Check::note(what, "`docker system df` shows what Docker keeps, `docker image prune -a` removes unused images")
    })
}

/// `None` is no limit.
fn open_files(most: Option<u64>) -> Check {
    match most {
        Some(most) if most < OPEN_FILES => Check::note(
            format!("a process may open {most} files, and each request in flight is one"),
            format!(
                "raise the hard limit, as root: `ulimit -Hn {OPEN_FILES}`, or in /etc/security/limits.conf"
            ),
        ),
        Some(most) => Check::ok(format!("a process may open {most} files")),
        None => Check::ok("a process may open any number of files"),
    }
}

/// The bytes that a user may still write into a folder, or into the one that it will be made in.
fn free(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

fn gib(bytes: u64) -> String {
    // One decimal, cut off: a space that is too small is never shown as the bound.
    let tenths = u128::from(bytes) * 10 / u128::from(GIB);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use perf_report::terminal::Severity;

    use super::*;

    #[test]
    fn space_is_cut_off_to_one_decimal() {
        assert_eq!(gib(GIB), "1.0 GiB");
        assert_eq!(gib(GIB - 1), "0.9 GiB");
        assert_eq!(gib(u64::MAX), "17179869183.9 GiB");
    }

    #[test]
    fn a_low_limit_of_open_files_is_a_note() {
        assert_eq!(open_files(Some(1_024)).severity, Severity::Note);
        assert_eq!(open_files(Some(1 << 20)).severity, Severity::Ok);
        assert_eq!(open_files(None).severity, Severity::Ok);
    }

    #[test]
    fn a_folder_that_is_still_to_be_made_has_the_space_of_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free(&folder.path().join("runs/0001")).is_some());
    }
}
