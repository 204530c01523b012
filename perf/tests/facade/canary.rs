//! One secret through every path: it reaches the server, and is in nothing that a run writes, prints
//! or shows of its processes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use perf::prelude::*;
use perf_model::spec::settings::Variant;

use crate::common::{
    ANY_LATENESS, Ended, Inner, Place, docker, on_a_small_machine, perf_sim, real_image, xtask,
};

/// The secret, which no text has by chance.
const CANARY: &str = "canary-7f3a9c51e8d2";

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(behaviour) = crate::common::behaviour() else { return Ok(()) };
    let load = Load::new("few").requests(4).warmup(0).prompts(random_tokens(4));
    let load = load.output_tokens(exactly(4)).lateness_limit(ANY_LATENESS);
    let server = Vllm::under_test().model("tiny").secret_env("PERF_TEST_CANARY");
    let server = match behaviour.as_str() {
        "dies" => server.env("DIES", 1),
        "real" => on_a_small_machine(server).secret_env("HF_TOKEN").secret_env("VLLM_API_KEY"),
        "in an argument" => server.arg("--api-key", CANARY),
        "in a variable" => server.env("HF_TOKEN", CANARY),
        _ => server,
    };
    eprintln!("{server:?}");
    let outcome = Suite::new("inner").load(load).run_on(server)?;
    eprintln!("{outcome:?}");
    outcome.hold()
}

/// A `vllm` that knows the secret and says it in its log, alone, in a line and in its arguments.
fn talkative(place: &Place) -> std::path::PathBuf {
    let script = format!(
        "#!/bin/sh\n[ \"$PERF_TEST_CANARY\" = {CANARY} ] && echo the server has it > '{}'\n\
         echo \"$PERF_TEST_CANARY\"\necho \"token=$PERF_TEST_CANARY; Authorization: Bearer $PERF_TEST_CANARY\" >&2\n\
         [ -n \"$DIES\" ] && echo \"ValueError: bad token $PERF_TEST_CANARY\" && exit 1\nexec '{}' \"$@\"\n",
        place.path("reached").display(),
        perf_sim().display()
    );
    place.write("vllm", script);
    let path = place.path("vllm");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn armed(run: Inner) -> Inner {
    run.env("PERF_TEST_CANARY", CANARY).env("VLLM_API_KEY", CANARY)
}

/// The files below a folder that hold the secret.
fn holders(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holders(&path));
        } else if String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(CANARY) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn assert_nowhere(place: &Place, ended: &Ended) {
    assert!(!ended.output.contains(CANARY), "{}", ended.output);
    let script = place.path("vllm").display().to_string();
    let found: Vec<String> =
        holders(&place.path("")).into_iter().filter(|path| *path != script).collect();
    assert_eq!(found, [""; 0]);
}

/// Asserts that no format of the run's report has the secret.
fn assert_in_no_format(place: &Place) {
    let run = place.path("run").display().to_string();
    for format in [
        "terminal",
        "html",
        "markdown",
        "junit",
        "json",
        "csv",
        "bmf",
        "github-bigger",
        "github-smaller",
        "pytorch",
        "otava",
    ] {
        let mut show = Command::new(xtask());
        show.args(["perf", "show", &run, "--format", format]).env("PERF_TEST_CANARY", CANARY);
        let shown = show.output().unwrap();
        let text = String::from_utf8_lossy(&[shown.stdout, shown.stderr].concat()).into_owned();
        assert!(shown.status.success(), "{format}: {text}");
        assert!(text.len() > 100 && !text.contains(CANARY), "{format}: {text}");
    }
}

#[test]
fn a_secret_among_arguments_and_variables_is_refused_and_not_repeated() {
    for behaviour in ["in an argument", "in a variable"] {
        let place = Place::new(module_path!());
        let vllm = Some(talkative(&place));
        let run = place.process(behaviour).settings(|settings| {
            settings.candidate = Variant { vllm, ..Variant::default() };
        });
        let ended = run.run().assert_failed_with(&["looks like a secret", ".secret_env("]);
        // The scenario itself prints what it declares.
        let said = ended.output.lines().filter(|line| !line.starts_with("Vllm {"));
        assert!(!said.collect::<String>().contains(CANARY), "{}", ended.output);
        let script = place.path("vllm").display().to_string();
        let found = holders(&place.path(""));
        assert_eq!(found.into_iter().filter(|path| *path != script).count(), 0);
    }
}

/// The real image, which says the secret in its log before it serves. It is removed at the end.
struct TalkativeImage(String);

