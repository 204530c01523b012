//! `cargo xtask perf` as its user meets it: exit codes, tables, records, and clear errors.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::{UnderWay, err, out, perf, root, run, runs};
use perf_model::judge::report::SuiteReport;
use tempfile::TempDir;

/// `cargo xtask perf …` in a repository of its own, where nothing can be built.
fn perf_in(repository: &TempDir, arguments: &[&str]) -> Command {
    let mut command = perf(arguments);
    command
        .current_dir(repository.path())
        .env_remove("PERF_RUNS_DIR")
        .env("CARGO_MANIFEST_DIR", repository.path().join("xtask"))
        .env("CARGO_TARGET_DIR", repository.path().join("target"));
    command
}

/// The folder of the run that a command says it recorded.
fn run_folder(output: &Output) -> PathBuf {
    let text = out(output);
    PathBuf::from(text.lines().find_map(|line| line.strip_prefix("records in ")).unwrap())
}

#[test]
fn the_help_shows_examples_and_every_exit_code() {
    let help = out(&run(&mut perf(&["--help"]), 0));
    assert!(help.contains("cargo xtask perf --image vllm/vllm-openai:"), "{help}");
    assert!(help.contains("REGRESSED") && help.contains("130  interrupted"), "{help}");
}

/// One test, because its steps share a baseline's pending snapshot.
#[test]
fn a_run_is_gated_recorded_shown_caught_when_slower_and_holds_again() {
    let pending = root().join("baselines/simulated/cpu_smoke/closed_loop.snap.new");
    let baseline = root().join("baselines/simulated/cpu_smoke/closed_loop.snap");
    let before = std::fs::read(&baseline).unwrap();

    let held = run(&mut perf(&["cpu_smoke", "--engine", "simulated"]), 0);
    assert!(out(&held).contains("cpu_smoke / closed_loop   held"), "{}", out(&held));
    assert!(out(&held).contains("SIMULATED"), "{}", out(&held));

    // What was judged is not kept for `accept`.
    let folder = run_folder(&held);
    assert!(folder.starts_with(runs()), "a run of a test is among the user's: {folder:?}");
    assert!(!folder.join("baselines").exists(), "a judged run left baselines");
    let refused = run(&mut perf(&["accept", "--from", folder.to_str().unwrap()]), 2);
    assert!(
        err(&refused).contains("measure afresh with `cargo xtask perf refresh`"),
        "{}",
        err(&refused)
    );

    let shown = run(&mut perf(&["show", folder.to_str().unwrap(), "closed_loop"]), 0);
    let figure = out(&shown)
        .lines()
        .find(|line| line.trim_start().starts_with("output throughput [tok/s]"))
        .unwrap()
        .to_owned();
    let report = std::fs::read_to_string(folder.join("cpu_smoke/report.json")).unwrap();
    let report: SuiteReport = serde_json::from_str(&report).unwrap();
    let load = report.loads.iter().find(|load| load.load == "closed_loop").unwrap();
    let throughput = load.rows.iter().find(|row| row.metric.unit() == "tok/s").unwrap();
    let shown: f64 = figure.split_whitespace().last().unwrap().parse().unwrap();
    assert!((shown / throughput.measured.unwrap() - 1.0).abs() < 1e-3, "{figure}");

    let slower = run(&mut perf(&["cpu_smoke", "--engine", "simulated", "--inject", "decode=2"]), 1);
    let said = out(&slower);
    assert!(said.contains("REGRESSED"), "{said}");
    // Paths are not broken.
    let lines = said.lines().filter(|line| !line.contains('/') || line.contains(" / "));
    for line in lines {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(out(&slower).contains("confirmed in a duet"), "{}", out(&slower));
    assert!(!pending.exists(), "what was judged was left to accept");
    assert_eq!(std::fs::read(&baseline).unwrap(), before, "a test wrote a baseline");

    let other_argument = ["cpu_smoke", "--engine", "simulated", "--", "--max-num-seqs", "4"];
    let changed = run(&mut perf(&other_argument), 1);
    assert!(
        out(&changed).contains("under test: command line: none → --max-num-seqs=4"),
        "{}",
        out(&changed)
    );

    let cut = run(&mut perf(&["cpu_smoke", "--engine", "simulated", "--inject", "cut=0.01"]), 4);
    assert!(out(&cut).contains("response cut short"), "{}", out(&cut));

    run(&mut perf(&["cpu_smoke", "--engine", "simulated"]), 0);
    assert!(!pending.exists(), "a run that held left something to review");

    let unknown = run(&mut perf(&["cpu_smoek", "--engine", "simulated"]), 2);
    assert!(
        err(&unknown).contains("did you mean one of these?\n  cpu_smoke::tiny_model_on_the_cpu"),
        "{}",
        err(&unknown)
    );
}

#[test]
fn required_hardware_that_is_missing_is_no_fall_back() {
    let output =
        run(perf(&["--require", "gpu"]).env("DOCKER_HOST", "unix:///nowhere/docker.sock"), 7);
    assert!(err(&output).contains("a GPU is required, but there is"), "{}", err(&output));
    assert!(!err(&output).contains("SIMULATED"), "{}", err(&output));
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let says = |arguments: &[&str]| err(&run(&mut perf(arguments), 2));
    assert!(
        says(&["--engine", "simulated", "--image", "x"]).contains("--image is for --engine docker")
    );
    assert!(
        says(&["--engine", "docker", "--inject", "cut=1"])
            .contains("--inject is for --engine simulated")
    );
    assert!(says(&["--engine", "remote"]).contains("--url http://host:8000"));
    for url in ["gpu-box:8000", "https://", "http://h:1/v1/completions"] {
        let said = says(&["--engine", "remote", "--url", url]);
        assert!(
            said.starts_with("error: --url: the server's address ") && said.lines().count() == 1,
            "{said}"
        );
    }
    let remote = ["--engine", "remote", "--url", "http://h:1"];
    for under_test in [&["--env", "A=1"][..], &["--", "--max-num-seqs", "4"]] {
        let said = says(&[&remote[..], under_test].concat());
        assert!(
            said.contains("do nothing with --engine remote") && said.lines().count() == 1,
            "{said}"
        );
    }
    assert!(
        says(&["--engine", "docker", "--image", "vLLM:1"])
            .starts_with("error: `vLLM:1` is not the name of an image")
    );
    assert!(
        says(&["--engine", "simulated", "--", "max-num-seqs", "4"])
            .contains("`max-num-seqs` is no engine argument")
    );
    assert!(
        says(&["--engine", "simulated", "--env", "A=1"])
            .contains("--env does nothing with --engine simulated")
    );
    assert!(
        says(&["--engine", "simulated", "--model", "a=/b"])
            .contains("--model does nothing with --engine simulated")
    );
    let no_vllm = "there is no /no/vllm; name a `vllm` command";
    assert!(says(&["--engine", "process", "--vllm", "/no/vllm"]).contains(no_vllm));
    assert!(says(&["--engine", "process", "--base-vllm", "/no/vllm"]).contains(no_vllm));
    assert!(
        says(&["compare", "--engine", "process", "--base", "vllm", "--candidate", "/no/vllm"])
            .contains(no_vllm)
    );
    assert!(
        says(&["--budget", "0"])
            .contains("`0` is no budget: give engine starts (8) or GPU time (90m, 2h)")
    );
    assert!(
        says(&["compare", "--engine", "remote", "--url", "http://h:1", "--base", "x"])
            .contains("cannot be compared")
    );
    assert!(says(&["accept", "--reset-anchor"]).contains("--reason"));
}

#[test]
fn a_wrong_key_in_perf_toml_is_said_before_anything_is_built() {
    let repository = TempDir::new().unwrap();
    std::fs::write(repository.path().join("perf.toml"), "[docker]\nimgae = \"x\"\n").unwrap();
    let output = run(&mut perf_in(&repository, &["--engine", "simulated"]), 2);
    assert!(err(&output).contains("did you mean `image`?"), "{}", err(&output));
    std::fs::write(repository.path().join("perf.toml"), "start_timeout_s = 0\n").unwrap();
    let output = run(&mut perf_in(&repository, &["--engine", "simulated"]), 2);
    assert!(err(&output).contains("perf.toml: start_timeout_s = 0"), "{}", err(&output));
    assert!(err(&output).contains("perf.toml"), "{}", err(&output));
}

#[test]
fn a_run_that_does_not_exist_is_named() {
    let repository = TempDir::new().unwrap();
    assert!(
        err(&run(&mut perf_in(&repository, &["show", "last"]), 2)).contains("there is no run in")
    );
    assert!(
        err(&run(&mut perf_in(&repository, &["accept", "--from", "12"]), 2))
            .contains("there is no run in")
    );
}

/// A run's folder as another machine would have left it, with one of this repository's baselines in
/// it.
fn foreign_run(change: impl Fn(String) -> String) -> TempDir {
    let run = TempDir::new().unwrap();
    let baselines = root().join("baselines/simulated/cpu_smoke");
    let folder = run.path().join("baselines/simulated/cpu_smoke");
    std::fs::create_dir_all(&folder).unwrap();
    for load in ["chat.snap", "closed_loop.snap"] {
        let text = std::fs::read_to_string(baselines.join(load)).unwrap();
        let text = if load == "closed_loop.snap" { change(text) } else { text };
        std::fs::write(folder.join(load), text).unwrap();
        let starts = Path::new(load).with_extension("starts.json");
        std::fs::copy(baselines.join(&starts), folder.join(&starts)).unwrap();
    }
    run
}

#[test]
fn baselines_of_another_machine_are_accepted_as_they_are() {
    let (repository, run_folder) = (TempDir::new().unwrap(), foreign_run(|text| text));
    let from = run_folder.path().to_str().unwrap();
    let output = run(&mut perf_in(&repository, &["accept", "--from", from, "closed"]), 0);
    assert!(
        out(&output).contains("wrote baselines/simulated/cpu_smoke/closed_loop.snap"),
        "{}",
        out(&output)
    );
    let place = "baselines/simulated/cpu_smoke/closed_loop.snap";
    for place in [place, "baselines/simulated/cpu_smoke/closed_loop.starts.json"] {
        assert_eq!(
            std::fs::read(repository.path().join(place)).unwrap(),
            std::fs::read(run_folder.path().join(place)).unwrap()
        );
    }
    assert!(
        !repository.path().join("baselines/simulated/cpu_smoke/chat.snap").exists(),
        "more was taken than asked for"
    );
}

#[test]
fn one_bad_baseline_in_a_run_keeps_all_of_it_out() {
    let truncate = |text: String| text[..text.len() / 2].to_owned();
    let edit = |text: String| text.replacen("spread   ", "spread 1 ", 1);
    let newer = |text: String| text.replace("schema: 4", "schema: 99");
    let other = |text: String| text.replace("load: \"closed_loop\"", "load: \"other\"");
    let cases: [(&dyn Fn(String) -> String, &str); 4] = [
        (&truncate, "refresh"),
        (&edit, "edited by hand"),
        (&newer, "schema 99"),
        (&other, "closed_loop.starts.json beside it is of another baseline"),
    ];
    for (change, wanted) in cases {
        let (repository, run_folder) = (TempDir::new().unwrap(), foreign_run(change));
        let output = run(
            &mut perf_in(&repository, &["accept", "--from", run_folder.path().to_str().unwrap()]),
            2,
        );
        assert!(
            err(&output).contains(wanted) && err(&output).contains("nothing else"),
            "{}",
            err(&output)
        );
        assert!(!repository.path().join("baselines").exists(), "something was taken");
    }
}

#[test]
fn hostile_baselines_are_refused_and_their_names_are_escaped() {
    for (suite, wanted) in [(".git", "is called \".git\""), ("a\u{1b}[2J", "a\\u{1b}[2J")] {
        let (repository, run_folder) = (TempDir::new().unwrap(), foreign_run(|text| text));
        let machine = run_folder.path().join("baselines/simulated");
        let chat = perf_store::baselines::find(&machine.join("cpu_smoke/chat.snap"));
        let mut hostile = chat.baseline().unwrap().clone();
        hostile.suite = suite.to_owned();
        let file = machine.join(suite).join("chat.snap");
        perf_store::baselines::write_files(&file, &hostile).unwrap();
        let from = run_folder.path().to_str().unwrap().to_owned();
        let said = err(&run(&mut perf_in(&repository, &["accept", "--from", &from]), 2));
        assert!(said.contains(wanted) && !said.contains('\u{1b}'), "{said:?}");
        assert!(!repository.path().join("baselines").exists(), "something was taken");
    }
    let (repository, run_folder) = (TempDir::new().unwrap(), foreign_run(|text| text));
    let machine = run_folder.path().join("baselines/simulated");
    std::os::unix::fs::symlink("/dev/zero", machine.join("zero.snap")).unwrap();
    std::os::unix::fs::symlink(&machine, machine.join("cpu_smoke/above")).unwrap();
    let from = run_folder.path().to_str().unwrap().to_owned();
    let said = err(&run(&mut perf_in(&repository, &["accept", "--from", &from]), 2));
    assert!(said.contains("it is a device, not a regular file"), "{said}");
}

#[test]
fn an_interrupted_run_ends_with_130_and_leaves_no_server() {
    let stand_in = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("perf-sim");
    if !stand_in.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--bin", "perf-sim"])
            .current_dir(root())
            .status();
        assert!(built.unwrap().success());
    }
    let model = TempDir::new().unwrap();
    let model_path = model.path().to_str().unwrap().to_owned();
    let mut run = UnderWay::start(
        perf(&["cpu_smoke", "--engine", "process", "--vllm", stand_in.to_str().unwrap()])
            .args(["--model", &format!("tiny={model_path}")])
            .env("PERF_LOCK_DIR", model.path())
            // It never becomes ready by itself: the interruption comes while it starts.
            .env("PERF_SIM_STARTUP_MS", "3600000"),
    );
    run.wait_for("starting");
    let (code, rest) = run.interrupt();
    assert_eq!(code, Some(130), "{rest}");
    assert!(rest.contains("interrupted; what was measured so far is kept in"), "{rest}");
    assert!(!runs_with(&model_path), "a server was left behind");
}

