//! The shell steps of the workflows in `.github/`, run in their order with a stand-in for `gh` and one
//! for `cargo`: they must leave the comment, the checks and the commit that the workflows promise.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// Answers the few requests that the scripts make, and writes down what they send.
const GH: &str = r#"#!/usr/bin/env bash
set -euo pipefail
method=GET url= content=
shift
while (($#)); do
  case "$1" in
    --method) method=$2; shift ;;
    --jq) shift ;;
    -f | -F)
      echo "$2" >> "$STATE/fields"
      case "$2" in *=@*) content=${2#*=@} ;; esac
      shift ;;
    --paginate | --silent) ;;
    *) url=$1 ;;
  esac
  shift
done
echo "$method $url" >> "$STATE/requests"
case "$method $url" in
  'GET '*/files) cat "$STATE/files" ;;
  'GET '*/permission) cat "$STATE/permission" ;;
  'GET '*/pulls/*) cat "$STATE/head" ;;
  'GET '*/comments) [[ ! -f $STATE/comment ]] || echo 4711 ;;
  'POST '*/comments | 'PATCH '*/comments/4711) cp "$content" "$STATE/comment" ;;
  'POST '*/check-runs) cp "$content" "$STATE/check" ;;
  *) echo "unexpected: $method $url" >&2; exit 1 ;;
esac
"#;

/// `cargo xtask perf`: leaves a split or a baseline as the real one does, and the program that a build
/// leaves, which measures and merges.
const CARGO: &str = r#"#!/usr/bin/env bash
set -euo pipefail
echo "$*" >> "$STATE/cargo"
if [[ $3 == refresh ]]; then
  mkdir -p baselines/gpu/s
  echo "throughput: 1594" > baselines/gpu/s/l.snap
  echo "{}" > baselines/gpu/s/l.starts.json
  echo pending > baselines/gpu/s/l.snap.new
  echo pending > baselines/gpu/s/l.starts.json.new
  echo "output throughput  1672 -> 1594  -4.7 %"
  exit 0
fi
[[ $3 == split ]]
while (($#)); do
  case "$1" in
    --build) scenarios=$2 ;;
    --output) split=$2 ;;
  esac
  shift
done
mkdir -p "$scenarios" target/debug
echo program > "$scenarios/chat"
echo '{"schema": 1, "parts": [{"name": "gpu-1"}, {"name": "gpu-8"}]}' > "$split"
cp "$STATE/../bin/xtask" target/debug/xtask
"#;

