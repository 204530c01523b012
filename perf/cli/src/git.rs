//! What git says of the repository: [`git`], and which code it has: [`code`].

use std::path::Path;
use std::process::Command;

use perf_model::record::file::SCHEMA;
use perf_model::spec::code::Code;

/// What a git command writes; nothing where it fails.
pub(crate) fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The code that measures here.
pub(crate) fn code(root: &Path) -> Code {
    let commit = git(root, &["rev-parse", "HEAD"]).map(|commit| commit.trim().to_owned());
    let changed = git(root, &["status", "--porcelain", "--untracked-files=no"]);
    Code {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        record_schema: SCHEMA,
        commit,
        is_changed: changed.is_some_and(|changed| !changed.trim().is_empty()),
    }
}
