//! One secret through every path: it reaches the server, and is in nothing that a run writes, prints
//! or shows of its processes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use perf::prelude::*;
use perf_model::spec::settings::Variant;

use crate::common::{ANY_LATENESS, Ended, Inner, Place, perf_sim};

/// The secret, which no text has by chance.
const CANARY: &str = "canary-7f3a9c51e8d2";

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(behaviour) = crate::common::behaviour() else { return Ok(()) };
    let load = Load::new("few").requests(4).warmup(0).prompts(random_tokens(4));
    let load = load.output_tokens(exactly(4)).lateness_limit(ANY_LATENESS);
    let server = Vllm::under_test().model("tiny").secret_env("PERF_TEST_CANARY");
    let server = if behaviour == "dies" { server.env("DIES", 1) } else { server };
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
