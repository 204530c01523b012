//! A run with bad input says what is wrong, where, and what to do, and removes what it had started.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::Duration;

use perf::prelude::*;
use perf_model::judge::verdict::Verdict;
use perf_model::spec::settings::{Purpose, Settings, Variant};

use crate::common::{ANY_LATENESS, Place};

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(behaviour) = crate::common::behaviour() else { return Ok(()) };
    let load = |name: &str| {
        Load::new(name)
            .prompts(random_tokens(4))
            .output_tokens(exactly(8))
            .requests(8)
            .warmup(0)
            .lateness_limit(ANY_LATENESS)
            .stall_limit(Duration::from_secs(5))
    };
    let server = Vllm::under_test().model("tiny").simulated_as("tiny-cpu");
    let server = match behaviour.as_str() {
        "unknown flag" => server.arg("--max-modle-len", 64),
        "more GPUs than any machine has" => server.gpus(250),
        "declared secret" => server.secret_env("PERF_TEST_SECRET"),
        "unknown profile" => server.simulated_as("tiny-cup"),
        _ => server,
    };
    let load = |name: &str| match behaviour.as_str() {
        "half may fail" => load(name).failures_allowed(percent(50.0)),
        _ => load(name),
    };
    Suite::new("inner").sweep(["first", "second"], load).run_on(server)?.hold()
}

#[test]
fn a_wrong_key_in_perf_toml_is_named_with_the_nearest_known_one() {
    let place = Place::new(module_path!());
    place.write("perf.toml", "starst = 3\n");
    let file = place.path("perf.toml").display().to_string();
    place.simulated("").run().assert_failed_with(&[
        &file,
        "unknown field `starst`",
        "did you mean `starts`?",
    ]);
}

#[test]
fn a_wrong_type_in_perf_toml_is_named_with_its_line() {
    let place = Place::new(module_path!());
    place.write("perf.toml", "starts = 3\nstart_timeout_s = \"long\"\n");
    place.simulated("").run().assert_failed_with(&[
        "perf.toml",
        "line 2",
        "start_timeout_s = \"long\"",
    ]);
}

#[test]
fn a_perf_toml_that_cannot_be_read_is_named() {
    let place = Place::new(module_path!());
    std::fs::create_dir(place.path("perf.toml")).unwrap();
    place.simulated("").run().assert_failed_with(&["cannot read ", "perf.toml: it is a folder"]);
}

#[test]
fn settings_that_are_garbage_are_never_taken_for_none() {
    let place = Place::new(module_path!());
    for garbage in
        [&b"hello"[..], b"", b"{\"engine\": \"dokcer\"}", b"{\"enigne\": \"docker\"}", b"{\xff}"]
    {
        let run = place.simulated("").env("PERF_SETTINGS", OsStr::from_bytes(garbage)).run();
        run.assert_failed_with(&[
            "the variable PERF_SETTINGS cannot be read: ",
            "start tests with `cargo xtask perf`",
        ]);
    }
}

#[test]
fn declarations_that_make_no_sense_are_refused_before_anything_is_started() {
    let server = || Vllm::under_test().model("tiny").simulated_as("tiny-cpu");
    let refused = |suite: Suite, server: Vllm| {
        suite.run_on(server).expect_err("it must be refused").to_string()
    };
    let with = |load: Load| refused(Suite::new("bad").load(load), server());

    for name in ["", "a/b", "..", ".hidden", "a b", "ä"] {
        let error = refused(Suite::new(name).load(Load::new("l")), server());
        assert!(
            error.contains("its name becomes a folder, so it may have only letters, digits"),
            "{error}"
        );
        let error = with(Load::new(name));
        assert!(
            error.contains(&format!(
                "the name of the load `{name}` becomes a file, so it may have only letters"
            )),
            "{error}"
        );
    }
    assert_eq!(
        with(Load::new("chat.anchor")),
        "suite `bad`: the load `chat.anchor` has the name of the files of an anchor, which lie beside the baselines; end \
         its name with something else than `.anchor`"
    );
    let twice = Suite::new("bad").load(Load::new("l")).load(Load::new("l"));
    assert_eq!(
        refused(twice, server()),
        "suite `bad`: two loads have the name `l`; their baselines would overwrite each other"
    );
    for (load, why) in [
        (Load::new("l").requests(0), "it has no requests"),
        (Load::new("l").arrivals(concurrent(0)), ""),
        (Load::new("l").output_tokens(exactly(0)), "it asks for 0 output tokens"),
        (Load::new("l").prompts(random_tokens(8)).chat(), "chat does not accept token ids"),
    ] {
        let error = with(load);
        let start = format!("suite `bad`: the load `l` cannot be run: {why}");
        assert!(error.starts_with(&start), "{error}");
    }
    assert_eq!(
        with(Load::new("l").guard(output_throughput().may_drop(percent(-1.0)))),
        "suite `bad`: the slack of output throughput in the load `l` is -1 %; it must be above 0 % and below 50 %"
    );
    assert!(refused(Suite::new("bad"), server()).contains("it has no load"));
    assert!(
        refused(Suite::new("bad").load(Load::new("l")), Vllm::under_test())
            .contains("the server has no model")
    );
}

