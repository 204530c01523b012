//! What this machine has, as far as picking an engine needs to know: [`gpus`],
//! [`nvml`] and [`docker_answers`].
//!
//! The tests ask NVML and Docker themselves before they rely on either; this is a look that costs
//! no dependency.

use std::ffi::OsStr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// How many NVIDIA GPUs the driver shows.
pub(crate) fn gpus() -> usize {
    std::fs::read_dir("/proc/driver/nvidia/gpus")
        .map_or(0, |gpus| gpus.filter_map(Result::ok).count())
}

/// Whether NVML can be asked here: the driver shows GPUs, or its library is installed. The library alone
/// is there under WSL, and after a driver failed to load, which NVML then explains.
pub(crate) fn nvml() -> bool {
    gpus() > 0 || has_library(&std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default())
}

/// Whether NVML's library lies in one of these folders, or in a usual one.
fn has_library(path: &OsStr) -> bool {
    let usual = [
        "/usr/lib64",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib/wsl/lib",
    ];
    let usual = usual.into_iter().map(PathBuf::from);
    std::env::split_paths(path).chain(usual).any(|folder| folder.join("libnvidia-ml.so.1").exists())
}

/// Whether a Docker daemon takes connections.
pub(crate) fn docker_answers() -> bool {
    let host =
        std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    match host.split_once("://") {
        Some(("unix", socket)) => UnixStream::connect(Path::new(socket)).is_ok(),
        Some(("tcp" | "http", address)) => {
            std::net::TcpStream::connect(address.trim_end_matches('/')).is_ok()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_of_nvml_is_found_in_the_folders_of_the_loader() {
        let folder = tempfile::tempdir().unwrap();
        let before = has_library(folder.path().as_os_str());
        std::fs::write(folder.path().join("libnvidia-ml.so.1"), "").unwrap();
        assert!(has_library(folder.path().as_os_str()));
        // A machine with a driver has it elsewhere too.
        assert_eq!(before, has_library(OsStr::new("")));
    }
}
