//! The committed baselines: what waits for a decision, what is in an old form, and what cannot be read:
//! [`look`].

use std::path::{Path, PathBuf};

use perf_model::judge::compare::BaselineLookup;
use perf_report::terminal::Check;

/// Looks at every baseline of the repository.
pub(super) fn look(folder: &Path, checks: &mut Vec<Check>) {
    if !folder.is_dir() {
        checks.push(Check::ok("there are no baselines yet"));
        return;
    }
    let pending = files(folder, "new", checks);
    if let Some(first) = pending.first() {
        checks.push(Check::note(
            format!(
                "{} of baselines wait for a decision, first {}",
                counted(pending.len(), "pending file"),
                shown(folder, first)
            ),
            "`cargo insta review` decides on each; `cargo insta reject` drops all",
        ));
    }
    let all = files(folder, "snap", checks);
    let mut old = Vec::new();
    for file in &all {
        match perf_store::baselines::find(file) {
            BaselineLookup::Baseline(baseline) => {
                if !perf_store::baselines::is_in_present_form(file, &baseline) {
                    old.push(file);
                }
            }
            BaselineLookup::Nothing => {}
            BaselineLookup::Unusable(why) | BaselineLookup::Newer(why) => {
                checks.push(Check::problem(
                    format!("{} cannot be used: {why}", shown(folder, file)),
                    "restore it from git, or measure it again with `cargo xtask perf refresh`",
                ));
            }
        }
    }
    if let Some(first) = old.first() {
        checks.push(Check::note(
            format!(
                "{} in an old form, first {}",
                counted(old.len(), "baseline"),
                shown(folder, first)
            ),
            "`cargo xtask perf rewrite` writes them in the present one; what was measured stays",
        ));
    }
    checks.push(Check::ok(format!("{} looked at", counted(all.len(), "baseline"))));
}

fn files(folder: &Path, extension: &str, checks: &mut Vec<Check>) -> Vec<PathBuf> {
    perf_store::runs::files(folder, extension).unwrap_or_else(|why| {
        checks.push(Check::problem(why.to_string(), "let your user read the folder"));
        Vec::new()
    })
}

fn shown(folder: &Path, file: &Path) -> String {
    format!("baselines/{}", file.strip_prefix(folder).unwrap_or(file).display())
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