impl TalkativeImage {
    fn new(place: &Place) -> Self {
        let script = "#!/bin/sh\necho \"$PERF_TEST_CANARY\"\n\
            echo \"token=$HF_TOKEN; Authorization: Bearer $VLLM_API_KEY\" >&2\n\
            [ -n \"$DIES\" ] && echo \"ValueError: bad token $PERF_TEST_CANARY\" && exit 1\nexec vllm \"$@\"\n";
        place.write("talkative", script);
        let path = place.path("talkative");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let container = docker(&["create", &real_image()]);
        let container = container.trim();
        docker(&["cp", &path.display().to_string(), &format!("{container}:/talkative")]);
        let name = format!("vllm-perf-test:talkative-{}", std::process::id());
        let entrypoint = r#"ENTRYPOINT ["/talkative", "serve"]"#;
        docker(&["commit", "--change", entrypoint, container, &name]);
        docker(&["rm", container]);
        Self(name)
    }
}

impl Drop for TalkativeImage {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", "--force", &self.0]).output();
    }
}

/// The command lines of every process of this machine, those in containers included.
fn command_lines() -> Vec<String> {
    let folders = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let read = |folder: std::path::PathBuf| std::fs::read(folder.join("cmdline")).ok();
    folders.filter_map(read).map(|line| String::from_utf8_lossy(&line).into_owned()).collect()
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_secret_reaches_a_real_server_in_docker_and_nothing_else() {
    let place = Place::new(module_path!());
    let image = TalkativeImage::new(&place);
    let run = armed(place.docker("real", Some(&image.0))).env("HF_TOKEN", CANARY).refresh();
    let mut run = run.start();
    run.wait_until("its container was there", || !place.containers().is_empty());
    let container = place.containers().remove(0);
    let inspected = docker(&["inspect", &container]);
    let mut inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    // Docker hands variables to a container in this way, and in no other place.
    let variables = inspected[0]["Config"]["Env"].take();
    assert_eq!(variables.to_string().matches(CANARY).count(), 3, "{variables}");
    assert!(!inspected.to_string().contains(CANARY), "{inspected}");
    run.wait_until("it measured", || place.has("run/inner/start-1/few.jsonl"));
    let with_canary = |line: &&String| line.contains(CANARY);
    assert_eq!(command_lines().iter().find(with_canary), None);
    let ended = run.end().assert_success();
    // The log is kept, so that there was something to mask in it.
    assert!(place.read("run/inner/start-1/server.log").contains("Authorization: Bearer [secret]"));
    assert_nowhere(&place, &ended);
    assert_in_no_format(&place);

    let dies = place.docker("real", Some(&image.0)).settings(|settings| {
        settings.candidate.environment.insert("DIES".into(), "1".into());
        settings.run_folder = Some(place.path("dies"));
    });
    let ended = armed(dies).env("HF_TOKEN", CANARY).run();
    let ended = ended.assert_failed_with(&["ValueError: bad token [secret]"]);
    assert_nowhere(&place, &ended);
}

#[test]
fn a_secret_reaches_the_server_and_nothing_that_a_run_leaves() {
    let place = Place::new(module_path!());
    let vllm = Some(talkative(&place));
    let run = place.process("serves").settings(|settings| {
        settings.candidate = Variant { vllm, ..Variant::default() };
    });
    let mut run = armed(run).env("PERF_SIM_STARTUP_MS", "500").refresh().start();
    run.wait_until("its server was there", || place.has_server());
    assert!(!place.processes().iter().any(|command| command.contains(CANARY)));
    let ended = run.end().assert_success();
    assert_eq!(place.read("reached").trim(), "the server has it");
    // The log is kept, so that there was something to mask in it.
    assert!(place.read("run/inner/start-1/server.log").contains("Authorization: Bearer"));
    assert_nowhere(&place, &ended);
    assert_in_no_format(&place);
}

#[test]
fn a_secret_is_in_no_error_of_a_server_that_fails() {
    let place = Place::new(module_path!());
    let vllm = Some(talkative(&place));
    let run = place.process("dies").settings(|settings| {
        settings.candidate = Variant { vllm, ..Variant::default() };
    });
    let ended = armed(run).run().assert_failed_with(&["ValueError: bad token"]);
    assert_nowhere(&place, &ended);
}

#[test]
fn a_secret_is_in_nothing_of_a_simulated_run() {
    let place = Place::new(module_path!());
    let ended = armed(place.simulated("serves")).refresh().run().assert_success();
    assert_nowhere(&place, &ended);
}
