//! A run that is split over three machines: what its parts make together where all live, one is slow, and
//! one dies.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use perf_model::judge::report::{GuardRow, SuiteReport};
use perf_model::spec::split::Split;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{err, out, perf, program, run};

/// Scenarios for no GPU, for two and for four.
const SCENARIOS: [&str; 3] = ["cpu_smoke", "fp16_tuned_on_two", "32b_fp16"];

/// The program that the last of them is in.
const PROGRAM: &str = "f0_qwen2_5_on_rtx4090";

/// Three machines, and what is carried between them.
struct Machines {
    folder: TempDir,
}

impl Machines {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn split(&self) -> Split {
        let file = self.shown("split.json");
        let machines = ["small=1", "two=2", "four=8"];
        let mut arguments = vec!["split"];
        arguments.extend(SCENARIOS);
        arguments.extend(machines.iter().flat_map(|machine| ["--machine", machine]));
        arguments.extend(["--output", &file]);
        let said = out(&run(&mut perf(&arguments), 0));
        assert!(said.contains("small: ") && said.contains("share one error rate"), "{said}");
        perf_store::split_file::read(Path::new(&file)).unwrap()
    }

    /// Measures a part, with these options of its own; gives the run's folder and how it ended.
    fn measure(&self, part: &str, attempt: &str, more: &[&str]) -> (PathBuf, Output) {
        let runs = self.path(attempt).join(part);
        let split = self.shown("split.json");
        let mut command = perf(&["--split", &split, "--part", part, "--engine", "simulated"]);
        let output = command.args(more).env("PERF_RUNS_DIR", &runs).output().unwrap();
        (runs.join("0001"), output)
    }

    fn held(&self, part: &str) -> PathBuf {
        let (folder, output) = self.measure(part, "first", &[]);
        assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
        let said = out(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(&format!("part {part} of 3: ")), "{said}");
        folder
    }

    /// A machine that is killed in the middle: its scenario kills the command that runs it.
    fn dies(&self, part: &str) -> PathBuf {
        let built = self.path("built");
        std::fs::create_dir_all(&built).unwrap();
        std::fs::write(built.join("scenarios.json"), format!("[\"{PROGRAM}\"]")).unwrap();
        let script = format!(
            "#!/bin/sh\ncase \"$PERF_SETTINGS\" in *'\"plans\":false'*) kill -9 $PPID; exit 1 ;; esac\nexec {} \"$@\"\n",
            program(PROGRAM).display()
        );
        std::fs::write(built.join(PROGRAM), script).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(built.join(PROGRAM), mode).unwrap();
        let (folder, output) =
            self.measure(part, "died", &["--built", &built.display().to_string()]);
        assert_eq!(output.status.code(), None, "{}{}", out(&output), err(&output));
        folder
    }