/// Whether some process on this machine has a text on its command line.
fn runs_with(text: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(|process| {
        std::fs::read(process.path().join("cmdline"))
            .is_ok_and(|words| String::from_utf8_lossy(&words).contains(text))
    })
}

#[test]
fn a_bench_beside_a_peer_that_is_not_there_is_refused_before_anything_is_built() {
    let bench = |arguments: &[&str], said: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        // A command that gets as far as building ends at once.
        command.arg("bench-client").args(arguments).current_dir(root()).env("CARGO", "false");
        let output = run(&mut command, 2);
        assert!(err(&output).contains(said), "{}", err(&output));
    };
    let here = env!("CARGO_BIN_EXE_xtask");
    bench(
        &["--peer", "no/such/vllm-rs", "--tokenizer", "."],
        "--peer no/such/vllm-rs is no file; name the peer's program",
    );
    bench(&["--python-peer", "no/vllm"], "--python-peer no/vllm is no file");
    bench(&["--peer", here], "give --tokenizer FOLDER");
    bench(&["--peer", here, "--tokenizer", "docs"], "--tokenizer docs holds no tokenizer.json");
    bench(&["--rows", "slow"], "[possible values: saturated, paced, one, burst, memory]");
    bench(&["--repetitions", "6"], "6 is not in 1..=5");
}

#[test]
fn results_that_cannot_be_written_are_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    // `output` would replace the standard output that is set here.
    let child = perf(&["schema"]).stdout(full).stderr(std::process::Stdio::piped()).spawn();
    let output = child.unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(
        err(&output).contains("cannot write the results to standard output: No space left"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_comparison_of_images_without_a_gpu_says_what_is_missing() {
    if Path::new("/proc/driver/nvidia/gpus").exists() {
        return;
    }
    let refused =
        err(&run(&mut perf(&["compare", "--base", "vllm/a:1", "--candidate", "vllm/a:2"]), 2));
    assert!(
        refused.contains("use `--engine docker` with a CPU image, or run it on a GPU machine"),
        "{refused}"
    );
}
