//! What removes a container when the run that started it is killed: [`Watcher`].
//!
//! A destructor does not run after a SIGKILL. So a small process, which no signal to the run or to
//! its group reaches, waits for the end of the run and then does what the destructor would have
//! done. It is a shell, as every machine has one and a test program cannot be run in another mode.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use perf_machine::command::is_on_path;

/// Waits for the end of its input, which the kernel brings about when the run ends in any way. A line
/// on it says that nothing is left to remove. Without it, the containers with the label are
/// removed, by Docker's command or else by its socket, and looked for again until none was there on
/// seven looks in a row: the daemon may still be creating one for the run. It goes on for ten
/// minutes while the daemon does not answer, as after its restart.
///
/// `$1` is the label, `$2` the container's name, `$3` the lock file of the run, `$4` the socket.
const SCRIPT: &str = r#"trap '' HUP INT TERM QUIT
read -r _ && exit 0
none_left() {
    if command -v docker >/dev/null; then
        found=$(docker ps -aq --no-trunc --filter "label=$1") || return 2
        [ -z "$found" ] && return 0
        docker rm -f -v $found
        return 1
    fi
    status=$(curl -s -o /dev/null -w '%{http_code}' -X DELETE --unix-socket "$3" "http://docker/containers/$2?force=1&v=1")
    [ "$status" = 404 ]
}
looks=0 quiet=0
while [ $quiet -lt 7 ] && [ $looks -lt 600 ]; do
    looks=$((looks + 1))
    if none_left "$1" "$2" "$4"; then quiet=$((quiet + 1)); else quiet=0; fi
    sleep 1
done
[ $quiet -ge 7 ] && rm -f -- "$3"
"#;

/// Where Docker listens unless it is said otherwise.
const SOCKET: &str = "/var/run/docker.sock";

/// The process that watches over one container. Dropping it is as good as being killed: the
/// container is removed.
#[derive(Debug)]
pub(super) struct Watcher {
    shell: Child,
}

impl Watcher {
    /// Begins to watch over the containers with a label, which all belong to one start. There must
    /// be none yet, so that there is no moment in which a killed run leaves one behind.
    ///
    /// # Errors
    /// With what is missing on this machine.
    pub(super) fn begin(label: &str, name: &str, lock: &Path) -> Result<Self, String> {
        let socket = socket(std::env::var("DOCKER_HOST").ok().as_deref());
        if !is_on_path("docker") && (socket.is_none() || !is_on_path("curl")) {
            return Err("neither `docker` nor `curl` is on the PATH".to_owned());
        }
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "vllm-perf-watcher", label, name])
            .arg(lock)
            .arg(socket.unwrap_or_default())
            // A group of its own: what kills the group of the run does not reach it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("`sh` cannot be run: {error}"))?;
        Ok(Self { shell })
    }

    /// Ends it: the containers are gone.
    pub(super) fn dismiss(mut self) {
        if let Some(mut input) = self.shell.stdin.take() {
            let _ = input.write_all(b"\n");
        }
        let _ = self.shell.wait();
    }
}

/// The socket that Docker listens on; none where it is reached another way.
fn socket(docker_host: Option<&str>) -> Option<PathBuf> {
    match docker_host.filter(|host| !host.is_empty()) {
        None => Some(SOCKET.into()),
        Some(host) => host.strip_prefix("unix://").map(PathBuf::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the script with a `docker` that writes down what it is asked, and lists a container
    /// until it was removed.
    fn run(input: &str) -> (String, bool) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let docker = "#!/bin/sh\necho \"$*\" >> \"$HERE/asked\"\n\
            case $1 in\n ps) [ -e \"$HERE/gone\" ] || echo c1;;\n rm) touch \"$HERE/gone\";;\nesac\n";
        // A look need not take a second here.
        for (name, text) in [("docker", docker), ("sleep", "#!/bin/sh\n")] {
            std::fs::write(at(name), text).unwrap();
            let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(at(name), all).unwrap();
        }
        std::fs::write(at("run.lock"), "").unwrap();
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "watcher", "vllm-perf.lock=/run.lock", "vllm-perf-1"])
            .arg(at("run.lock"))
            .env("PATH", path)
            .env("HERE", folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        shell.wait().unwrap();
        (std::fs::read_to_string(at("asked")).unwrap_or_default(), at("run.lock").exists())
    }

    #[test]
    fn the_end_of_the_run_removes_its_container_and_no_other() {
        let (asked, has_lock) = run("");
        let look = "ps -aq --no-trunc --filter label=vllm-perf.lock=/run.lock\n";
        assert_eq!(asked, format!("{look}rm -f -v c1\n{}", look.repeat(7)));
        assert!(!has_lock);
    }

    #[test]
    fn a_run_that_removed_its_container_itself_needs_nothing() {
        assert_eq!(run("\n"), (String::new(), true));
    }

    #[test]
    fn dockers_socket_is_the_one_that_the_run_uses() {
        assert_eq!(socket(None), Some(SOCKET.into()));
        assert_eq!(
            socket(Some("unix:///run/user/1/docker.sock")).unwrap(),
            Path::new("/run/user/1/docker.sock")
        );
        assert_eq!(socket(Some("tcp://10.0.0.1:2375")), None);
    }
}