    /// Merges runs; gives the merged run's folder and what was said.
    fn merge(&self, name: &str, runs: &[&Path], code: i32) -> (PathBuf, String) {
        let (folder, split) = (self.path("merged").join(name), self.shown("split.json"));
        let runs: Vec<&str> = runs.iter().map(|run| run.to_str().unwrap()).collect();
        let mut command = perf(&["merge", "--split", &split, "--out", folder.to_str().unwrap()]);
        let output = run(command.args(runs), code);
        let said = format!("{}{}", out(&output), err(&output));
        (folder, said.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

fn show(run_folder: &Path, format: &str) -> String {
    out(&run(&mut perf(&["show", run_folder.to_str().unwrap(), "--format", format]), 0))
}

/// Every guard of a run, with all that the gate says of it.
fn guards(run_folder: &Path) -> Vec<(String, GuardRow)> {
    let mut found = Vec::new();
    for path in perf_store::report_file::all_in(run_folder).unwrap() {
        let report: SuiteReport = perf_store::report_file::read(&path).unwrap();
        for load in report.loads {
            let rows = load.rows.into_iter();
            let named = rows.filter_map(|row| {
                Some((format!("{} {} {}", load.suite, load.load, row.metric), row.guard?))
            });
            found.extend(named);
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// One test, because its steps share the runs of the parts.
#[test]
fn parts_that_held_hold_together_as_one_run_and_a_dead_or_slow_one_decides_the_whole() {
    let machines = Machines::new();
    let split = machines.split();
    let names: Vec<(&str, usize)> =
        split.parts.iter().map(|part| (part.name.as_str(), part.suites.len())).collect();
    assert_eq!(names, [("small", 1), ("two", 1), ("four", 1)]);
    let [small, two, four] = ["small", "two", "four"].map(|part| machines.held(part));

    let (held, said) = machines.merge("held", &[&small, &two, &four], 0);
    assert!(said.contains(&format!("{} guards share one error rate", split.guards)), "{said}");
    assert_shown_in_every_format(&held, "held", 0);

    // The gate says of each guard what it says in a run that is not split.
    let whole = machines.path("whole");
    let mut arguments = SCENARIOS.to_vec();
    arguments.extend(["--engine", "simulated"]);
    run(perf(&arguments).env("PERF_RUNS_DIR", &whole), 0);
    let together = guards(&whole.join("0001"));
    assert_eq!(together.len(), split.guards as usize);
    assert_eq!(guards(&held), together);

    let dead = machines.dies("four");
    let (died, said) = machines.merge("died", &[&small, &two, &dead], 3);
    let why = "part four: INCONCLUSIVE: its run";
    assert!(said.contains(why) && said.contains("not measured: qwen2.5-32b-fp16"), "{said}");
    assert!(said.contains("measure part four again"), "{said}");
    assert_shown_in_every_format(&died, "inconclusive", 3);
    let (_, said) = machines.merge("missing", &[&small, &two], 3);
    assert!(said.contains("part four: INCONCLUSIVE: it left no run"), "{said}");
    // Its second run counts, and the first is not hidden.
    let (_, said) = machines.merge("again", &[&small, &two, &dead, &four], 0);
    assert!(said.contains("did not come to its end and is left aside"), "{said}");

    let (slow, output) = machines.measure("four", "slow", &["--inject", "decode=1.1"]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    let (regressed, said) = machines.merge("regressed", &[&small, &two, &slow], 1);
    assert!(said.contains("--inject decode=1.1"), "{said}");
    assert_shown_in_every_format(&regressed, "regressed", 1);
    // A regression is one also where another machine died.
    let (_, said) = machines.merge("worst", &[&small, &slow], 1);
    assert!(said.contains("part two: INCONCLUSIVE: it left no run"), "{said}");
    let (_, said) = machines.merge("both", &[&small, &two, &four, &slow], 1);
    assert!(said.contains("part four: INVALID: it has two runs"), "{said}");

    std::fs::write(small.join("cpu_smoke/report.json"), "{").unwrap();
    let (cut, said) = machines.merge("cut", &[&small, &small, &two, &four], 3);
    assert!(said.contains("part small: INCONCLUSIVE: a report cannot be read"), "{said}");
    assert!(said.contains("was named twice, and counts once"), "{said}");
    assert!(perf_store::runs::files(&cut.join("cpu_smoke"), "jsonl").unwrap().len() > 1);
}

fn assert_shown_in_every_format(run_folder: &Path, verdict: &str, code: u64) {
    let json: Value = serde_json::from_str(&show(run_folder, "json")).unwrap();
    assert_eq!((json["verdict"].as_str(), json["exit_code"].as_u64()), (Some(verdict), Some(code)));
    assert_eq!(json["parts"].as_array().map(Vec::len), Some(3), "{json}");
    let page = std::fs::read_to_string(run_folder.join("report.html")).unwrap();
    assert!(page.contains("E2E, cumulative"), "no charts of the records");
    assert_eq!(show(run_folder, "html").trim_end(), page.trim_end());
    let markdown = show(run_folder, "markdown");
    for text in [&markdown, &show(run_folder, "junit"), &show(run_folder, "csv")] {
        assert_eq!(text.contains("part four"), verdict == "inconclusive", "{text}");
        assert!(text.contains("cpu_smoke"), "{text}");
    }
    assert!(markdown.contains("parts: small ("), "{markdown}");
    // Every figure is recomputed from the records.
    let shown = out(&run(&mut perf(&["show", run_folder.to_str().unwrap(), "cpu_smoke"]), 0));
    assert!(shown.contains("output throughput [tok/s]"), "{shown}");
}

#[test]
fn what_makes_no_whole_is_refused_with_what_to_do() {
    let machines = Machines::new();
    let split = machines.shown("split.json");
    let says = |arguments: &[&str]| err(&run(&mut perf(arguments), 2));
    let twice = ["split", "--machine", "a=1", "--machine", "a=2", "--output", &split];
    assert!(says(&twice).contains("--machine a is given twice"));
    assert!(says(&["split", "--machine", "a=0"]).contains("`0` is no number of GPUs"));
    assert!(says(&["split"]).contains("--machine"));
    let small = ["split", "32b_fp16", "--machine", "a=1", "--output", &split];
    assert!(says(&small).contains("no machine can run any of the scenarios"));
    assert!(says(&["--split", &split]).contains("--part"));
    assert!(says(&["--split", &split, "--part", "a", "--tier", "pr"]).contains("cannot be used"));
    std::fs::write(machines.path("split.json"), "{}").unwrap();
    assert!(says(&["--split", &split, "--part", "a"]).contains("it is no split of a run"));
    run(&mut perf(&["split", "cpu_smoke", "--machine", "a", "--output", &split]), 0);
    let said = says(&["--split", &split, "--part", "b", "--engine", "simulated"]);
    assert!(said.contains("has no part `b`; its parts are: a"), "{said}");

    assert!(says(&["merge"]).contains("<RUN>"));
    assert!(says(&["merge", "/no/such/run"]).contains("there is no run"));
    let empty = machines.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let said = says(&["merge", empty.to_str().unwrap()]);
    assert!(said.contains("name the split with `--split FILE`"), "{said}");
    // A run of its own spent the error rate of a whole.
    let runs = machines.path("runs");
    let mut alone = perf(&["cpu_smoke", "--engine", "simulated"]);
    run(alone.env("PERF_RUNS_DIR", &runs), 0);
    let said = says(&["merge", runs.join("0001").to_str().unwrap()]);
    assert!(said.contains("is no part of a split run: its"), "{said}");
    let (folder, full) = (machines.shown("runs"), machines.shown("empty"));
    let said = says(&["merge", &full, "--split", &split, "--out", &folder]);
    assert!(said.contains("is not empty; name a new folder"), "{said}");
}