#[test]
fn an_unknown_hardware_profile_is_answered_with_the_nearest() {
    let place = Place::new(module_path!());
    let ended = place.simulated("unknown profile").run();
    ended.assert_failed_with(&["no profile is called `tiny-cup`; the nearest is `tiny-cpu`"]);
}

#[test]
fn an_unknown_fault_is_answered_with_the_nearest() {
    let place = Place::new(module_path!());
    place
        .simulated("")
        .inject("stal=1")
        .run()
        .assert_failed_with(&["cannot inject `stal`; did you mean `stall`?"]);
}

#[test]
fn a_plan_that_cannot_be_followed_says_why() {
    let place = Place::new(module_path!());
    let plan = |change: &dyn Fn(&mut Settings)| {
        let run = place.simulated("").settings(|settings| {
            settings.plans = true;
            change(settings);
        });
        run.run().assert_failure().plan().refused.unwrap()
    };
    let stal = || Variant { inject: Some("stal=1".into()), ..Variant::default() };
    assert!(plan(&|settings| settings.candidate = stal()).contains("cannot inject `stal`"));
    let base =
        plan(&|settings| (settings.purpose, settings.base) = (Purpose::Compare, Some(stal())));
    assert!(base.contains("cannot inject `stal`"), "{base}");
    let port = plan(&|settings| settings.candidate.arguments = vec!["--port=1".into()]);
    assert_eq!(port, "`--port` is set by the engine itself; take it out");
}

