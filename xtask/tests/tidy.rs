//! The house rules that a machine can check.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files longer than this are cut up, tests aside.
const LINES: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files with an extension, from the root, without what is built.
fn files(extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|there| there == extension) {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn no_source_file_is_too_long_and_each_says_what_it_owns() {
    for path in files("rs") {
        let text = read(path.to_str().unwrap());
        let is_test = path
            .components()
            .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs");
        let lines = text.lines().count();
        assert!(
            is_test || lines <= LINES,
            "{} has {lines} lines; {LINES} is the most: cut it up",
            path.display()
        );
        assert!(
            text.starts_with("//!"),
            "{} does not begin with a line that says what it owns",
            path.display()
        );
    }
}

/// Words that a busy engineer would not use; CONTRIBUTING.md has the rule.
const ODD_WORDS: [&str; 7] =
    ["told", "whatever", "whoever", "nobody", "acquitted", "bettered", "lest"];

#[test]
fn documents_messages_comments_and_names_use_plain_words() {
    // These two quote the words.
    let quotes = |path: &PathBuf| path.ends_with("CONTRIBUTING.md") || path.ends_with("tidy.rs");
    for path in files("md").into_iter().chain(files("rs")).filter(|path| !quotes(path)) {
        let text = read(path.to_str().unwrap()).to_lowercase();
        let words = text.split(|letter: char| !letter.is_alphanumeric());
        let odd: Vec<&str> = words.filter(|word| ODD_WORDS.contains(word)).collect();
        assert!(odd.is_empty(), "{} has {odd:?}", path.display());
    }
}

#[test]
fn every_path_that_the_documents_name_exists() {
    let documents = [
        "docs/ARCHITECTURE.md",
        "docs/FORMATS.md",
        "docs/OWN-REPOSITORY.md",
        "docs/RELEASING.md",
        "docs/gate/method.md",
        "docs/gate/reading.md",
        "docs/how-to/gpu-runner.md",
        "docs/how-to/split-a-run.md",
        "docs/how-to/upgrade-driver.md",
        "docs/how-to/upgrade-vllm.md",
        "docs/how-to/widen-a-band.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "README.md",
        "SECURITY.md",
    ];
    for document in documents {
        let text = read(document);
        let words = text
            .split(['`', '(', ')', ' ', '\n'])
            .map(|word| word.trim_end_matches([',', '.', ':', ';']));
        let paths = words.filter(|word| {
            let tops = ["perf/", "xtask/", "tests/", "docs/", "baselines/", ".github/"];
            tops.iter().any(|top| word.starts_with(top)) && !word.contains(['<', '*', '…'])
        });
        for path in paths {
            // This page names the files of a new repository too.
            let is_of_template = document == "docs/OWN-REPOSITORY.md"
                && root().join("perf/cli/template").join(path).exists();
            assert!(
                root().join(path).exists() || is_of_template,
                "{document} names {path}, which does not exist"
            );
        }
    }
}

#[test]
fn the_crates_depend_on_each_other_as_the_architecture_says() {
    let drawn: BTreeSet<(String, String)> = read("docs/ARCHITECTURE.md")
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(" → "))
        .filter(|(from, _)| from.starts_with("perf") || *from == "xtask")
        .flat_map(|(from, to)| {
            to.split(", ").map(|to| (from.to_owned(), to.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    let mut real = BTreeSet::new();
    for manifest in [
        "",
        "perf/cli/",
        "perf/store/",
        "perf/tools/",
        "perf/clock/",
        "perf/engine/",
        "perf/gate/",
        "perf/load/",
        "perf/machine/",
        "perf/model/",
        "perf/report/",
        "perf/sim/",
        "xtask/",
    ] {
        let text = read(&format!("{manifest}Cargo.toml"));
        let from = text
            .lines()
            .find_map(|line| line.strip_prefix("name = "))
            .unwrap()
            .trim_matches('"')
            .trim_start_matches("vllm-")
            .to_owned();
        let dependencies = text.split("\n[dependencies]\n").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        for line in dependencies.lines().filter(|line| line.starts_with("perf")) {
            real.insert((from.clone(), line.split(['.', ' ']).next().unwrap().to_owned()));
        }
    }
    assert_eq!(drawn, real, "left: drawn in docs/ARCHITECTURE.md, right: in the manifests");
}

#[test]
fn the_modules_of_a_crate_import_only_from_those_before_them() {
    let text = read("docs/ARCHITECTURE.md");
    let orders: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("    modules of ")?.split_once(": "))
        .collect();
    assert_eq!(orders.len(), 2, "the order of the modules in perf/model and perf/load: {orders:?}");
    for (sources, order) in orders {
        let steps: Vec<Vec<&str>> =
            order.split(" → ").map(|step| step.split(", ").collect()).collect();
        let step_of = |module: &str| steps.iter().position(|step| step.contains(&module));
        let mut seen = BTreeSet::new();
        for path in files("rs").into_iter().filter(|path| path.starts_with(sources)) {
            let module = path.strip_prefix(sources).unwrap().iter().next().unwrap();
            let module = module.to_str().unwrap().trim_end_matches(".rs");
            let Some(step) = step_of(module) else { continue };
            seen.insert(module.to_owned());
            let text = read(path.to_str().unwrap());
            // Unit tests may use what comes later.
            let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
            for name in code.split("crate::").skip(1) {
                let other: String = name
                    .chars()
                    .take_while(|letter| letter.is_ascii_lowercase() || *letter == '_')
                    .collect();
                assert!(
                    other == module || step_of(&other).is_none_or(|other| other < step),
                    "{} imports from `{other}`, against the order in docs/ARCHITECTURE.md",
                    path.display()
                );
            }
        }
        assert_eq!(seen.len(), steps.iter().flatten().count(), "{sources}: {seen:?}");
    }
}

#[test]
fn every_suite_has_a_name_of_its_own_and_no_simulated_baseline_is_an_orphan() {
    let mut suites = BTreeSet::new();
    let mut loads = BTreeSet::new();
    for path in files("rs").into_iter().filter(|path| path.starts_with("tests")) {
        let text = read(path.to_str().unwrap());
        for name in names_after(&text, "Suite::new(\"") {
            assert!(
                suites.insert(name.clone()),
                "two suites are called `{name}`; they would share their baselines"
            );
        }
        loads.extend(names_after(&text, "Load::new(\""));
    }
    for path in files("snap").into_iter().filter(|path| path.starts_with("baselines")) {
        let parts: Vec<String> =
            path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let [_, hardware, suite, load] = parts.as_slice() else {
            panic!("{} lies at no baseline's place", path.display())
        };
        if hardware == "simulated" {
            let load = load.trim_end_matches(".snap");
            assert!(
                suites.contains(suite) && loads.contains(load),
                "{} belongs to no scenario",
                path.display()
            );
        }
    }
}

fn names_after(text: &str, start: &str) -> Vec<String> {
    text.split(start).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[test]
fn perf_toml_is_valid() {
    perf_model::spec::config::Config::from_toml(&read("perf.toml")).unwrap();
}

#[test]
fn the_alias_of_xtask_shows_the_progress_of_cargo() {
    let alias = read(".cargo/config.toml");
    assert!(!alias.contains("--quiet"), "a build of minutes would be silent: {alias}");
}

/// Each dependency with its features, in the builds that these options select.
fn dependencies(options: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--prefix", "none", "--format", "{p} [{f}]"])
        .args(options)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

/// One feature more in one of them, and each switch between the README's commands builds half of
/// the crates a second time.
#[test]
fn the_suite_the_commands_and_the_tests_are_built_from_the_same_crates() {
    let tests = dependencies(&["--workspace", "--edges", "normal,build,dev"]);
    let commands = dependencies(&["--workspace", "--edges", "normal,build"]);
    let suite = dependencies(&["--package", "vllm-perf", "--edges", "normal,build,dev"]);
    for (what, some) in [("cargo xtask", commands), ("the suite", suite)] {
        let other: Vec<_> = some.difference(&tests).collect();
        assert!(
            other.is_empty(),
            "{what} is built with other features than `cargo test`: {other:?}; declare them for \
             the workspace in Cargo.toml"
        );
    }
}
