//! What this machine has, as far as picking an engine needs to know: [`gpus`] and
//! [`docker_answers`].
//!
//! The tests ask NVML and Docker themselves before they rely on either; this is a look that costs
//! no dependency.

use std::os::unix::net::UnixStream;
use std::path::Path;

/// How many NVIDIA GPUs the driver shows.
pub(crate) fn gpus() -> usize {
    std::fs::read_dir("/proc/driver/nvidia/gpus")
        .map_or(0, |gpus| gpus.filter_map(Result::ok).count())
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
