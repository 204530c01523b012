//! The files of a new repository, as they lie in `perf/cli/template`: [`all`]. What is the same in
//! this repository is taken from it, so that it cannot differ.

use super::NewFile;
use super::manifest::manifest;
use super::source::Source;

/// A file as it was when this program was built.
struct Template {
    path: &'static str,
    text: &'static str,
}

macro_rules! template {
    ($($path:literal),* $(,)?) => {
        [$(Template { path: $path, text: include_str!(concat!("../../template/", $path)) }),*]
    };
}

macro_rules! same_as_here {
    ($($path:literal),* $(,)?) => {
        [$(Template { path: $path, text: include_str!(concat!("../../../../", $path)) }),*]
    };
}

/// The manifest, in which the source of the dependencies is put.
const MANIFEST: &str = include_str!("../../template/Cargo.toml");

const OWN: [Template; 10] = template![
    ".cargo/config.toml",
    ".gitattributes",
    "README.md",
    "baselines/README.md",
    "perf-load/Cargo.toml",
    "perf-load/src/main.rs",
    "perf.toml",
    "tests/chat_server.rs",
    "xtask/Cargo.toml",
    "xtask/src/main.rs",
];

const SHARED: [Template; 3] = same_as_here![".gitignore", "rust-toolchain.toml", "tests/sweep.rs"];

const CI: [Template; 11] = same_as_here![
    ".github/scripts/perf-authorize.sh",
    ".github/scripts/perf-check.sh",
    ".github/scripts/perf-comment.sh",
    ".github/scripts/perf-gate.sh",
    ".github/scripts/perf-merge.sh",
    ".github/scripts/perf-plan.sh",
    ".github/scripts/perf-push.sh",
    ".github/scripts/perf-refresh.sh",
    ".github/scripts/perf-split.sh",
    ".github/workflows/perf-refresh.yml",
    ".github/workflows/perf.yml",
];

/// The files, with the workflows of CI or without.
pub(super) fn all(source: &Source, with_ci: bool) -> Vec<NewFile> {
    let ci = if with_ci { &CI[..] } else { &[] };
    let mut files: Vec<NewFile> = OWN.iter().chain(&SHARED).chain(ci).map(file).collect();
    if source.submodule().is_some() {
        for file in files.iter_mut().filter(|file| has_extension(&file.path, "yml")) {
            file.text = with_submodules(&file.text);
        }
    }
    let plain = |path: &str, text| NewFile { path: path.to_owned(), text, is_program: false };
    files.push(plain("Cargo.toml", manifest(MANIFEST, source)));
    // The versions that this suite is tested with.
    files.extend(source.lock_file().map(|text| plain("Cargo.lock", text)));
    files.sort_by(|left, right| left.path.cmp(&right.path));
    files
}

fn file(template: &Template) -> NewFile {
    NewFile {
        path: template.path.to_owned(),
        text: template.text.to_owned(),
        is_program: has_extension(template.path, "sh"),
    }
}

fn has_extension(path: &str, wanted: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|extension| extension == wanted)
}

/// A workflow whose checkouts take submodules too.
fn with_submodules(workflow: &str) -> String {
    let last = "          persist-credentials: false\n";
    workflow.replace(last, &format!("{last}          submodules: true\n"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn here() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn files_under(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files_under(&path, found) } else { found.push(path) }
        }
    }

    #[test]
    fn every_file_of_the_template_is_written_and_every_script_of_the_gate() {
        let template = here().join("template");
        let mut found = Vec::new();
        files_under(&template, &mut found);
        let found: BTreeSet<String> = found
            .iter()
            .map(|path| path.strip_prefix(&template).unwrap().display().to_string())
            .filter(|path| path != "Cargo.toml")
            .collect();
        let known: BTreeSet<String> = OWN.iter().map(|file| file.path.to_owned()).collect();
        assert_eq!(found, known);

        let github = here().join("../../.github");
        let (mut found, mut named) = (Vec::new(), BTreeSet::new());
        files_under(&github, &mut found);
        for path in found {
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with("perf") {
                named.insert(format!(".github/{}", path.strip_prefix(&github).unwrap().display()));
            }
        }
        assert_eq!(named, CI.iter().map(|file| file.path.to_owned()).collect());
    }

    #[test]
    fn checkouts_take_the_submodule_that_holds_the_suite() {
        let workflow = CI.iter().find(|file| file.path.ends_with("perf.yml")).unwrap().text;
        let changed = with_submodules(workflow);
        assert_eq!(
            changed.matches("submodules: true").count(),
            workflow.matches("uses: actions/checkout").count()
        );
    }
}
