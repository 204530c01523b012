//! A server that is no vLLM, by its own command line: it is measured, judged and removed as any other.

use perf::prelude::*;
use perf_model::judge::verdict::Verdict;
use perf_model::spec::settings::Variant;

use crate::common::{ANY_LATENESS, Inner, Place, perf_sim};

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(_) = crate::common::behaviour() else { return Ok(()) };
    let load = Load::new("few").requests(4).warmup(0).prompts(random_tokens(4));
    let load = load.output_tokens(exactly(4)).lateness_limit(ANY_LATENESS);
    let server = Vllm::under_test().model("tiny").arg("--max-model-len", 2048);
    Suite::new("inner").load(load).run_on(server)?.hold()
}

/// The scenario on the simulated server, with this before its arguments.
fn by_command(place: &Place, begin: &str, end: &str) -> Inner {
    let program = perf_sim().display();
    let command = format!(
        "{begin} {program} serve --model {{model}} --served-model-name {{name}} --host={{host}} --port={{port}} {end}"
    );
    place.process("other").settings(|settings| {
        let server_command = Some(command);
        settings.candidate = Variant { server_command, ..Variant::default() };
    })
}

#[test]
fn another_server_is_measured_by_its_command_line_and_nothing_is_left_of_it() {
    let place = Place::new(module_path!());
    let ended =
        by_command(&place, "env PERF_SIM_SEED=7", "{args}").refresh().run().assert_success();
    assert_eq!(ended.report().verdict, Verdict::Unrecorded);
    let record = place.record("few");
    assert!(record.is_complete());
    let command = &record.header.fingerprint.under_test[0];
    assert!(command.starts_with("server_command=env PERF_SIM_SEED=7 "), "{command}");
    assert!(command.ends_with(" --port={port} {args}"), "{command}");
    assert_eq!(place.processes(), [""; 0]);
}

#[test]
fn arguments_that_a_command_does_not_take_are_named() {
    let place = Place::new(module_path!());
    let ended = by_command(&place, "", "").refresh().run().assert_success();
    let warning =
        "has no {args}, so these engine arguments are not handed on: --max-model-len 2048";
    assert!(ended.output.contains(warning), "{}", ended.output);
}

#[test]
fn another_server_that_dies_is_reported_with_its_log() {
    let place = Place::new(module_path!());
    let ended = by_command(&place, "", "--no-such-flag {args}").run().assert_failure();
    let remark = ended.remark();
    assert!(
        remark.contains("the server did not start (unknown argument, exit code 2)"),
        "{remark}"
    );
    assert!(remark.contains("unrecognized arguments: --no-such-flag"), "{remark}");
    assert_eq!(place.processes(), [""; 0]);
}
