//! Docker on a machine: the labels of this project's containers, and what to do where the daemon does
//! not answer ([`remedy`]).

/// Marks every container of ours.
pub const OURS: &str = "vllm-perf";

/// The lock file of the run that a container belongs to.
pub const LOCK: &str = "vllm-perf.lock";

/// The machine that the lock file is on: a daemon may serve several, and a lock elsewhere cannot be
/// looked at.
pub const MACHINE: &str = "vllm-perf.machine";

/// How to bring a daemon to answer that gave this reason.
pub fn remedy(reason: &str) -> &'static str {
    if reason.contains("ermission denied") {
        "let your user talk to it with `sudo usermod -aG docker $USER`, and log in again"
    } else if std::env::var_os("DOCKER_HOST").is_some() {
        "check the address in DOCKER_HOST, or unset it"
    } else {
        "start it with `sudo systemctl start docker`, or name another daemon in DOCKER_HOST"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_may_not_be_opened_needs_another_remedy_than_a_daemon_that_is_down() {
        assert!(remedy("permission denied while trying to connect").contains("usermod"));
        assert!(!remedy("Cannot connect to the Docker daemon").contains("usermod"));
    }
}
