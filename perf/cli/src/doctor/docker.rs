//! Docker's daemon, its runtime for GPUs, the image of `perf.toml`, and containers of dead runs:
//! [`look`].

use std::path::Path;

use perf_machine::command::is_on_path;
use perf_machine::docker::{LOCK, MACHINE, OURS, remedy};
use perf_machine::host::host_name;
use perf_model::spec::engine_kind::EngineKind;
use perf_report::terminal::Check;

use super::Machine;
use super::ask::{Answer, ask};
use super::gpus::Found;
use super::{disk, holders};
use crate::detect;

const INFO: &str =
    "{{.ServerVersion}}|{{.DockerRootDir}}|{{range $name, $runtime := .Runtimes}}{{$name}} {{end}}";

/// Looks at Docker. Only a run on the engine docker can be stopped by what is found.
pub(super) fn look(machine: &Machine, gpus: Found, checks: &mut Vec<Check>) {
    let is_needed = machine.engine == EngineKind::Docker;
    let answer = ask("docker", &["info", "--format", INFO]);
    let info = match answer {
        Answer::Said(info) if detect::docker_answers() => info,
        Answer::NoCommand if detect::docker_answers() => {
            without_command(is_needed, checks);
            return;
        }
        other if is_needed => {
            let why = match other {
                Answer::Failed(why) => why,
                _ => "its socket takes no connection".to_owned(),
            };
            checks.push(Check::problem(format!("Docker does not answer: {why}"), remedy(&why)));
            return;
        }
        _ => {
            let what =
                format!("Docker does not answer, and the engine {} needs none", machine.engine);
            checks.push(Check::ok(what));
            return;
        }
    };
    let mut fields = info.trim().split('|');
    let mut next = || fields.next().unwrap_or_default();
    let (version, folder, runtimes) = (next(), next(), next());
    checks.push(Check::ok(format!("Docker {version} answers")));
    if gpus.gpus > 0 {
        checks.push(gpu_runtime(runtimes, is_needed));
    }
    if is_needed {
        checks.push(image(&machine.config.docker.image, Path::new(folder)));
    }
    leftovers(checks);
}

/// The daemon answers, and its command is not here: a run needs only the socket, and something that
/// removes a container when it is killed.
fn without_command(is_needed: bool, checks: &mut Vec<Check>) {
    let what = "Docker's socket answers; `docker` is not on the PATH, so runtimes, images and containers were not looked at";
    if is_on_path("curl") {
        checks.push(Check::note(what, "install Docker's command line"));
    } else {
        let what = "neither `docker` nor `curl` is on the PATH, so nothing could remove a container when its run is killed";
        checks.push(Check::problem_if(is_needed, what, "install Docker's command line"));
    }
}

/// Docker hands out GPUs with NVIDIA's toolkit, whose hook it finds on the PATH even where no runtime
/// is set up.
fn gpu_runtime(runtimes: &str, is_needed: bool) -> Check {
    if runtimes.split_whitespace().any(|name| name == "nvidia") {
        return Check::ok("Docker has the NVIDIA runtime");
    }
    let has_hook = is_on_path("nvidia-container-runtime-hook");
    Check::problem_if(
        is_needed && !has_hook,
        "Docker has no runtime called nvidia, with which it hands out GPUs",
        "install the NVIDIA Container Toolkit, then `sudo nvidia-ctk runtime configure --runtime=docker && \
         sudo systemctl restart docker`",
    )
}

/// The image of `perf.toml`, and room for it where it is still to be pulled.
fn image(image: &str, docker_folder: &Path) -> Check {
    match ask("docker", &["image", "inspect", "--format", "{{.Id}}", image]) {
        Answer::Said(_) => Check::ok(format!("the image {image} is here")),
        _ => disk::room_for_image(docker_folder).unwrap_or_else(|| {
            Check::note(
                format!(
                    "the image {image} is not here; the first start pulls it, which takes minutes"
                ),
                format!("`docker pull {image}`, or name another with `--image` or in perf.toml"),
            )
        }),
    }
}

/// Containers whose runs are dead. The next start on the engine docker removes them.
fn leftovers(checks: &mut Vec<Check>) {
    let ours = format!("label={OURS}=1");
    let form = format!("{{{{.Names}}}}|{{{{.Label \"{LOCK}\"}}}}|{{{{.Label \"{MACHINE}\"}}}}");
    let arguments = ["ps", "--all", "--filter", &ours, "--format", &form];
    let Answer::Said(listed) = ask("docker", &arguments) else { return };

    for name in dead(&listed, &host_name(), |lock| holders::is_held(Path::new(lock))) {
        checks.push(Check::note(
            format!("the container {name} is left of a run that is dead, and may hold GPUs"),
            format!("`docker rm -f -v {name}`; the next start with `--engine docker` does it too"),
        ));
    }
}

/// The containers of this machine without a living run.
fn dead<'a>(listed: &'a str, here: &str, lives: impl Fn(&str) -> bool) -> Vec<&'a str> {
    let container = |line: &'a str| {
        let mut fields = line.split('|');
        let (name, lock, machine) = (fields.next()?, fields.next()?, fields.next()?);
        let is_ours = machine.is_empty() || machine == here;
        (is_ours && !lives(lock)).then_some(name)
    };
    listed.lines().filter_map(container).collect()
}

#[cfg(test)]
mod tests {
    use perf_report::terminal::Severity;

    use super::*;

    #[test]
    fn a_container_is_left_over_when_its_run_is_dead_and_was_on_this_machine() {
        let listed = "vllm-perf-1|/locks/run-1.lock|here\nvllm-perf-2|/locks/run-2.lock|here\n\
            vllm-perf-3|/locks/run-3.lock|elsewhere\nvllm-perf-4|/locks/run-4.lock|\n";
        let found = dead(listed, "here", |lock| lock.ends_with("run-2.lock"));
        assert_eq!(found, ["vllm-perf-1", "vllm-perf-4"]);
    }

    #[test]
    fn the_runtime_for_gpus_is_found_by_its_name() {
        assert_eq!(gpu_runtime("io.containerd.runc.v2 nvidia runc", true).severity, Severity::Ok);
        assert_eq!(gpu_runtime("runc nvidia-cdi", false).severity, Severity::Note);
    }
}