#[test]
fn the_value_of_a_declared_secret_is_refused_by_the_plan() {
    let place = Place::new(module_path!());
    let run = place.process("declared secret").settings(|settings| {
        settings.plans = true;
        settings.candidate.environment = [("PERF_TEST_SECRET".into(), "hunter2".into())].into();
    });
    let refused = run.run().assert_failure().plan().refused.unwrap();
    assert!(refused.contains("`PERF_TEST_SECRET` is a secret"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
}

#[test]
fn a_suite_without_its_hardware_passes_only_where_the_command_reports_it_as_skipped() {
    let place = Place::new(module_path!());
    let behaviour = "more GPUs than any machine has";
    let under_the_command = place.process(behaviour).run().assert_success();
    assert_eq!(under_the_command.report().verdict, Verdict::Skipped);
    // Without a command, nothing would say that it did not run.
    let alone = place.process(behaviour).settings(|settings| settings.run_folder = None).run();
    alone.assert_failed_with(&["suite `inner` cannot run here: needs 250 GPUs"]);
    place
        .simulated(behaviour)
        .settings(|settings| settings.run_folder = None)
        .run()
        .assert_failed_with(&["UNRECORDED"]);
}

#[test]
fn requests_that_fail_make_a_run_invalid_and_are_named_by_their_kind() {
    let kinds = [
        ("fail", "server error (status 5xx)"),
        ("cut", "response cut short"),
        ("error-in-band", "error inside a response"),
        ("stall", "1 of 8 requests of load `first` received nothing for 5 s"),
    ];
    for (fault, kind) in kinds {
        let place = Place::new(module_path!());
        let ended = place.simulated("").inject(&format!("{fault}=0.25")).run();
        assert_eq!(ended.report().verdict, Verdict::Invalid, "{fault}");
        ended.assert_failed_with(&[kind]);
        assert!(place.record("first").samples.iter().any(|sample| !sample.succeeded()));
    }
}

#[test]
fn requests_that_fall_silent_may_fail_where_the_load_allows_it() {
    let place = Place::new(module_path!());
    let ended = place.simulated("half may fail").inject("stall=0.25").run();
    assert_eq!(ended.report().verdict, Verdict::Unrecorded);
    assert_eq!(
        place.record("first").samples.iter().filter(|sample| !sample.succeeded()).count(),
        2
    );
    let ended = place.simulated("half may fail").inject("stall=1").run().assert_failure();
    let remark = ended.remark();
    assert!(
        remark.starts_with(
            "gave up: the server hangs; 2 requests of load `first` received nothing for 5 s"
        ),
        "{remark}"
    );
}

#[test]
fn an_engine_that_dies_makes_a_run_invalid_and_is_reported() {
    let place = Place::new(module_path!());
    let ended = place.simulated("").inject("die-after=10").run();
    assert!(
        ended.remark().starts_with("the server died under load `second`: exit code 0"),
        "{}",
        ended.remark()
    );
    assert!(place.record("first").is_complete());
}

#[test]
fn two_simulated_runs_give_the_same_records_byte_for_byte() {
    let place = Place::new(module_path!());
    for run in ["run-1", "run-2"] {
        let ended = place
            .simulated("")
            .settings(|settings| settings.run_folder = Some(place.path(run)))
            .run();
        ended.assert_failed_with(&["UNRECORDED"]);
    }
    for start in 1..=3 {
        for load in ["first", "second"] {
            let record = |run: &str| place.read(&format!("{run}/inner/start-{start}/{load}.jsonl"));
            assert!(record("run-1").len() > 1_000);
            assert_eq!(record("run-1"), record("run-2"), "start {start}, {load}");
        }
    }
}

#[test]
fn an_engine_argument_that_vllm_does_not_know_is_named() {
    let place = Place::new(module_path!());
    for behaviour in ["unknown flag", ""] {
        let under_test = vec!["--max-modle-len=64".to_owned()];
        let run = match behaviour {
            "" => place.process("").settings(|settings| settings.candidate.arguments = under_test),
            _ => place.process(behaviour),
        };
        let ended =
            run.run().assert_failed_with(&["unknown argument, exit code 2", "--max-modle-len"]);
        assert!(
            ended.remark().contains("unrecognized arguments: --max-modle-len 64"),
            "{}",
            ended.remark()
        );
    }
    assert_eq!(place.processes(), [""; 0]);
}

#[test]
fn a_model_that_is_not_there_is_named_with_where_it_was_looked_for() {
    let place = Place::new(module_path!());
    let missing = place.path("no-model");
    let run = place
        .process("")
        .settings(|settings| settings.models = [("tiny".to_owned(), missing.clone())].into());
    let ended = run.run().assert_failure();
    let wanted =
        format!("the model `tiny` is not on this machine; looked in {}", missing.display());
    assert!(ended.remark().starts_with(&wanted), "{}", ended.remark());
}

#[test]
fn a_vllm_command_that_is_not_there_is_named() {
    let place = Place::new(module_path!());
    let ended = place
        .process("")
        .settings(|settings| settings.candidate.vllm = Some("/no/such/vllm".into()))
        .run();
    assert!(ended.remark().starts_with("cannot run `/no/such/vllm`: "), "{}", ended.remark());
    ended.assert_failure();
    assert_eq!(place.processes(), [""; 0]);
}

#[test]
fn a_lock_folder_that_cannot_be_made_is_named() {
    let place = Place::new(module_path!());
    place.write("file", "");
    let ended =
        place.process("").env("PERF_LOCK_DIR", place.path("file/locks")).run().assert_failure();
    let file = place.path("file/locks/choosing.lock");
    assert!(
        ended.remark().starts_with(&format!("cannot use the lock file {}: ", file.display())),
        "{}",
        ended.remark()
    );
}

#[test]
fn a_record_folder_that_cannot_be_made_is_named_and_the_server_removed() {
    let place = Place::new(module_path!());
    place.write("run/inner/start-1", "a file in its place");
    let ended = place.process("").run().assert_failure();
    let folder = place.path("run/inner/start-1");
    assert!(
        ended.remark().starts_with(&format!("cannot write {}: ", folder.display())),
        "{}",
        ended.remark()
    );
    assert_eq!(place.read("run/inner/start-1"), "a file in its place");
    assert_eq!(place.processes(), [""; 0]);
}

#[test]
fn an_error_is_reported_even_where_no_report_can_be_written() {
    let place = Place::new(module_path!());
    place.write("run/inner", "a file in its place");
    let run = place
        .process("")
        .settings(|settings| settings.candidate.vllm = Some("/no/such/vllm".into()));
    run.run().assert_failed_with(&["cannot run `/no/such/vllm`: "]);
}

#[test]
fn a_full_disk_is_reported_with_the_record_and_loses_no_other() {
    let place = Place::new(module_path!());
    std::fs::create_dir_all(place.path("run/inner/start-1")).unwrap();
    let record = place.path("run/inner/start-1/second.jsonl");
    symlink("/dev/full", &record).unwrap();
    let ended = place.process("").run().assert_failure();
    let remark = ended.remark();
    assert!(
        remark.starts_with(&format!("cannot write {}: No space left on device", record.display())),
        "{remark}"
    );
    assert!(remark.ends_with("make room or make it writable, then run again"), "{remark}");
    assert!(place.record("first").is_complete());
    assert_eq!(place.processes(), [""; 0]);
}

#[test]
fn a_baseline_that_cannot_be_written_loses_no_record() {
    let place = Place::new(module_path!());
    place.write("baselines", "a file in its place");
    let ended = place.simulated("").refresh().run().assert_failure();
    assert!(ended.output.contains("baselines/simulated/inner/first.snap"), "{}", ended.output);
    assert!(place.record("first").is_complete() && place.record("second").is_complete());
    assert_eq!(place.read("baselines"), "a file in its place");
}
