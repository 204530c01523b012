//! Every `cargo xtask perf …` that the documents and the help show can be parsed, and every package that
//! documents, scripts and workflows give to cargo exists.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::error::ErrorKind;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files in folders of the repository, and in their folders.
fn files_below(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { &mut folders } else { &mut found }.push(path);
        }
    }
    found
}

/// The documents: at the root, under `docs`, and those of a new repository.
fn documents() -> Vec<PathBuf> {
    let root = root();
    let mut found = files_below(&["docs", "perf/cli/template"]);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    let at_root = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];
    found.extend(at_root.map(|name| root.join(name)));
    found.sort();
    found
}

/// The commands in the code blocks of a document, which are indented or fenced. A line that ends with
/// a backslash goes on in the next.
fn in_blocks(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut is_fenced = false;
    let mut found = Vec::new();
    for line in joined.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if (is_fenced || line.starts_with("    ")) && line.contains("cargo xtask perf") {
            found.extend(command_in(line.trim()));
        }
    }
    found
}

/// The command of a line: at its beginning, or behind the variables of its environment.
fn command_in(line: &str) -> Option<String> {
    let (before, _) = line.split_once("cargo xtask perf")?;
    let is_variable = |word: &str| word.contains('=');
    before.split_whitespace().all(is_variable).then(|| line[before.len()..].to_owned())
}

/// The commands in the sentences of a document. What leaves something out is no whole command.
fn in_sentences(text: &str) -> Vec<String> {
    let spans = text.split("`cargo xtask perf").skip(1).filter_map(|rest| rest.split('`').next());
    spans
        .filter(|span| !span.contains(['…', '[']))
        .map(|span| {
            let span = span.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("cargo xtask perf {span}")
        })
        .collect()
}

/// The words of a command as a shell splits them, up to a comment, a pipe or a redirection. Of
/// alternatives (`pr|nightly|full`), the first.
fn words(command: &str) -> Vec<String> {
    let words = shlex::split(command).unwrap_or_default();
    let of_command = words.iter().take_while(|word| !word.starts_with(['|', '>', '<', ';', '&']));
    of_command.filter_map(|word| word.split('|').next()).map(str::to_owned).collect()
}

/// What is wrong with a command, which begins with `cargo xtask perf`.
fn fault(command: &str) -> Option<String> {
    error(command).map(|why| format!("{command}\n{why}"))
}

/// The same for a command in a sentence, which may name an option without its value.
fn fault_in_sentence(command: &str) -> Option<String> {
    let is_short = |error: &clap::Error| {
        error.kind() == ErrorKind::MissingRequiredArgument
            || error.to_string().contains("a value is required for")
    };
    error(command).filter(|error| !is_short(error)).map(|why| format!("{command}\n{why}"))
}

fn error(command: &str) -> Option<clap::Error> {
    let words = words(command);
    match words.get(3).map(String::as_str) {
        Some("load") => perf_tools::check_command_line(&words[4..]).err(),
        _ => perf_cli::check_command_line(&words[1..]).err(),
    }
}

/// The packages that the lines with a `cargo` give to it.
fn packages_given_to_cargo(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| line.contains("cargo")) {
        let is_between = |letter: char| letter.is_whitespace() || "'\"`,[]()".contains(letter);
        let mut words = line.split(is_between).filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            if matches!(word, "-p" | "--package") {
                // A variable of a script is known when it runs.
                found.extend(words.next().filter(|package| !package.starts_with('$')));
            }
        }
    }
    found
}

#[test]
fn every_package_that_documents_scripts_and_workflows_give_to_cargo_exists() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    // What has no source is of this workspace.
    let own: Vec<_> = lock
        .split("[[package]]")
        .filter(|package| !package.contains("\nsource = "))
        .filter_map(|package| package.split("name = \"").nth(1)?.split('"').next())
        .collect();
    let files = [documents(), files_below(&["scripts", ".ci", ".github"])].concat();
    let (mut faults, mut checked) = (Vec::new(), 0);
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        for package in packages_given_to_cargo(&text) {
            checked += 1;
            if !own.contains(&package) {
                faults.push(format!("{}: no package is called {package}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(checked > 15, "only {checked} packages were found");
}

#[test]
fn every_command_that_the_documents_show_can_be_parsed() {
    let (mut faults, mut checked) = (Vec::new(), 0);
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        let (blocks, sentences) = (in_blocks(&text), in_sentences(&text));
        checked += blocks.len() + sentences.len();
        let found = blocks.iter().filter_map(|command| fault(command));
        let found = found.chain(sentences.iter().filter_map(|command| fault_in_sentence(command)));
        faults.extend(found.map(|fault| format!("{}: {fault}", path.display())));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(checked > 100, "only {checked} commands were found");
}

#[test]
fn every_example_of_the_help_can_be_parsed() {
    let commands = ["", "refresh", "compare", "sweep", "power", "judge", "accept", "rewrite"];
    let others = ["show", "import", "published", "doctor", "init"];
    let (mut faults, mut checked) = (Vec::new(), 0);
    for command in commands.into_iter().chain(others) {
        let mut help = Command::new(env!("CARGO_BIN_EXE_xtask"));
        help.arg("perf").args(command.split_whitespace()).arg("--help");
        // No line is broken.
        help.env("COLUMNS", "400");
        let help = String::from_utf8(help.output().unwrap().stdout).unwrap();
        let lines = help.lines().filter(|line| line.starts_with("  cargo xtask perf"));
        for line in lines {
            // What an example does stands at some distance from it.
            let example = line.trim().split("   ").next().unwrap();
            checked += 1;
            faults.extend(fault(example));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(checked > 30, "only {checked} examples were found");
}

#[test]
fn a_command_that_cannot_be_parsed_is_a_fault() {
    let text = "A text:\n\n    A=1 cargo xtask perf \\\n      chat -- --max-num-seqs 8  # an argument\n\n\
        or `cargo xtask perf\nshow last`, but not `cargo xtask perf show … --x`\n";
    let found = [in_blocks(text), in_sentences(text)].concat();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(words(&found[0]), ["cargo", "xtask", "perf", "chat", "--", "--max-num-seqs", "8"]);
    assert!(found.iter().all(|command| fault(command).is_none()));
    for wrong in ["show last --fromat html", "--engine dokcer", "load --no-such-option"] {
        assert!(fault(&format!("cargo xtask perf {wrong}")).is_some(), "{wrong}");
    }
    let quoted = words("cargo xtask perf load --body '{\"a\": 1}' \"b c\" > out.txt");
    assert_eq!(quoted[5..], ["{\"a\": 1}", "b c"]);
}