/// The program that was built: leaves a run, or a merged one.
const XTASK: &str = r#"#!/usr/bin/env bash
set -euo pipefail
echo "$CARGO_MANIFEST_DIR $*" >> "$STATE/xtask"
if [[ $2 == merge ]]; then
  while (($#)); do
    [[ $1 != --out ]] || out=$2
    shift
  done
  mkdir -p "$out"
  [[ $CODE == 2 ]] || cp "$STATE/report" "$out/report.md"
  exit "$CODE"
fi
mkdir -p baselines/gpu/s
echo pending > baselines/gpu/s/l.snap.new
echo pending > baselines/gpu/s/l.starts.json.new
[[ $CODE != 2 ]] || exit 2
mkdir -p "$PERF_RUNS_DIR/0001/s"
echo '{}' > "$PERF_RUNS_DIR/0001/run.json"
[[ $CODE == 130 ]] || cp "$STATE/report" "$PERF_RUNS_DIR/0001/report.md"
exit "$CODE"
"#;

const REPORT: &str = "**REGRESSED: 1 of 2 guards**: to accept the loss, run `cargo xtask perf refresh s`\n\n\
    | verdict | figure |\n|---|---|\n| REGRESSED | output throughput |\n\n\
    <details><summary>s / l</summary>\n\nall of it\n\n</details>\n";

const COMMIT: &str = "0123456789012345678901234567890123456789";

/// A machine on which the steps run.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: TempDir::new().unwrap() };
        for folder in ["bin", "state", "work"] {
            std::fs::create_dir(machine.path(folder)).unwrap();
        }
        for (name, text) in [("gh", GH), ("cargo", CARGO), ("xtask", XTASK)] {
            let path = machine.path("bin").join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        machine.say("report", REPORT);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a stand-in answers.
    fn say(&self, name: &str, text: &str) {
        std::fs::write(self.path("state").join(name), text).unwrap();
    }

    /// What a stand-in was sent; empty if nothing was.
    fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.path("state").join(name)).unwrap_or_default()
    }

    /// Runs a script in a folder.
    fn run(&self, script: &str, folder: &Path, environment: &[(&str, &str)]) -> Output {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        Command::new("bash")
            .arg(root.join(".github/scripts").join(script))
            .current_dir(folder)
            .env("PATH", path)
            .env("STATE", self.path("state"))
            .env("GITHUB_OUTPUT", self.path("state/output"))
            .env("GITHUB_STEP_SUMMARY", self.path("state/summary"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("REPOSITORY", "owner/name")
            .env("NUMBER", "7")
            .env("COMMIT", COMMIT)
            .env("RUN_URL", "https://example.com/runs/1")
            .env("GH_TOKEN", "a-token")
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }

    /// Runs a script, which must end with this exit code.
    fn step(&self, script: &str, environment: &[(&str, &str)], code: i32) -> String {
        let output = self.run(script, &self.path("work"), environment);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{script}: {text}");
        text
    }

    /// What the steps so far put out, the last of each name.
    fn outputs(&self) -> BTreeMap<String, String> {
        let text = self.said("output");
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

#[test]
fn a_pull_request_is_measured_where_it_has_the_label_or_changes_a_pin() {
    for (event, label, files, tier, wanted) in [
        ("pull_request", "true", "README.md", "", "true pr"),
        ("pull_request", "false", "src/a.rs\nperf.toml", "", "true pr"),
        ("pull_request", "false", "docs/perf.toml\nperf.toml.md", "", "false pr"),
        ("schedule", "false", "", "", "true nightly"),
        ("workflow_dispatch", "false", "", "full", "true full"),
    ] {
        let machine = Machine::new();
        machine.say("files", files);
        let environment = [("EVENT", event), ("HAS_LABEL", label), ("ASKED_TIER", tier)];
        machine.step("perf-plan.sh", &environment, 0);
        let outputs = machine.outputs();
        assert_eq!(
            format!("{} {}", outputs["wanted"], outputs["tier"]),
            wanted,
            "{event}, {files}"
        );
    }
}

#[test]
fn a_label_that_is_not_perf_measures_nothing_again() {
    for (label, wanted) in [("perf", "true"), ("documentation", "false")] {
        let machine = Machine::new();
        let environment = [
            ("EVENT", "pull_request"),
            ("ACTION", "labeled"),
            ("LABEL", label),
            ("HAS_LABEL", "true"),
        ];
        machine.step("perf-plan.sh", &environment, 0);
        assert_eq!(machine.outputs()["wanted"], wanted, "{label}");
    }
}

/// What the job leaves that builds once and splits.
fn split(machine: &Machine) {
    let environment = [
        ("MACHINES", r#"["gpu-1=1", "gpu-8=8"]"#),
        ("TIER", "pr"),
        ("FILTERS", "chat awq"),
        ("OUT", "perf-built"),
    ];
    machine.step("perf-split.sh", &environment, 0);
}

#[test]
fn a_run_is_built_once_and_split_over_the_machines() {
    let machine = Machine::new();
    split(&machine);
    assert_eq!(
        machine.said("cargo").trim(),
        "xtask perf split chat awq --tier pr --build perf-built/scenarios --output perf-built/split.json \
         --machine gpu-1=1 --machine gpu-8=8"
    );
    assert_eq!(machine.outputs()["parts"], r#"["gpu-1","gpu-8"]"#);
    for built in ["split.json", "xtask", "scenarios/chat"] {
        assert!(machine.path("work/perf-built").join(built).is_file(), "{built}");
    }
}

/// What a machine leaves that measures its part.
fn measure(machine: &Machine, part: &str, code: &str, exit: i32) -> String {
    let out = format!("runs/perf-{part}");
    let environment = [
        ("MACHINE", part),
        ("IMAGE", "vllm/vllm-openai:v1"),
        ("BUILT", "perf-built"),
        ("OUT", out.as_str()),
        ("CODE", code),
    ];
    machine.step("perf-gate.sh", &environment, exit)
}

#[test]
fn a_part_leaves_its_records_and_a_summary_and_fails_only_where_it_left_no_run() {
    for (code, exit) in [("0", 0), ("1", 0), ("3", 0), ("4", 0), ("130", 0), ("2", 2)] {
        let machine = Machine::new();
        split(&machine);
        // An artifact keeps no permissions.
        let program = machine.path("work/perf-built/xtask");
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o644)).unwrap();
        let said = measure(&machine, "gpu-1", code, exit);
        let work = machine.path("work");
        let work = work.canonicalize().unwrap();
        assert_eq!(
            machine.said("xtask").trim(),
            format!(
                "{}/xtask perf --split perf-built/split.json --part gpu-1 --built perf-built/scenarios --require gpu \
                 --image vllm/vllm-openai:v1",
                work.display()
            )
        );
        let out = machine.path("work/runs/perf-gpu-1");
        for pending in ["l.snap.new", "l.starts.json.new"] {
            assert!(out.join("baselines/gpu/s").join(pending).is_file(), "{pending}");
        }
        assert_eq!(out.join("runs/0001/run.json").is_file(), code != "2");
        let summary = machine.said("summary");
        assert!(summary.starts_with("### gpu-1\n\n**"), "{summary}");
        assert_eq!(summary.contains("no report"), matches!(code, "2" | "130"), "{summary}");
        assert_eq!(said.contains("the merged run has the verdict"), exit == 0, "{said}");
    }
}

#[test]
fn the_runs_of_all_parts_become_one_with_one_exit_code_and_a_dead_machine_is_missing() {
    for (code, exit) in [("0", 0), ("1", 1), ("3", 0), ("4", 4), ("2", 2)] {
        for alive in [&["gpu-1", "gpu-8"][..], &["gpu-1"], &[]] {
            let machine = Machine::new();
            split(&machine);
            for part in alive {
                measure(&machine, part, "0", 0);
            }
            std::fs::create_dir_all(machine.path("work/runs/perf-died/runs/0001")).unwrap();
            let environment =
                [("BUILT", "perf-built"), ("RUNS", "runs"), ("OUT", "perf-merged"), ("CODE", code)];
            let said = machine.step("perf-merge.sh", &environment, exit);
            let runs = alive.iter().map(|part| format!("runs/perf-{part}/runs/0001 "));
            let runs = runs.collect::<Vec<_>>().concat();
            let called = machine.said("xtask");
            assert!(
                called.ends_with(&format!(
                    "perf merge {runs}--split perf-built/split.json --out perf-merged/run\n"
                )),
                "{called}"
            );
            let out = machine.path("work/perf-merged");
            assert_eq!(std::fs::read_to_string(out.join("code")).unwrap().trim(), code);
            let report = std::fs::read_to_string(out.join("report.md")).unwrap();
            assert_eq!(report.contains("no report"), code == "2", "{report}");
            assert!(machine.said("summary").ends_with(&report));
            assert_eq!(said.contains("::warning::inconclusive"), code == "3", "{said}");
        }
    }
}

#[test]
fn no_word_of_a_filter_reaches_a_shell_or_becomes_an_option() {
    for filter in ["--inject", "$(touch injected)", "a;b", "`id`"] {
        let machine = Machine::new();
        let environment = [
            ("MACHINE", "m"),
            ("MACHINES", "[]"),
            ("TIER", "pr"),
            ("FILTERS", filter),
            ("OUT", "out"),
        ];
        machine.step("perf-split.sh", &environment, 2);
        machine.step("perf-refresh.sh", &environment, 2);
        assert_eq!(machine.said("cargo"), "", "{filter}");
        assert!(!machine.path("work/injected").exists());
    }
}

/// Puts what the merge left where the report job downloads it.
fn download(machine: &Machine, code: &str, report: &str) {
    let folder = machine.path("work/merged");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("code"), code).unwrap();
    std::fs::write(folder.join("report.md"), report).unwrap();
}

#[test]
fn the_run_has_one_check_in_which_what_is_not_known_is_neutral() {
    for (code, report, conclusion, title) in [
        ("0\n", "**held: 2 of 2 guards**; nothing to do\n", "success", "held: 2 of 2 guards"),
        ("1\n", REPORT, "failure", "REGRESSED: 1 of 2 guards: to accept"),
        ("3\n", "**INCONCLUSIVE**: measure part b\n", "neutral", "INCONCLUSIVE: measure part b"),
        ("4\n", "**INVALID**: fix\n", "failure", "INVALID: fix"),
        ("130\n", "**held**\n", "cancelled", "held"),
        ("", "", "neutral", "no result: nothing was merged"),
    ] {
        let machine = Machine::new();
        if !code.is_empty() {
            download(&machine, code, report);
        }
        machine.step("perf-check.sh", &[("RUN", "merged")], 0);
        let fields = machine.said("fields");
        assert!(fields.contains(&format!("\nconclusion={conclusion}\n")), "{fields}");
        assert!(fields.contains(&format!("output[title]={title}")), "{fields}");
        assert!(fields.contains(&format!("head_sha={COMMIT}")), "{fields}");
        assert_eq!(fields.matches("name=perf\n").count(), 1, "{fields}");
    }
}

#[test]
fn the_comment_is_made_once_and_then_updated_in_place() {
    let machine = Machine::new();
    download(&machine, "1", REPORT);
    machine.step("perf-comment.sh", &[("RUN", "merged")], 0);
    let first = machine.said("comment");
    assert!(first.starts_with("**REGRESSED: 1 of 2 guards**: to accept"), "{first}");
    assert!(
        first.contains("all of it") && first.ends_with("<!-- vllm-perf:report -->\n"),
        "{first}"
    );
    download(&machine, "0", "**held: 2 of 2 guards**; nothing to do\n");
    machine.step("perf-comment.sh", &[("RUN", "merged")], 0);
    assert!(machine.said("comment").starts_with("**held"));
    let changes: Vec<String> = machine
        .said("requests")
        .lines()
        .filter(|line| !line.starts_with("GET"))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        changes,
        ["POST repos/owner/name/issues/7/comments", "PATCH repos/owner/name/issues/comments/4711"]
    );
}

#[test]
fn a_comment_fits_and_keeps_what_did_not_hold() {
    let machine = Machine::new();
    download(&machine, "1", &format!("{REPORT}{}", "detail ".repeat(20_000)));
    machine.step("perf-comment.sh", &[("RUN", "merged")], 0);
    let comment = machine.said("comment");
    assert!(comment.len() < 60_000, "{}", comment.len());
    assert_eq!(comment.matches("| REGRESSED | output throughput |").count(), 1);
    assert!(!comment.contains("<details>"), "{comment}");
    download(&machine, "1", &"one long line ".repeat(20_000));
    machine.step("perf-comment.sh", &[("RUN", "merged")], 0);
    assert!(machine.said("comment").len() < 60_000);
}

#[test]
fn without_any_report_the_comment_says_so() {
    let machine = Machine::new();
    machine.step("perf-comment.sh", &[("RUN", "merged")], 0);
    assert!(machine.said("comment").starts_with("**no result**: no part left a report"));
}

#[test]
fn only_who_may_write_refreshes_and_only_a_branch_of_this_repository() {
    let head = format!("owner/name {COMMIT} fix/a_b");
    for (permission, head, comment, exit) in [
        ("write", head.as_str(), "/perf refresh chat awq\nthanks", 0),
        ("read", &head, "/perf refresh", 1),
        ("admin", &format!("fork/name {COMMIT} fix"), "/perf refresh", 1),
        ("admin", &format!("owner/name {COMMIT} -x"), "/perf refresh", 1),
        ("admin", &head, "/perf refresh $(id)", 2),
    ] {
        let machine = Machine::new();
        machine.say("permission", permission);
        machine.say("head", head);
        let environment = [
            ("EVENT", "issue_comment"),
            ("ACTOR", "someone"),
            ("COMMENT", comment),
            ("MACHINES", r#"["gpu-1=1", "gpu-8=8", "cpu"]"#),
        ];
        machine.step("perf-authorize.sh", &environment, exit);
        let outputs = machine.outputs();
        if exit == 0 {
            assert_eq!(outputs["commit"], COMMIT);
            assert_eq!(
                (outputs["branch"].as_str(), outputs["filters"].trim()),
                ("fix/a_b", "chat awq")
            );
            assert_eq!(outputs["machines"], r#"["gpu-1","gpu-8","cpu"]"#);
        } else {
            assert!(outputs.is_empty(), "{comment}");
        }
    }
}

/// Runs git in a folder.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=n",
            "-c",
            "user.email=n@example.com",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with a branch, its clone in which steps run, and its commit.
fn repository(machine: &Machine) -> (PathBuf, PathBuf, String) {
    let (remote, branch) = (machine.path("remote.git"), machine.path("work/branch"));
    git(machine.folder.path(), &["init", "--quiet", "--bare", "remote.git"]);
    git(
        machine.folder.path(),
        &["clone", "--quiet", remote.to_str().unwrap(), branch.to_str().unwrap()],
    );
    std::fs::create_dir_all(branch.join("baselines/gpu/s")).unwrap();
    std::fs::write(branch.join("baselines/gpu/s/l.snap"), "throughput: 1672\n").unwrap();
    git(&branch, &["checkout", "--quiet", "-b", "fix"]);
    git(&branch, &["add", "--all"]);
    git(&branch, &["commit", "--quiet", "--message", "before"]);
    git(&branch, &["push", "--quiet", "origin", "fix"]);
    let commit = git(&branch, &["rev-parse", "HEAD"]);
    (remote, branch, commit)
}

#[test]
fn a_refresh_ends_as_a_commit_on_the_branch_that_says_what_was_measured_where() {
    let machine = Machine::new();
    let (remote, branch, commit) = repository(&machine);
    let out = machine.path("work/baselines/perf-baselines-gpu-1");
    let measured = machine.run(
        "perf-refresh.sh",
        &branch,
        &[("MACHINE", "gpu-1"), ("FILTERS", "chat"), ("OUT", out.to_str().unwrap())],
    );
    assert!(measured.status.success(), "{}", String::from_utf8_lossy(&measured.stderr));
    assert_eq!(machine.said("cargo").trim(), "xtask perf refresh chat --require gpu");
    // The job that pushes has a checkout of its own.
    git(&branch, &["checkout", "--quiet", "--", "."]);
    git(&branch, &["clean", "--quiet", "--force", "-d"]);
    let environment = [
        ("BASELINES", "../baselines"),
        ("BRANCH", "fix"),
        ("REMOTE", remote.to_str().unwrap()),
        ("COMMIT", &commit),
    ];
    let pushed = machine.run("perf-push.sh", &branch, &environment);
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    assert_eq!(git(&remote, &["show", "fix:baselines/gpu/s/l.snap"]), "throughput: 1594");
    assert_eq!(
        git(&remote, &["diff", "--name-only", &commit, "fix"]),
        "baselines/gpu/s/l.snap\nbaselines/gpu/s/l.starts.json"
    );
    let message = git(&remote, &["log", "-1", "--format=%an%n%B", "fix"]);
    for part in
        ["github-actions[bot]\nRefresh the baselines", "gpu-1: chat", "1672 -> 1594  -4.7 %"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
    let configuration = std::fs::read_to_string(branch.join(".git/config")).unwrap();
    assert!(!configuration.contains("extraheader"), "the token was kept: {configuration}");
}

#[test]
fn what_a_runner_left_beside_baselines_is_never_committed() {
    for name in [
        "baselines/gpu/s/run.sh",
        "baselines/../.github/workflows/x.snap",
        "baselines/gpu/.hidden.snap",
    ] {
        let machine = Machine::new();
        let (remote, branch, commit) = repository(&machine);
        let out = machine.path("work/baselines/perf-baselines-gpu-1");
        std::fs::create_dir_all(out.join("baselines/gpu/s")).unwrap();
        std::fs::create_dir_all(out.join(".github/workflows")).unwrap();
        std::fs::write(out.join("message"), "m").unwrap();
        std::fs::write(out.join(name), "x").unwrap();
        let environment = [
            ("BASELINES", "../baselines"),
            ("BRANCH", "fix"),
            ("REMOTE", remote.to_str().unwrap()),
            ("COMMIT", &commit),
        ];
        machine.run("perf-push.sh", &branch, &environment);
        assert_eq!(git(&remote, &["rev-parse", "fix"]), commit, "{name} was pushed");
    }
}

#[test]
fn a_link_that_a_runner_left_is_refused() {
    let machine = Machine::new();
    let (remote, branch, commit) = repository(&machine);
    let out = machine.path("work/baselines/perf-baselines-gpu-1/baselines/gpu/s");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("../../../message"), "m").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", out.join("l.snap")).unwrap();
    let environment = [
        ("BASELINES", "../baselines"),
        ("BRANCH", "fix"),
        ("REMOTE", remote.to_str().unwrap()),
        ("COMMIT", &commit),
    ];
    let refused = machine.run("perf-push.sh", &branch, &environment);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("holds a link"));
    assert_eq!(git(&remote, &["rev-parse", "fix"]), commit);
}

#[test]
fn every_workflow_is_yaml_and_each_of_its_steps_does_one_thing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut steps = 0;
    for folder in ["", "workflows", "ISSUE_TEMPLATE"] {
        let entries = std::fs::read_dir(root.join(".github").join(folder)).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        for file in files.filter(|file| file.extension().is_some_and(|it| it == "yml")) {
            let text = std::fs::read_to_string(&file).unwrap();
            let document: serde_json::Value = serde_saphyr::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let jobs = document["jobs"].as_object().into_iter().flat_map(|jobs| jobs.values());
            for step in jobs.flat_map(|job| job["steps"].as_array().into_iter().flatten()) {
                assert!(step["run"].is_string() != step["uses"].is_string(), "{step}");
                steps += 1;
            }
        }
    }
    assert!(steps > 30, "{steps}");
}

#[test]
fn every_step_of_a_workflow_that_is_a_script_is_here_and_can_be_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut named = 0;
    for workflow in ["perf.yml", "perf-refresh.yml"] {
        let text = std::fs::read_to_string(root.join(".github/workflows").join(workflow)).unwrap();
        for line in text.lines().filter(|line| line.contains(".github/scripts/")) {
            let name = line.rsplit('/').next().unwrap();
            let script = root.join(".github/scripts").join(name);
            let mode = std::fs::metadata(&script).unwrap().permissions().mode();
            assert!(mode & 0o111 != 0, "{name} cannot be run");
            named += 1;
        }
        // What others wrote reaches scripts as variables, never as part of their text.
        let runs = text.lines().filter(|line| line.trim_start().starts_with("run:"));
        assert_eq!(runs.filter(|line| line.contains("${{")).count(), 0, "{workflow}");
        for action in text.lines().filter_map(|line| line.split_once("uses: ")) {
            let hash = action.1.split_once('@').unwrap().1.split(' ').next().unwrap();
            assert_eq!(hash.len(), 40, "{workflow}: {} is not pinned", action.1);
        }
    }
    assert_eq!(named, 9);
}
